"""Paths between a client and a gateway: straight, behind a NAT at either end, with any number of hops.

From left to right::

    client ── [client NAT] ── router … router ── [server NAT] ── gateway
    198.51.100.10           192.0.2.0/29, …                      203.0.113.1

Each node in the middle is a namespace whose interface towards the client is called ``lan`` and whose
interface towards the gateway is called ``wan``: that is all a fault needs to know.  Plaintext L2TP (UDP
1701), L2TPv3 and GRE never cross a node, so a dial can only succeed inside ESP.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lab.delay import DelayLink
from lab.gateway import (
    BRIDGE,
    GATEWAY_ADDRESS,
    GATEWAY_ADDRESS6,
    GATEWAY_ROUTER,
    GATEWAY_ROUTER6,
    GATEWAY_ROUTER_MAC,
    Gateway,
    Site,
)
from lab.namespaces import LabError, Namespace, link, wait_running

CLIENT_NETWORK = "198.51.100.0/24"
CLIENT_NETWORK6 = "2001:db8:1::/64"
CLIENT_ROUTER = "198.51.100.1"
CLIENT_ROUTER6 = "2001:db8:1::1"
_ETHERNET = 1500
MAX_HOPS = 16
"""192.0.2.0/24 has room for 32 transit links of eight addresses; half of that is more than any case needs."""

_GUARD = """
table inet lab_guard {
  counter from_client { }
  counter from_gateway { }
  chain plaintext_l2tp {
    iifname "lan" counter name from_client drop
    counter name from_gateway drop
  }
  chain forward {
    type filter hook forward priority -20; policy accept;
    udp dport 1701 goto plaintext_l2tp
    udp sport 1701 goto plaintext_l2tp
    meta l4proto { 47, 115 } goto plaintext_l2tp
  }
}
"""


@dataclass(frozen=True)
class Shape:
    """What a topology looks like.

    Attributes:
        client_nat: a masquerading router with a stateful filter in front of the client.
        rewrite_ports: that router also changes source ports (as most do for a second client).
        server_nat: a router that hands UDP 500 and 4500 to the gateway behind it, and drops ESP.
        hops: routers in the middle, at least 1.
        one_way_delay: seconds added in each direction in front of the gateway; 0 adds no relay.
        mtu: MTU in octets of the link between the last two nodes: the routers on its ends say
            "fragmentation needed" or fragment, as a PPPoE line's do.
    """

    client_nat: bool = False
    rewrite_ports: bool = False
    server_nat: bool = False
    hops: int = 1
    one_way_delay: float = 0.0
    mtu: int = _ETHERNET


DIRECT = Shape()
CLIENT_BEHIND_NAT = Shape(client_nat=True)
SERVER_BEHIND_NAT = Shape(server_nat=True)
BOTH_BEHIND_NAT = Shape(client_nat=True, server_nat=True)
SHAPES = {
    "direct": DIRECT,
    "client-behind-nat": CLIENT_BEHIND_NAT,
    "server-behind-nat": SERVER_BEHIND_NAT,
    "both-behind-nat": BOTH_BEHIND_NAT,
}


class Topology:
    """One path, made by the constructor and removed by :meth:`close`.  See :func:`topology`.

    Attributes:
        shape: what it looks like.
        client: the first client's namespace (interface ``eth0``).
        client_address: that client's IPv4 address.
        nodes: every namespace in the middle, from the client to the gateway.
        client_nat: the NAT in front of the clients, or None.
        routers: the plain routers, from the client to the gateway.
        server_nat: the NAT in front of the gateway, or None.
        dial_address: the IPv4 address a client dials.
        dial_address6: the IPv6 address a client dials; None when a NAT is on the path.
    """

    def __init__(self, site: Site, shape: Shape = DIRECT) -> None:
        if not 1 <= shape.hops <= MAX_HOPS:
            raise ValueError(f"hops must be 1 … {MAX_HOPS}")
        if shape.mtu != _ETHERNET and shape.hops + shape.client_nat + shape.server_nat < 2:
            raise ValueError("an MTU needs a link between two nodes: hops=2")
        if site.attached:
            raise LabError("this gateway is already attached to another topology")
        self.shape = shape
        self.site = site
        self._stack = contextlib.ExitStack()
        self._clients = 0
        with contextlib.ExitStack() as guard:
            guard.callback(self.close)
            self._build()
            guard.pop_all()

    def close(self) -> None:
        """Remove every namespace and link of this path."""
        self._stack.close()

    @property
    def path(self) -> Namespace:
        """The first plain router: where faults go by default."""
        return self.routers[0]

    def add_client(self) -> tuple[Namespace, str]:
        """Put one more machine on the client's network; return its namespace and IPv4 address."""
        number = self._clients
        self._clients += 1
        client = self._stack.enter_context(Namespace(f"client{number}"))
        first = self.nodes[0]
        link(client, "eth0", first, f"c{number}")
        address = f"198.51.100.{10 + number}"
        first.ip(f"link set c{number} master lan", f"link set c{number} up")
        commands = [
            f"addr add {address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {CLIENT_ROUTER}",
        ]
        if self.dial_address6 is not None:
            commands += [
                f"addr add 2001:db8:1::{10 + number}/64 dev eth0 nodad",
                f"route add ::/0 via {CLIENT_ROUTER6}",
            ]
        client.ip(*commands)
        return client, address

    def add_client_tap(self, name: str) -> str:
        """Make a tap device on the client's network, for a guest; return the IPv4 address for the guest."""
        number = self._clients
        self._clients += 1
        self.nodes[0].ip(
            f"tuntap add name {name} mode tap", f"link set {name} master lan", f"link set {name} up"
        )
        return f"198.51.100.{10 + number}"

    def plaintext_l2tp_packets(self, sender: Literal["client", "gateway"]) -> int:
        """Return how many packets of ``sender`` outside ESP the guard has stopped (UDP 1701, L2TPv3, GRE)."""
        total = 0
        for node in self.nodes:
            words = node.run(["nft", "list", "counter", "inet", "lab_guard", f"from_{sender}"]).stdout.split()
            total += int(words[words.index("packets") + 1])
        return total

    def _build(self) -> None:
        shape = self.shape

        def router(role: str) -> Namespace:
            return self._stack.enter_context(Namespace(role, forwarding=True))

        self.client_nat = router("cnat") if shape.client_nat else None
        self.routers = [router(f"hop{number}") for number in range(1, shape.hops + 1)]
        self.server_nat = router("snat") if shape.server_nat else None
        self.nodes = [node for node in (self.client_nat, *self.routers, self.server_nat) if node is not None]
        last = len(self.nodes) - 1
        routed6 = not (shape.client_nat or shape.server_nat)
        self.dial_address6 = GATEWAY_ADDRESS6 if routed6 else None
        self.dial_address = _transit(last - 1, "right") if shape.server_nat else GATEWAY_ADDRESS
        self._join_nodes()
        self._join_gateway()
        for number, node in enumerate(self.nodes):
            node.ip(*self._routes(number))
            node.nft(_GUARD)
        if self.client_nat is not None:
            self.client_nat.nft(_client_nat_rules(shape.rewrite_ports))
        if self.server_nat is not None:
            self.server_nat.nft(_server_nat_rules())
        self.client, self.client_address = self.add_client()
        wait_running(self.client, "eth0")
        wait_running(self.nodes[0], "lan")
        for node in self.nodes:
            wait_running(node, "wan")
        wait_running(self.site.namespace, BRIDGE)
        # Resolve the link addresses now: a measurement must not pay for that with an extra round trip.
        self.nodes[-1].run(["ping", "-q", "-c", "1", "-W", "3", GATEWAY_ADDRESS], check=False)

    def _join_nodes(self) -> None:
        self.nodes[0].ip(
            "link add lan type bridge",
            f"addr add {CLIENT_ROUTER}/24 dev lan",
            f"addr add {CLIENT_ROUTER6}/64 dev lan nodad",
            "link set lan up",
        )
        for number, (left, right) in enumerate(zip(self.nodes, self.nodes[1:], strict=False)):
            link(left, "wan", right, "lan")
            mtu = self.shape.mtu if right is self.nodes[-1] else _ETHERNET
            for node, name, side in ((left, "wan", "left"), (right, "lan", "right")):
                node.ip(
                    f"addr add {_transit(number, side)}/29 dev {name}",
                    f"addr add {_transit6(number, side)}/64 dev {name} nodad",
                    f"link set {name} mtu {mtu} up",
                )

    def _join_gateway(self) -> None:
        last = self.nodes[-1]
        gateway = self.site.namespace
        if self.shape.one_way_delay > 0:
            self._stack.enter_context(
                DelayLink(last, "wan", gateway, "uplink", one_way_delay=self.shape.one_way_delay)
            )
        else:
            link(last, "wan", gateway, "uplink")
            self._stack.callback(_remove_link, last, "wan")
        last.ip(
            f"link set wan address {GATEWAY_ROUTER_MAC}",
            f"addr add {GATEWAY_ROUTER}/24 dev wan",
            f"addr add {GATEWAY_ROUTER6}/64 dev wan nodad",
            "link set wan up",
        )
        gateway.ip(f"link set uplink master {BRIDGE}", "link set uplink up")
        self.site.attached = True
        self._stack.callback(self._detached)

    def _detached(self) -> None:
        self.site.attached = False

    def _routes(self, number: int) -> list[str]:
        """Default to the right; what lies further left than the neighbour's link, to the left."""
        commands = []
        if number < len(self.nodes) - 1:
            commands.append(f"route add default via {_transit(number, 'right')}")
            commands.append(f"route add ::/0 via {_transit6(number, 'right')}")
        if number > 0:
            via, via6 = _transit(number - 1, "left"), _transit6(number - 1, "left")
            commands += [f"route add {_transit_network(other)} via {via}" for other in range(number - 1)]
            # A NAT hides the client's network: a packet that leaks out with such a source gets no answer.
            if self.client_nat is None:
                commands.append(f"route add {CLIENT_NETWORK} via {via}")
                commands.append(f"route add {CLIENT_NETWORK6} via {via6}")
        return commands


