"""Faults on a path, as context managers: each adds one nftables table to one router and removes it again.

``where`` is a topology (the fault goes to its first plain router) or any of its nodes.  A direction is seen
from the client: ``out`` goes to the gateway, ``in`` comes from it.  Every fault counts what it caught, so
that a test can prove that it struck::

    with faults.drop_udp(path, 4500, direction="in") as fault:
        ...
    assert fault.packets > 0
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Literal

from lab.namespaces import Namespace
from lab.topologies import Topology

Direction = Literal["out", "in", "both"]
Reject = Literal["port-unreachable", "admin-prohibited", "host-unreachable", "no-route"]

_numbers = itertools.count(1)
_INTERFACE = {"out": 'iifname "lan" ', "in": 'iifname "wan" ', "both": ""}


class Fault:
    """One fault while it is in force.

    Attributes:
        packets: how many packets it has caught; still readable after it was removed.
    """

    def __init__(self, node: Namespace, table: str) -> None:
        self._node = node
        self._table = table
        self._final: int | None = None

    @property
    def packets(self) -> int:
        """Packets caught so far."""
        if self._final is not None:
            return self._final
        words = self._node.run(["nft", "list", "counter", "inet", self._table, "caught"]).stdout.split()
        return int(words[words.index("packets") + 1])

    def remove(self) -> None:
        """End the fault early."""
        if self._final is None:
            self._final = self.packets
            self._node.run(["nft", "delete", "table", "inet", self._table])


@contextlib.contextmanager
def rule(
    where: Topology | Namespace,
    match: str,
    *,
    direction: Direction = "both",
    verdict: str = "drop",
    hook: Literal["forward", "prerouting"] = "forward",
) -> Iterator[Fault]:
    """Apply any nftables match: the general form of everything below.

    Args:
        where: the router.
        match: nftables match, e.g. ``udp dport 500``.
        direction: which way packets travel.
        verdict: ``drop``, or a ``reject with …`` statement.
        hook: ``forward`` sees routed packets; ``prerouting`` sees them before defragmentation and NAT.
    """
    node = where.path if isinstance(where, Topology) else where
    table = f"fault_{next(_numbers)}"
    priority = -450 if hook == "prerouting" else -10
    node.nft(
        f"table inet {table} {{\n"
        " counter caught { }\n"
        f" chain fault {{\n  type filter hook {hook} priority {priority}; policy accept;\n"
        f"  {_INTERFACE[direction]}{match} counter name caught {verdict}\n }}\n}}\n"
    )
    fault = Fault(node, table)
    try:
        yield fault
    finally:
        if node.exists():
            fault.remove()


def _verdict(reject: Reject | None) -> str:
    return "drop" if reject is None else f"reject with icmpx type {reject}"


def drop_udp(
    where: Topology | Namespace,
    port: int,
    *,
    direction: Direction = "both",
    reject: Reject | None = None,
) -> contextlib.AbstractContextManager[Fault]:
    """Drop UDP datagrams to (``out``) or from (``in``) a gateway's port.

    Args:
        where: the router.
        port: the gateway's port, e.g. 500.
        direction: which way datagrams are lost; ``both`` is either.
        reject: an ICMP error to send back, or None for silence.
    """
    if direction == "in":
        return rule(where, f"udp sport {port}", direction="in", verdict=_verdict(reject))
    # Towards the gateway alone is enough for "both": nothing that never arrived is answered.
    return rule(where, f"udp dport {port}", direction="out", verdict=_verdict(reject))


def drop_esp(
    where: Topology | Namespace, *, direction: Direction = "both", reject: Reject | None = None
) -> contextlib.AbstractContextManager[Fault]:
    """Drop native ESP (IP protocol 50); ESP in UDP 4500 passes."""
    return rule(where, "meta l4proto esp", direction=direction, verdict=_verdict(reject))


def drop_all(
    where: Topology | Namespace, *, direction: Direction = "both", reject: Reject | None = None
) -> contextlib.AbstractContextManager[Fault]:
    """Drop everything: the gateway's address is dead as seen from the client."""
    return rule(where, "meta nfproto { ipv4, ipv6 }", direction=direction, verdict=_verdict(reject))


def drop_icmp(
    where: Topology | Namespace, *, direction: Direction = "both"
) -> contextlib.AbstractContextManager[Fault]:
    """Drop ICMP and ICMPv6: no ping, no errors, no path MTU discovery."""
    return rule(where, "meta l4proto { icmp, ipv6-icmp }", direction=direction)


def loss(
    where: Topology | Namespace, percent: float, *, direction: Direction = "both", match: str = ""
) -> contextlib.AbstractContextManager[Fault]:
    """Lose packets at random.

    Args:
        where: the router.
        percent: 0 … 100, in steps of 0.01; drawn anew for every packet in each direction.
        direction: which way packets are lost.
        match: restrict the loss to packets that match this nftables expression.
    """
    if not 0 <= percent <= 100:
        raise ValueError("percent is 0 … 100")
    if percent == 100:
        return rule(where, match, direction=direction)
    drawn = f"{match} numgen random mod 10000 < {round(percent * 100)}".strip()
    return rule(where, drawn, direction=direction)


def _gateways_port(direction: Direction) -> tuple[str, Direction]:
    """Return where a datagram has the gateway's port; one direction is enough, as nothing answers it."""
    return ("sport", "in") if direction == "in" else ("dport", "out")


def bad_checksum(
    where: Topology | Namespace, port: int, *, direction: Direction = "both"
) -> contextlib.AbstractContextManager[Fault]:
    """Spoil the UDP checksum of datagrams to (``out``) or from (``in``) a gateway's port.

    A broken router does that: what arrives is dropped by the receiver's kernel without a word.

    Args:
        where: the router.
        port: the gateway's port.
        direction: whose datagrams; ``both`` spoils those to the gateway, as nothing answers them.
    """
    field, way = _gateways_port(direction)
    # A constant is wrong in all datagrams but one of 65536; zero would mean "no checksum".
    return rule(where, f"udp {field} {port}", direction=way, verdict="udp checksum set 0xbad")


def rewrite_port(
    where: Topology | Namespace, port: int, to: int, *, direction: Direction = "out"
) -> contextlib.AbstractContextManager[Fault]:
    """Change the gateway's port in passing, one way only and with a right checksum.

    Args:
        where: the router.
        port: the gateway's port as the sender wrote it.
        to: what the receiver sees instead.
        direction: ``out`` changes the destination port, ``in`` the source port.
    """
    field, way = _gateways_port(direction)
    # Before connection tracking, which would otherwise know the datagram by its first port.
    return rule(
        where, f"udp {field} {port}", direction=way, verdict=f"udp {field} set {to}", hook="prerouting"
    )


def drop_fragments(
    where: Topology | Namespace, *, direction: Direction = "both", first_too: bool = True
) -> contextlib.AbstractContextManager[Fault]:
    """Drop IPv4 fragments.

    Args:
        where: the router.
        direction: which way.
        first_too: False lets the first fragment pass, as filters do that only miss the ports in the rest.
    """
    mask = "0x3fff" if first_too else "0x1fff"
    return rule(where, f"ip frag-off & {mask} != 0", direction=direction, hook="prerouting")


def drop_larger_than(
    where: Topology | Namespace, octets: int, *, direction: Direction = "both"
) -> contextlib.AbstractContextManager[Fault]:
    """Silently drop IP packets of more than ``octets`` octets: a path MTU black hole."""
    return rule(where, f"meta length > {octets}", direction=direction, hook="prerouting")
