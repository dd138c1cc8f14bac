"""strongSwan + xl2tpd + pppd inside User-Mode Linux: the gateway most Linux servers are."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

from lab.gateway import DEFAULT_PSK, DEFAULT_USERS, GATEWAY_ADDRESS, GATEWAY_ROUTER, GatewayStatus, Site, User
from lab.namespaces import LabError, wait_until
from lab.uml import Guest

Service = Literal["charon", "xl2tpd"]

MODULES = (
    *(
        "authenc",
        "echainiv",
        "cbc",
        "sha1_generic",
        "sha256_generic",
        "sha512_generic",
        "hmac",
        "des_generic",
    ),
    *("xfrm_user", "esp4", "ppp_generic", "pppox", "l2tp_ppp"),
)
WINDOWS_IKE = (
    "aes256-sha1-ecp384,aes128-sha1-ecp256,aes256-sha1-modp2048,3des-sha1-modp2048,3des-sha1-modp1024"
)
WINDOWS_ESP = "aes256-sha1,aes128-sha1,3des-sha1"
LNS = ("require chap = yes", "refuse pap = yes", "length bit = yes")
PPP = ("require-mschap-v2", "refuse-eap", "noccp", "mtu 1400", "mru 1400")
_TAP = "guest0"
_UP_TIMEOUT = 30.0

# A fixed list of plugins: with all that may be installed (TPM, PKCS#11, …) charon starts in 7 s, not 0.3 s.
STRONGSWAN_CONF = """\
charon {
  load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp x509 constraints revocation \
    pubkey pkcs1 pkcs8 pem kernel-netlink socket-default stroke updown
  half_open_timeout = 10
  plugins { include strongswan.d/charon/*.conf }
  filelog { lab { path = /var/log/charon.log
    flush_line = yes
    time_format = %%H:%%M:%%S
    time_add_ms = yes
    default = 1
    ike = 2
    cfg = 2 } }
  %s
}
"""


@dataclass(frozen=True)
class StrongSwanOptions:
    """Everything a test may want different.

    Attributes:
        psk: pre-shared key.
        users: accounts for chap-secrets and pap-secrets.
        ike: phase 1 proposals in strongSwan's notation.
        esp: phase 2 proposals.
        connection: further ``key=value`` lines of the connection; a later one wins.
        lns: lines of xl2tpd's ``[lns default]``.
        ppp: lines of the ppp options file.
        ip_range: addresses for clients.
        dos_protection: charon's limit of 5 half-open SAs per client address, after which it stays silent.
            Off, because a test that follows another would meet the limit of the one before.
        charon: further text inside the ``charon { }`` section of strongswan.conf.
        secrets: further lines of ipsec.secrets.
    """

    psk: str = DEFAULT_PSK
    users: tuple[User, ...] = DEFAULT_USERS
    ike: str = WINDOWS_IKE
    esp: str = WINDOWS_ESP
    connection: tuple[str, ...] = ()
    lns: tuple[str, ...] = LNS
    ppp: tuple[str, ...] = PPP
    ip_range: str = "10.99.0.10-10.99.0.200"
    local_ip: str = "10.99.0.1"
    dos_protection: bool = False
    charon: str = ""
    secrets: tuple[str, ...] = ()

    def files(self) -> dict[str, str]:
        """Return the configuration files, by their place in the guest."""
        protection = f"dos_protection = {'yes' if self.dos_protection else 'no'}"
        # ``!`` makes the lists strict: without it strongSwan adds its own defaults.
        connection = [
            *(
                "keyexchange=ikev1",
                "authby=secret",
                "type=transport",
                f"left={GATEWAY_ADDRESS}",
                "right=%any",
            ),
            *("leftprotoport=17/1701", "rightprotoport=17/%any", "rekey=no", "auto=add"),
            *(f"ike={self.ike}!", f"esp={self.esp}!", *self.connection),
        ]
        accounts = "".join(f'"{user.name}" * "{user.password}" *\n' for user in self.users)
        secrets = [f': PSK "{self.psk}"', *self.secrets]
        ppp = [
            *("auth", "debug", "logfile /var/log/pppd.log", "lcp-echo-interval 30", "lcp-echo-failure 4"),
            *("nodefaultroute", "noproxyarp", "connect-delay 0", "ms-dns 192.0.2.53", *self.ppp),
        ]
        return {
            "/run/lab/ipsec.conf": "config setup\n uniqueids=no\nconn l2tp\n "
            + "\n ".join(connection)
            + "\n",
            "/run/lab/ipsec.secrets": "\n".join(secrets) + "\n",
            "/run/lab/strongswan.conf": STRONGSWAN_CONF % f"{protection}\n  {self.charon}",
            "/run/lab/chap-secrets": accounts,
            "/run/lab/pap-secrets": accounts,
            "/run/lab/ppp-options": "\n".join(ppp) + "\n",
            "/run/lab/xl2tpd.conf": xl2tpd_conf(
                [f"ip range = {self.ip_range}", f"local ip = {self.local_ip}", "name = lab", *self.lns]
            ),
        }


def xl2tpd_conf(lns: Sequence[str]) -> str:
    """Return xl2tpd's configuration with the given lines in ``[lns default]``."""
    head = "[global]\nport = 1701\naccess control = no\ndebug tunnel = yes\ndebug state = yes\n"
    lines = [*lns, "ppp debug = yes", "pppoptfile = /run/lab/ppp-options"]
    return head + "[lns default]\n" + "\n".join(lines) + "\n"


BIND_MOUNTS = """
set -e
for pair in ipsec.conf:/etc/ipsec.conf ipsec.secrets:/etc/ipsec.secrets strongswan.conf:/etc/strongswan.conf \
    chap-secrets:/etc/ppp/chap-secrets pap-secrets:/etc/ppp/pap-secrets; do
  mount --bind /run/lab/${pair%%:*} ${pair#*:}
done
test -e /dev/ppp || mknod /dev/ppp c 108 0
mkdir -p /run/xl2tpd /var/run/xl2tpd
"""

START_CHARON = "ipsec start --nofork >/var/log/starter.log 2>&1 &"
STOP_CHARON = "ipsec stop >/dev/null 2>&1; true"
START_XL2TPD = """
xl2tpd -D -c /run/lab/xl2tpd.conf -p /run/xl2tpd.pid -C /run/xl2tpd/control >>/var/log/xl2tpd.log 2>&1 &
"""
# Inside the guest: its processes are all the lab's own.
STOP_XL2TPD = """
test -s /run/xl2tpd.pid && kill -9 $(cat /run/xl2tpd.pid); rm -f /run/xl2tpd.pid
for pid in $(pidof pppd); do kill -9 $pid; done
true
"""
_STATUS = """
echo "== statusall"; timeout 5 ipsec statusall
echo "== state"; ip xfrm state
echo "== l2tp"; cat /proc/net/pppol2tp
echo "== end"
true
"""


class StrongSwan:
    """One running strongSwan + xl2tpd gateway.

    Args:
        options: its configuration; :meth:`configure` changes it later.

    Attributes:
        site: where topologies plug in.
        guest: the machine it runs on.
        options: the configuration in force.
    """

    name = "strongswan"

    def __init__(self, options: StrongSwanOptions | None = None) -> None:
        self.options = options or StrongSwanOptions()
        self.site = Site("strongswan", hosted=False)
        self._running: set[Service] = set()
        with contextlib.ExitStack() as guard:
            guard.callback(self.site.close)
            self.site.add_tap(_TAP)
            self.guest = guard.enter_context(Guest("gateway", self.site.namespace, _TAP, modules=MODULES))
            self.guest.run(
                "ip link set eth0 up\n"
                f"ip addr add {GATEWAY_ADDRESS}/24 dev eth0\n"
                f"ip route add default via {GATEWAY_ROUTER}\n"
                "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
                "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit"
            )
            self.guest.write(self.options.files())
            self.guest.run(BIND_MOUNTS)
            self.start()
            guard.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def psk(self) -> str:
        """Its pre-shared key now."""
        return self.options.psk

    @property
    def users(self) -> tuple[User, ...]:
        """Its accounts now."""
        return self.options.users

    def close(self) -> None:
        """End the guest and remove its namespace."""
        self.guest.close()
        self.site.close()

    # -- services ----------------------------------------------------------------------------------

    def start(self, *services: Service) -> None:
        """Start services (all of them by default) and wait until each listens.

        Raises:
            LabError: one did not come up.
        """
        for service in services or ("charon", "xl2tpd"):
            if service in self._running:
                continue
            self.guest.run(START_CHARON if service == "charon" else START_XL2TPD)
            self._running.add(service)
        try:
            wait_until(self._up, _UP_TIMEOUT, "strongSwan and xl2tpd listen")
        except LabError as error:
            raise LabError(f"{error}\n{self.log()[-4000:]}") from error

    def stop(self, *services: Service) -> None:
        """Stop services (all of them by default); nothing of their clients' state stays."""
        for service in services or ("xl2tpd", "charon"):
            self.guest.run(STOP_CHARON if service == "charon" else STOP_XL2TPD)
            self._running.discard(service)

    @contextlib.contextmanager
    def stopped(self, *services: Service) -> Iterator[None]:
        """Have services (all of them by default) stopped for the length of a ``with`` block."""
        self.stop(*services)
        try:
            yield
        finally:
            self.start(*services)

    @contextlib.contextmanager
    def paused(self, service: Service = "charon") -> Iterator[None]:
        """Have one service frozen (SIGSTOP) for the length of a ``with`` block."""
        self.guest.run(f"kill -STOP $(pidof {service})")
        try:
            yield
        finally:
            self.guest.run(f"kill -CONT $(pidof {service})", check=False)

    def configure(
        self,
        options: StrongSwanOptions | None = None,
        **changes: str | bool | tuple[str, ...] | tuple[User, ...],
    ) -> None:
        """Take a new configuration into force; only what it affects is restarted.

        Args:
            options: the new configuration; the present one when None.
            changes: fields to replace, e.g. ``psk="other"`` or ``ike="aes256-sha256-modp4096"``.
        """
        old = self.options.files()
        self.options = replace(options or self.options, **changes)  # type: ignore[arg-type]  # mixed types
        new = self.options.files()
        changed = {path for path in new if new[path] != old[path]}
        if not changed:
            return
        self.guest.write({path: new[path] for path in changed})
        if any(path.startswith(("/run/lab/ipsec", "/run/lab/strongswan")) for path in changed):
            self._restart("charon")
        if "/run/lab/xl2tpd.conf" in changed:
            self._restart("xl2tpd")

    @contextlib.contextmanager
    def configured(self, **changes: str | bool | tuple[str, ...] | tuple[User, ...]) -> Iterator[None]:
        """Have a changed configuration for the length of a ``with`` block."""
        before = self.options
        self.configure(replace(self.options, **changes))  # type: ignore[arg-type]  # mixed field types
        try:
            yield
        finally:
            self.configure(before)

    def reset(self) -> None:
        """Drop all clients' state and go back to every service running: between tests."""
        self.stop()
        self.guest.run("ip xfrm state flush; ip xfrm policy flush")
        self.start()

    # -- what it says ------------------------------------------------------------------------------

    def status(self) -> GatewayStatus:
        """Ask charon, the kernel's SA table and its L2TP tables."""
        text = self.guest.run(_STATUS).stdout
        sections = dict(re.findall(r"^== (\w+)\n(.*?)(?=^== )", text, re.DOTALL | re.MULTILINE))
        found = re.search(r"Security Associations \((\d+) up, (\d+) connecting\)", sections["statusall"])
        return GatewayStatus(
            ike_sas=int(found[1]) + int(found[2]) if found else 0,
            ipsec_sas=len(re.findall(r"^src ", sections["state"], re.MULTILINE)),
            l2tp_tunnels=len(re.findall(r"^\s*TUNNEL '", sections["l2tp"], re.MULTILINE)),
            l2tp_sessions=len(re.findall(r"^\s*SESSION 'sess \d+/[1-9]", sections["l2tp"], re.MULTILINE)),
            text=text,
        )

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """Wait until no SA, tunnel or session is left.

        Raises:
            LabError: something is still there after ``timeout`` seconds.
        """
        wait_until(lambda: self.status().clean, timeout, f"strongSwan holds nothing; {self.status()}")
        return self.status()

    def log(self) -> str:
        """Return the logs of charon, xl2tpd and pppd."""
        script = "for name in starter charon xl2tpd pppd; do echo == $name; cat /var/log/$name.log; done 2>&1"
        return self.guest.run(script, check=False).stdout

    def _restart(self, service: Service) -> None:
        if service in self._running:
            self.stop(service)
            self.start(service)

    def _up(self) -> bool:
        wanted = {"charon": {500, 4500}, "xl2tpd": {1701}}
        ports = self.udp_ports()
        # charon opens its ports before it has read its connections.
        loaded = (
            "charon" not in self._running
            or "l2tp" in self.guest.run("timeout 5 ipsec statusall", check=False).stdout
        )
        return loaded and all(wanted[service] <= ports for service in self._running)

    def udp_ports(self) -> set[int]:
        """Return the UDP ports that are open inside the guest."""
        text = self.guest.run("cat /proc/net/udp").stdout
        return {int(line.split()[1].rpartition(":")[2], 16) for line in text.splitlines()[1:]}
