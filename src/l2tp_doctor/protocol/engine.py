"""What every engine in this package looks like from outside.

Six calls, after aioquic: ``start(now)``, ``receive(data, now)``,
``datagrams_to_send(now)``, ``get_timer()``, ``handle_timer(now)`` and
``next_event()``.  ``now`` is a float in seconds on any monotonic scale; all calls
on one engine use the same scale.  ``receive`` never raises for what a peer sent.

``get_timer`` returns the absolute time of the next timer or ``None``; the driver
calls ``handle_timer(now)`` at or after it.  After any of ``start``, ``receive``
and ``handle_timer`` the driver drains ``datagrams_to_send`` and ``next_event``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

RandomSource = Callable[[int], bytes]
"""Returns that many random bytes; ``os.urandom`` outside tests."""


class Channel(enum.Enum):
    """The path a datagram takes between client and gateway."""

    IKE = "udp500"  # UDP 500 (or the port given in its place): ISAKMP as it is
    NAT_T = "udp4500"  # UDP 4500: non-ESP marker + ISAKMP, ESP, or a one-byte keepalive (RFC 3948)
    ESP = "esp"  # IP protocol 50


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes exactly as they appear in the UDP payload, or behind the IP header for ESP."""

    channel: Channel
    data: bytes


class Direction(enum.Enum):
    """Where a trace event points to, seen from the client or whoever owns the trace."""

    OUT = "out"
    IN = "in"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One line of evidence: a message sent, received or dropped, or a state reached.

    ``summary`` uses the field's own English terms ("Main Mode 1: SA, 8 × VID"), which are
    not translated.  ``fields`` is the decoded content for ``--verbose``; it never holds
    a secret or anything a secret can be guessed from (no SKEYID, no MS-CHAP response).
    """

    at: float
    """Time in seconds on the engine's scale."""
    direction: Direction
    layer: str
    """isakmp, nat-t, esp, l2tp, lcp, auth, ipcp, ipv6cp, ccp or icmp."""
    summary: str
    size: int = 0
    """Bytes of the message at its own layer."""
    fields: Mapping[str, object] = field(default_factory=dict)
    trigger: str | None = None
    """Why a message was dropped: ``malformed``, ``unexpected``, ``replay`` …; else ``None``."""


TraceSink = Callable[[TraceEvent], None]


def discard_trace(_event: TraceEvent) -> None:
    """A :data:`TraceSink` that keeps nothing."""


Message = TypeVar("Message")
Event = TypeVar("Event", covariant=True)


class Engine(Protocol[Message, Event]):
    """The six calls.  ``Message`` is ``bytes`` for inner layers and :class:`Datagram` for IKE and above."""

    def start(self, now: float) -> None:
        """Begins; an initiator queues its first message, a responder waits."""

    def receive(self, data: Message, now: float) -> None:
        """Takes one message from the peer.  Never raises for its content."""

    def datagrams_to_send(self, now: float) -> list[Message]:
        """Returns and forgets the messages waiting to be sent, in order."""

    def get_timer(self) -> float | None:
        """Returns when :meth:`handle_timer` wants to be called next."""

    def handle_timer(self, now: float) -> None:
        """Does what is due at ``now``: retransmissions, keepalives, giving up."""

    def next_event(self) -> Event | None:
        """Returns the oldest event not yet taken, or ``None``."""


@dataclass(frozen=True, slots=True)
class RetransmissionPolicy:
    """When an unanswered message is sent again.

    The first interval is ``initial`` seconds until a round-trip time has been
    measured, then ``max(minimum, rtt_factor × smoothed RTT)``; each further one is ``backoff``
    times longer, at most ``maximum``.  After ``give_up`` seconds without an answer
    the message counts as unanswered.
    """

    initial: float = 0.5
    minimum: float = 0.15
    rtt_factor: float = 2.0
    backoff: float = 1.6
    maximum: float = 3.0
    give_up: float = 6.0

    def first_interval(self, rtt: float | None) -> float:
        """Returns the wait before the first retransmission, given the smoothed RTT if known."""
        if rtt is None:
            return self.initial
        return min(self.maximum, max(self.minimum, self.rtt_factor * rtt))
