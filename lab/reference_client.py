"""The reference Linux client: strongSwan + xl2tpd + pppd in a second User-Mode Linux.

It dials a gateway the way Linux distributions do it, and says how long each part took.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lab.gateway import DEFAULT_PSK, User
from lab.linux_gateway import MODULES, START_XL2TPD, STOP_XL2TPD
from lab.namespaces import LabError
from lab.strongswan import BIND_MOUNTS, START_CHARON, STOP_CHARON, STRONGSWAN_CONF
from lab.topologies import CLIENT_ROUTER, Topology
from lab.uml import Guest

_TAP = "refguest"
_CONNECTION = """\
config setup
conn l2tp
 keyexchange=ikev1
 authby=secret
 type=transport
 left=%defaultroute
 leftprotoport=17/1701
 right={gateway}
 rightid=%any
 rightprotoport=17/1701
 ike={ike}!
 esp={esp}!
 keyingtries=1
 auto=add
"""
_XL2TPD = """\
[global]
port = 1701
access control = no
[lac vpn]
lns = {gateway}
ppp debug = yes
pppoptfile = /run/lab/ppp-options
length bit = yes
"""
_PPP = """\
noauth
name "{user}"
password "{password}"
refuse-eap
noccp
mtu 1400
mru 1400
nodefaultroute
debug
logfile /var/log/pppd.log
connect-delay 0
ipcp-accept-local
ipcp-accept-remote
"""
_CHARON_READY = """
for i in $(seq 200); do ipsec statusall 2>/dev/null | grep -q 'l2tp:' && exit 0; sleep 0.05; done
"""
_CALL = """
for i in $(seq 200); do test -p /run/xl2tpd/control -a -s /run/xl2tpd.pid && break; sleep 0.02; done
echo 'c vpn' >/run/xl2tpd/control
"""
_WAIT_FOR_ADDRESS = """
while true; do
  ip -4 -o addr show dev ppp0 2>/dev/null | grep 'inet ' && exit 0
  sleep 0.02
done
"""


@dataclass(frozen=True)
class Dial:
    """How one dial went.

    Attributes:
        start_seconds: until charon, started for this dial, was ready.
        ike_seconds: from then until both IKE phases were complete.
        total_seconds: from the very start until an IP address was assigned.
        address: the assigned address.
    """

    start_seconds: float
    ike_seconds: float
    total_seconds: float
    address: str


class ReferenceClient:
    """A Linux client on a topology's client network.

    Args:
        path: the topology; it must outlive the client.

    Attributes:
        guest: the machine it runs on.
    """

    def __init__(self, path: Topology) -> None:
        self._path = path
        with contextlib.ExitStack() as guard:
            address = path.add_client_tap(_TAP)
            self.guest = guard.enter_context(Guest("refclient", path.nodes[0], _TAP, modules=MODULES))
            self.guest.run(
                f"ip link set eth0 up; ip addr add {address}/24 dev eth0\n"
                f"ip route add default via {CLIENT_ROUTER}"
            )
            guard.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the guest."""
        self.guest.close()

    def dial(
        self,
        psk: str = DEFAULT_PSK,
        user: User | None = None,
        *,
        gateway: str | None = None,
        ike: str = "aes256-sha1-modp2048",
        esp: str = "aes256-sha1",
        timeout: float = 60,
    ) -> Dial:
        """Dial and stay connected.

        Args:
            psk: pre-shared key.
            user: account.
            gateway: address to dial; the topology's own when None.
            ike: phase 1 proposal.
            esp: phase 2 proposal.
            timeout: seconds for each half.

        Raises:
            LabError: no connection; the message holds the client's logs.
        """
        account = user or User()
        target = gateway or self._path.dial_address
        self.hang_up()
        self._configure(psk, account, target, ike, esp)
        begin = time.monotonic()
        self.guest.run(START_CHARON + _CHARON_READY)
        ready = time.monotonic()
        up = self.guest.run("ipsec up l2tp", timeout=timeout, check=False)
        if up.returncode != 0 or "established successfully" not in up.stdout:
            raise LabError(
                f"the reference client got no IPsec ({up.returncode}):\n{up.stdout}\n{self.log()[-3000:]}"
            )
        ike_done = time.monotonic()
        self.guest.run(START_XL2TPD + _CALL)
        shown = self.guest.run(_WAIT_FOR_ADDRESS, timeout=timeout, check=False)
        found = re.search(r"inet (\S+)", shown.stdout)
        if found is None:
            raise LabError(f"the reference client got no address:\n{self.log()[-6000:]}")
        return Dial(
            start_seconds=ready - begin,
            ike_seconds=ike_done - ready,
            total_seconds=time.monotonic() - begin,
            address=found[1].partition("/")[0],
        )

    def ping(self, address: str, count: int = 1) -> bool:
        """Say whether an address answers through the tunnel's interface."""
        return (
            self.guest.run(f"ping -I ppp0 -c {count} -W 2 {address}", timeout=30, check=False).returncode == 0
        )

    def peer_address(self) -> str:
        """Return the gateway's address inside the tunnel."""
        found = re.search(r"peer (\S+?)/", self.guest.run("ip -4 -o addr show dev ppp0").stdout)
        if found is None:
            raise LabError("ppp0 has no peer")
        return found[1]

    def hang_up(self) -> None:
        """End the session properly (disconnect, then delete the SAs) and stop the daemons."""
        self.guest.run(
            "test -p /run/xl2tpd/control && kill -0 $(cat /run/xl2tpd.pid) 2>/dev/null && {\n"
            " echo 'd vpn' >/run/xl2tpd/control\n"
            " for i in $(seq 40); do ip link show ppp0 >/dev/null 2>&1 || break; sleep 0.05; done\n"
            " kill $(cat /run/xl2tpd.pid); sleep 0.2\n"
            "}\n"
            "ipsec down l2tp >/dev/null 2>&1\n" + STOP_XL2TPD + STOP_CHARON,
            check=False,
        )

    def log(self) -> str:
        """Return the logs of charon, xl2tpd and pppd."""
        script = "for name in starter charon xl2tpd pppd; do echo == $name; cat /var/log/$name.log; done 2>&1"
        return self.guest.run(script, check=False).stdout

    def _configure(self, psk: str, user: User, target: str, ike: str, esp: str) -> None:
        self.guest.write(
            {
                "/run/lab/ipsec.conf": _CONNECTION.format(gateway=target, ike=ike, esp=esp),
                "/run/lab/ipsec.secrets": f': PSK "{psk}"\n',
                "/run/lab/strongswan.conf": STRONGSWAN_CONF % "",
                "/run/lab/chap-secrets": "",
                "/run/lab/pap-secrets": "",
                "/run/lab/ppp-options": _PPP.format(user=user.name, password=user.password),
                "/run/lab/xl2tpd.conf": _XL2TPD.format(gateway=target),
            }
        )
        self.guest.run("test -e /run/mounted && exit 0\n" + BIND_MOUNTS + "touch /run/mounted")
