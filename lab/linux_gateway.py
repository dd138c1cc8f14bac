"""What the Linux gateways have in common: an IKE daemon beside xl2tpd and pppd, inside User-Mode Linux."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

from lab.gateway import DEFAULT_PSK, DEFAULT_USERS, GATEWAY_ADDRESS, GATEWAY_ROUTER, GatewayStatus, Site, User
from lab.namespaces import LabError, wait_until
from lab.uml import Guest

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
    *("gcm", "ctr", "ghash_generic", "seqiv", "drbg", "jitterentropy_rng"),
    *("xfrm_user", "esp4", "ppp_generic", "pppox", "l2tp_ppp"),
)
# The kernel composes an SA's cipher when the first SA wants it, and asks modprobe for every part by several
# names: up to 2.5 s in the guest, for which the new SA is deaf.  The modules are there; one SA of each suite,
# while there is nobody to ask, takes 0.3 s for all of them.
_SUITES = (
    *(
        f"auth 'hmac({name})' 0x{'00' * size} enc 'cbc(aes)' 0x{'00' * 32}"
        for name, size in (("sha1", 20), ("sha256", 32), ("sha512", 64))
    ),
    f"auth 'hmac(sha1)' 0x{'00' * 20} enc 'cbc(des3_ede)' 0x{'0123456789abcdef' * 3}",
    f"aead 'rfc4106(gcm(aes))' 0x{'00' * 36} 128",
)
_COMPOSE_SUITES = "\n".join(
    [
        "set -e; was=$(cat /proc/sys/kernel/modprobe); echo >/proc/sys/kernel/modprobe",
        *(
            f"ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi {spi} mode transport {suite}"
            for spi, suite in enumerate(_SUITES, start=256)
        ),
        "ip xfrm state flush; echo $was >/proc/sys/kernel/modprobe",
    ]
)
LNS = ("require chap = yes", "refuse pap = yes", "length bit = yes")
PPP = ("require-mschap-v2", "refuse-eap", "noccp", "mtu 1400", "mru 1400")
XL2TPD = "xl2tpd"
_XL2TPD_CONF = "/run/lab/xl2tpd.conf"
_TAP = "guest0"
_UP_TIMEOUT = 30.0

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
echo "== ike"; %s
echo "== state"; ip xfrm state
echo "== l2tp"; cat /proc/net/pppol2tp
echo "== xl2tpd"
# The kernel knows a tunnel once a call is up.  One that is still being set up is xl2tpd's alone, and its
# SCCRP is repeated for half a minute, in clear text when the SAs are gone.  SIGUSR1 makes it write its list.
if kill -0 $(cat /run/xl2tpd.pid) 2>/dev/null; then
    seen=$(($(wc -c </var/log/xl2tpd.log) + 1)); kill -USR1 $(cat /run/xl2tpd.pid)
    for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        tail -c +$seen /var/log/xl2tpd.log | grep "Number of tunnels open" && break; sleep 0.02
    done
fi
echo "== end"
true
"""

Change = str | bool | tuple[str, ...] | tuple[User, ...]
"""What an option of a gateway may be set to."""


@dataclass(frozen=True)
class LinuxOptions:
    """Everything about xl2tpd, pppd and the key that a test may want different.

    Attributes:
        psk: pre-shared key; empty for a gateway that has none.
        users: accounts for chap-secrets and pap-secrets.
        connection: further ``key=value`` lines of the IPsec connection; a later one wins.
        lns: lines of xl2tpd's ``[lns default]``.
        ppp: lines of the ppp options file.
        ip_range: addresses for clients.
        local_ip: the gateway's own address inside the tunnel.
        secrets: further lines of ipsec.secrets.
        xl2tpd: lines of xl2tpd's ``[global]``.
    """

    psk: str = DEFAULT_PSK
    users: tuple[User, ...] = DEFAULT_USERS
    connection: tuple[str, ...] = ()
    lns: tuple[str, ...] = LNS
    ppp: tuple[str, ...] = PPP
    ip_range: str = "10.99.0.10-10.99.0.200"
    local_ip: str = "10.99.0.1"
    secrets: tuple[str, ...] = ()
    xl2tpd: tuple[str, ...] = ("access control = no",)

    def files(self) -> dict[str, str]:
        """Return the configuration files, by their place in the guest."""
        key = [f': PSK "{self.psk}"'] if self.psk else []
        accounts = "".join(f'"{user.name}" * "{user.password}" *\n' for user in self.users)
        ppp = [
            *("auth", "debug", "logfile /var/log/pppd.log", "lcp-echo-interval 30", "lcp-echo-failure 4"),
            *("nodefaultroute", "noproxyarp", "connect-delay 0", "ms-dns 192.0.2.53", *self.ppp),
        ]
        return {
            "/run/lab/ipsec.secrets": "\n".join([*key, *self.secrets]) + "\n",
            "/run/lab/chap-secrets": accounts,
            "/run/lab/pap-secrets": accounts,
            "/run/lab/ppp-options": "\n".join(ppp) + "\n",
            _XL2TPD_CONF: xl2tpd_conf(
                [f"ip range = {self.ip_range}", f"local ip = {self.local_ip}", "name = lab", *self.lns],
                self.xl2tpd,
            ),
        }


