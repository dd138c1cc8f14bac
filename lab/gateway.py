"""What every lab gateway has in common: its place on the network, its users, its status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.namespaces import Namespace

GATEWAY_ADDRESS = "203.0.113.1"
"""Every gateway's own IPv4 address (each one lives on a wire of its own)."""
GATEWAY_ADDRESS6 = "2001:db8:2::1"
GATEWAY_ROUTER = "203.0.113.254"
GATEWAY_ROUTER6 = "2001:db8:2::fe"
GATEWAY_ROUTER_MAC = "02:00:5e:00:71:fe"
"""Every topology's last router has this one: a gateway that outlives topologies keeps no stale entry."""
BRIDGE = "br0"

DEFAULT_PSK = "test-psk"


@dataclass(frozen=True)
class User:
    """One VPN account."""

    name: str = "alice"
    password: str = "wonderland"


DEFAULT_USERS = (User(),)


@dataclass(frozen=True)
class GatewayStatus:
    """What a gateway holds for its clients right now.

    Attributes:
        ike_sas: ISAKMP SAs, half-open ones included.
        ipsec_sas: IPsec (phase 2) SAs.
        l2tp_tunnels: L2TP tunnels.
        l2tp_sessions: L2TP sessions (calls) or VPN sessions behind them.
        text: the raw output that the figures were read from.
    """

    ike_sas: int
    ipsec_sas: int
    l2tp_tunnels: int
    l2tp_sessions: int
    text: str

    @property
    def clean(self) -> bool:
        """Whether no client has left anything behind."""
        return not (self.ike_sas or self.ipsec_sas or self.l2tp_tunnels or self.l2tp_sessions)


class Gateway(Protocol):
    """A real L2TP/IPsec gateway that a topology can be attached to."""

    @property
    def site(self) -> Site:
        """Where it is on the network."""

    @property
    def psk(self) -> str:
        """Its pre-shared key now."""

    @property
    def users(self) -> tuple[User, ...]:
        """Its accounts now."""

    def status(self) -> GatewayStatus:
        """Ask it what it holds."""

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """Wait until it holds nothing for any client."""

    def log(self) -> str:
        """Return everything it has logged so far."""

    def close(self) -> None:
        """End it and remove all of it."""


class Site:
    """The wire in front of one gateway: a namespace with a bridge that topologies plug into.

    Args:
        name: becomes part of the namespace's name.
        hosted: True when the gateway's daemons run in this very namespace and its address is on the bridge;
            False when the bridge only joins a guest's tap to the wire.
    """

    def __init__(self, name: str, *, hosted: bool) -> None:
        self.namespace = Namespace(name)
        self.attached = False
        # A bridge without a port has no carrier, and after the first port comes it drops packets for up to a
        # second.  One port that is always there avoids that.
        commands = [
            f"link add {BRIDGE} type bridge",
            "link add name keep0 type veth peer name keep1",
            f"link set keep0 master {BRIDGE}",
            *(f"link set {name} up" for name in (BRIDGE, "keep0", "keep1")),
        ]
        if hosted:
            commands += [
                f"addr add {GATEWAY_ADDRESS}/24 dev {BRIDGE}",
                f"addr add {GATEWAY_ADDRESS6}/64 dev {BRIDGE} nodad",
                f"route add default via {GATEWAY_ROUTER}",
                f"route add ::/0 via {GATEWAY_ROUTER6}",
            ]
        self.namespace.ip(*commands)

    def add_tap(self, name: str) -> None:
        """Make a persistent tap device on the bridge, for a guest's network card."""
        self.namespace.ip(
            f"tuntap add name {name} mode tap", f"link set {name} master {BRIDGE}", f"link set {name} up"
        )

    def close(self) -> None:
        """Remove the namespace."""
        self.namespace.close()


def tail(path: Path, lines: int = 40) -> str:
    """Return the last lines of a text file, or an empty string when there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
