"""Losing datagrams on purpose: what a firewall, a bad line or an MTU black hole does to them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from l2tp_doctor.protocol import nat_t
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource


class Way(enum.Enum):
    """Which way a datagram goes, seen from the gateway."""

    IN = "in"
    OUT = "out"


class Content(enum.Enum):
    """What a datagram is, whatever channel carries it."""

    ISAKMP = "isakmp"
    ESP = "esp"
    OTHER = "other"


def content_of(datagram: Datagram) -> Content:
    """Returns what a datagram holds; never raises."""
    if datagram.channel is Channel.ESP:
        return Content.ESP
    if datagram.channel is Channel.IKE:
        return Content.ISAKMP
    kind = nat_t.classify_4500(datagram.data)
    if kind == "esp":
        return Content.ESP
    return Content.ISAKMP if kind == "isakmp" else Content.OTHER


@dataclass(frozen=True, slots=True)
class DropRule:
    """Which datagrams are lost; a field that is ``None`` matches everything.

    Attributes:
        way: the direction.
        channel: the channel.
        content: what is inside.
        minimum_size: smallest size in bytes that is lost.
        probability: share of the matching datagrams that is lost, 0 to 1.
    """

    way: Way | None = None
    channel: Channel | None = None
    content: Content | None = None
    minimum_size: int = 0
    probability: float = 1.0

    def matches(self, datagram: Datagram, way: Way) -> bool:
        """Whether the rule is about this datagram."""
        return (
            self.way in (None, way)
            and self.channel in (None, datagram.channel)
            and self.content in (None, content_of(datagram))
            and len(datagram.data) >= self.minimum_size
        )


class PacketFilter:
    """Applies rules in order; chance comes from ``random``, so that a seed repeats a run."""

    def __init__(self, rules: Sequence[DropRule], random: RandomSource) -> None:
        self._rules = tuple(rules)
        self._random = random

    def passes(self, datagram: Datagram, way: Way) -> bool:
        """Whether the datagram gets through."""
        return not any(rule.matches(datagram, way) and self._strikes(rule) for rule in self._rules)

    def _strikes(self, rule: DropRule) -> bool:
        if rule.probability >= 1.0:
            return True
        return int.from_bytes(self._random(4), "big") < rule.probability * (1 << 32)