def xl2tpd_conf(lns: Sequence[str], everywhere: Sequence[str] = ("access control = no",)) -> str:
    """Return xl2tpd's configuration with the given lines in ``[lns default]`` and in ``[global]``."""
    head = ["[global]", "port = 1701", "debug tunnel = yes", "debug state = yes", *everywhere]
    lines = ["[lns default]", *lns, "ppp debug = yes", "pppoptfile = /run/lab/ppp-options"]
    return "\n".join([*head, *lines]) + "\n"


def bind_mounts(*files: str) -> str:
    """Return the script that puts the lab's files over ``/etc``'s and makes the places daemons write to.

    Args:
        files: ``NAME:PLACE``, beyond those of pppd; the name is below ``/run/lab``.
    """
    pairs = [*files, "chap-secrets:/etc/ppp/chap-secrets", "pap-secrets:/etc/ppp/pap-secrets"]
    mounts = [f"mount --bind /run/lab/{name} {place}" for name, place in (pair.split(":") for pair in pairs)]
    return "\n".join(
        [
            "set -e",
            *mounts,
            "test -e /dev/ppp || mknod /dev/ppp c 108 0",
            "mkdir -p /run/xl2tpd /var/run/xl2tpd\n",
        ]
    )


OptionsT = TypeVar("OptionsT", bound=LinuxOptions)


