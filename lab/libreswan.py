"""Libreswan + xl2tpd + pppd inside User-Mode Linux: the other IKE daemon that Linux servers run.

Debian's package conflicts with strongSwan's, so it is not installed: :mod:`lab.install` unpacks it into a
directory of its own, and the guest mounts what it needs from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.gateway import GATEWAY_ADDRESS
from lab.install import LIBRESWAN_LIBRARIES, LIBRESWAN_ROOT
from lab.linux_gateway import XL2TPD, LinuxGateway, LinuxOptions, bind_mounts
from lab.namespaces import LabError

# No MODP-1024: Libreswan has not been built with it since 3.30.
WINDOWS_IKE = "aes256-sha1-ecp384,aes128-sha1-ecp256,aes256-sha1-modp2048,3des-sha1-modp2048"
WINDOWS_ESP = "aes256-sha1,aes128-sha1,3des-sha1"
IKEV2_CONNECTION = f"""\
conn ikev2
 ikev2=insist
 authby=secret
 left={GATEWAY_ADDRESS}
 right=%any
 auto=add
"""
"""A connection for IKEv2 clients beside the one for L2TP, as servers that were upgraded have it."""
_HALF_OPEN_SECONDS = 10


@dataclass(frozen=True)
class LibreswanOptions(LinuxOptions):
    """Everything a test may want different.

    Attributes:
        ike: phase 1 proposals in Libreswan's notation.
        esp: phase 2 proposals.
        ikev1_policy: ``accept``, ``reject`` or ``drop``; Libreswan 5.0 and later drop unless told otherwise.
        setup: further ``key=value`` lines of ``config setup``.
        connections: further whole ``conn`` sections.
    """

    ike: str = WINDOWS_IKE
    esp: str = WINDOWS_ESP
    ikev1_policy: str = "accept"
    setup: tuple[str, ...] = ()
    connections: str = ""

    def files(self) -> dict[str, str]:
        """Return the configuration files, by their place in the guest."""
        setup = [
            *("logfile=/var/log/pluto.log", "uniqueids=no"),
            *(f"ikev1-policy={self.ikev1_policy}", *self.setup),
        ]
        connection = [
            *("ikev2=never", "authby=secret", "type=transport", "pfs=no", "rekey=no"),
            # Transport mode needs no routes, and in this guest the script that sets them takes 0.7 s a time.
            "leftupdown=%disabled",
            *(f"left={GATEWAY_ADDRESS}", "leftprotoport=17/1701", "right=%any", "rightprotoport=17/%any"),
            *(
                f"ike={self.ike}",
                f"esp={self.esp}",
                f"retransmit-timeout={_HALF_OPEN_SECONDS}s",
            ),
            *(*self.connection, "auto=add"),
        ]
        return super().files() | {
            "/run/lab/ipsec.conf": "config setup\n "
            + "\n ".join(setup)
            + "\nconn l2tp\n "
            + "\n ".join(_last_of_each(connection))
            + f"\n{self.connections}"
        }


def _last_of_each(lines: Sequence[str]) -> list[str]:
    """Return ``key=value`` lines with the last value of each key: pluto loads no section that repeats one."""
    return list({line.partition("=")[0]: line for line in lines}.values())


_ROOT = "/run/libreswan"
_LIBRARIES = f"export LD_LIBRARY_PATH={_ROOT}/{LIBRESWAN_LIBRARIES}\n"
NSS_TOOLS = f"""{_LIBRARIES}
export NSS=sql:/var/lib/ipsec/nss PATH={_ROOT}/usr/bin:$PATH
"""
"""Lines of a script that may then call ``certutil``, ``pk12util`` and ``crlutil`` on ``$NSS``."""
_WHACK = f"env LD_LIBRARY_PATH={_ROOT}/{LIBRESWAN_LIBRARIES} timeout 5 /usr/libexec/ipsec/whack"

# pluto has the paths of its helpers built in, so they are mounted where a package would have put them.
_SET_UP = f"""
set -e
mkdir -p {_ROOT} /run/pluto /var/lib/ipsec/nss
mount -t hostfs none {_ROOT} -o {LIBRESWAN_ROOT}
mount --bind {_ROOT}/usr/libexec /usr/libexec
mount --bind {_ROOT}/usr/sbin/ipsec /usr/sbin/ipsec
mount --bind {_ROOT}/etc/ipsec.d /etc/ipsec.d
{_LIBRARIES}
{_ROOT}/usr/bin/certutil -N -d sql:/var/lib/ipsec/nss --empty-password
"""
_START_PLUTO = f"""{_LIBRARIES}
/usr/libexec/ipsec/pluto --config /etc/ipsec.conf --nofork >/var/log/pluto-start.log 2>&1 &
"""
_STOP_PLUTO = f"""
{_WHACK} --shutdown >/dev/null 2>&1
for round in $(seq 50); do pidof pluto >/dev/null || exit 0; sleep 0.1; done
kill -9 $(pidof pluto)
"""
_STATES = re.compile(r"^current\.states\.(all|ipsec)=(\d+)$", re.MULTILINE)


class Libreswan(LinuxGateway[LibreswanOptions]):
    """One running Libreswan + xl2tpd gateway; its services are ``pluto`` and ``xl2tpd``."""

    name = "libreswan"
    daemon = "pluto"
    logs = ("pluto-start", "pluto")
    set_up = _SET_UP + bind_mounts("ipsec.conf:/etc/ipsec.conf", "ipsec.secrets:/etc/ipsec.secrets")
    start_ike = _START_PLUTO
    stop_ike = _STOP_PLUTO
    # Without the figures of all that ever was.
    ask_ike = f"{_WHACK} --globalstatus | grep '^current.states'"

    def __init__(self, options: LibreswanOptions | None = None) -> None:
        super().__init__(options or LibreswanOptions())

    def reset(self) -> None:
        """Drop all clients' state: pluto by itself where that is enough, which is quicker than a restart."""
        if self._running == {self.daemon, XL2TPD}:
            self.guest.run(f"{_WHACK} --name l2tp --terminate >/dev/null", check=False)
            if self.status().clean:
                return
        super().reset()

    def ike_sas(self, answer: str) -> int:
        """Return how many states pluto holds that are not IPsec SAs: ISAKMP SAs, and exchanges under way."""
        found = {name: int(count) for name, count in _STATES.findall(answer)}
        if "pluto" in self._running and not found:
            raise LabError(f"pluto does not say what it holds: {answer!r}")
        return found.get("all", 0) - found.get("ipsec", 0)