@contextlib.contextmanager
def topology(gateway: Gateway, shape: Shape = DIRECT, **changes: float | bool) -> Iterator[Topology]:
    """Make a path to a gateway for the length of a ``with`` block.

    Args:
        gateway: a running gateway that is not attached to another path.
        shape: what the path looks like.
        changes: fields of :class:`Shape` to change, e.g. ``hops=3`` or ``one_way_delay=0.025``.
    """
    made = Topology(gateway.site, replace(shape, **changes))  # type: ignore[arg-type]  # mixed field types
    try:
        yield made
    finally:
        made.close()


def _remove_link(node: Namespace, name: str) -> None:
    if node.exists():
        node.run(["ip", "link", "del", name], check=False)


def _transit(number: int, side: str) -> str:
    return f"192.0.2.{8 * number + (1 if side == 'left' else 2)}"


def _transit_network(number: int) -> str:
    return f"192.0.2.{8 * number}/29"


def _transit6(number: int, side: str) -> str:
    return f"2001:db8:ff:{number:x}::{1 if side == 'left' else 2}"


def _client_nat_rules(rewrite_ports: bool) -> str:
    how = "masquerade random" if rewrite_ports else "masquerade"
    return f"""
table ip lab_nat {{
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    oifname "wan" {how}
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname "lan" oifname "wan" accept
    iifname "wan" oifname "lan" ct state established,related accept
  }}
}}
"""


def _server_nat_rules() -> str:
    return f"""
table ip lab_nat {{
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    iifname "lan" udp dport {{ 500, 4500 }} dnat to {GATEWAY_ADDRESS}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    iifname "wan" oifname "lan" masquerade
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname "lan" oifname "wan" ct status dnat udp dport {{ 500, 4500 }} accept
    iifname "lan" oifname "wan" ct state established,related accept
    iifname "wan" oifname "lan" meta l4proto != esp accept
  }}
}}
"""