class LinuxGateway(ABC, Generic[OptionsT]):
    """One running IKE daemon + xl2tpd + pppd.

    Args:
        options: its configuration; :meth:`configure` changes it later.

    Attributes:
        site: where topologies plug in.
        guest: the machine it runs on.
        options: the configuration in force.
    """

    name: ClassVar[str]
    daemon: ClassVar[str]
    """Process name of the IKE daemon."""
    logs: ClassVar[tuple[str, ...]]
    """Names of the IKE daemon's logs below ``/var/log``, without ``.log``."""
    set_up: ClassVar[str]
    """Script that readies the guest once it has its files."""
    start_ike: ClassVar[str]
    stop_ike: ClassVar[str]
    ask_ike: ClassVar[str]
    """Command that prints what :meth:`ike_sas` reads."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options
        self.site = Site(self.name, hosted=False)
        self._running: set[str] = set()
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
            self.guest.run(_COMPOSE_SUITES)
            self.guest.write(self.options.files())
            self.guest.run(self.set_up)
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

    # -- what each IKE daemon does its own way -----------------------------------------------------

    @abstractmethod
    def ike_sas(self, answer: str) -> int:
        """Return how many ISAKMP SAs, half-open ones included, the daemon's answer tells of.

        Raises:
            LabError: the daemon should run and did not answer.
        """

    def loaded(self) -> bool:
        """Whether the daemon, whose ports are open, knows its connections."""
        return True

    # -- services ----------------------------------------------------------------------------------

    def start(self, *services: str) -> None:
        """Start services (all of them by default) and wait until each listens.

        Raises:
            LabError: one did not come up.
        """
        for service in self._named(services or (self.daemon, XL2TPD)):
            if service in self._running:
                continue
            self.guest.run(START_XL2TPD if service == XL2TPD else self.start_ike)
            self._running.add(service)
        try:
            wait_until(self._up, _UP_TIMEOUT, f"{' and '.join(sorted(self._running))} listen")
        except LabError as error:
            raise LabError(f"{error}\n{self.log()[-4000:]}") from error

    def stop(self, *services: str) -> None:
        """Stop services (all of them by default); nothing of their clients' state stays."""
        for service in self._named(services or (XL2TPD, self.daemon)):
            self.guest.run(STOP_XL2TPD if service == XL2TPD else self.stop_ike)
            self._running.discard(service)

    @contextlib.contextmanager
    def stopped(self, *services: str) -> Iterator[None]:
        """Have services (all of them by default) stopped for the length of a ``with`` block."""
        self.stop(*services)
        try:
            yield
        finally:
            self.start(*services)

    @contextlib.contextmanager
    def paused(self, service: str = "") -> Iterator[None]:
        """Have one service (by default the IKE daemon) frozen (SIGSTOP) during a ``with`` block."""
        (name,) = self._named((service or self.daemon,))
        self.guest.run(f"kill -STOP $(pidof {name})")
        try:
            yield
        finally:
            self.guest.run(f"kill -CONT $(pidof {name})", check=False)

    def configure(self, options: OptionsT | None = None, **changes: Change) -> None:
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
        if any(path.startswith(("/run/lab/ipsec", f"/run/lab/{self.name}")) for path in changed):
            self._restart(self.daemon)
        if _XL2TPD_CONF in changed:
            self._restart(XL2TPD)

    @contextlib.contextmanager
    def configured(self, **changes: Change) -> Iterator[None]:
        """Have a changed configuration for the length of a ``with`` block."""
        before = self.options
        self.configure(before, **changes)
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
        """Ask the IKE daemon, the kernel's SA table and its L2TP tables."""
        text = self.guest.run(_STATUS % self.ask_ike).stdout
        sections = dict(re.findall(r"^== (\w+)\n(.*?)(?=^== )", text, re.DOTALL | re.MULTILINE))
        return GatewayStatus(
            ike_sas=self.ike_sas(sections["ike"]),
            ipsec_sas=len(re.findall(r"^src ", sections["state"], re.MULTILINE)),
            l2tp_tunnels=max(
                len(re.findall(r"^\s*TUNNEL '", sections["l2tp"], re.MULTILINE)),
                *(int(count) for count in re.findall(r"tunnels open: (\d+)", sections["xl2tpd"])),
                0,
            ),
            l2tp_sessions=len(re.findall(r"^\s*SESSION 'sess \d+/[1-9]", sections["l2tp"], re.MULTILINE)),
            text=text,
        )

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """Wait until no SA, tunnel or session is left.

        Raises:
            LabError: something is still there after ``timeout`` seconds.
        """
        found = [self.status()]

        def clean() -> bool:
            found.append(self.status())
            return found[-1].clean

        if not found[0].clean:
            try:
                wait_until(clean, timeout, f"{self.name} holds nothing")
            except LabError as error:
                raise LabError(f"{error}; {found[-1]}") from error
        return found[-1]

    def log(self) -> str:
        """Return the logs of the IKE daemon, xl2tpd and pppd."""
        names = " ".join((*self.logs, XL2TPD, "pppd"))
        script = f"for name in {names}; do echo == $name; cat /var/log/$name.log; done 2>&1"
        return self.guest.run(script, check=False).stdout

    def udp_ports(self) -> set[int]:
        """Return the UDP ports that are open inside the guest."""
        text = self.guest.run("cat /proc/net/udp").stdout
        return {int(line.split()[1].rpartition(":")[2], 16) for line in text.splitlines()[1:]}

    def _named(self, services: Sequence[str]) -> Sequence[str]:
        for service in services:
            if service not in (self.daemon, XL2TPD):
                raise ValueError(f"{self.name} has no service {service!r}")
        return services

    def _restart(self, service: str) -> None:
        if service in self._running:
            self.stop(service)
            self.start(service)

    def _up(self) -> bool:
        wanted = {self.daemon: {500, 4500}, XL2TPD: {1701}}
        ports = self.udp_ports()
        return all(wanted[service] <= ports for service in self._running) and (
            self.daemon not in self._running or self.loaded()
        )
