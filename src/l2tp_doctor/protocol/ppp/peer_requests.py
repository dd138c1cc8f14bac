"""The peer's Configure-Requests: which of them came before, and how often an Ack was said again."""

from __future__ import annotations

from collections import deque

from l2tp_doctor.protocol.ppp.control_packet import ControlPacket

MAX_UNASKED_ACKS = 4
"""How often an Ack is repeated without having been asked for: at 30 % loss one of them arrives."""

MAX_REPEATED_ACKS = 3
"""Identical Configure-Requests re-acknowledged while Opened before the table restarts negotiation.

A repeated request means that our Ack was lost; the table alone would tear the layer down for it.  A peer
that really started over keeps asking, and after this many the table has its way."""

REMEMBERED_REQUESTS = 8
"""The peer's latest Configure-Requests, by which a late duplicate is told from a new negotiation."""


class PeerRequests:
    """What one protocol's negotiation remembers of the peer's requests."""

    def __init__(self) -> None:
        self._seen: deque[ControlPacket] = deque(maxlen=REMEMBERED_REQUESTS)
        self._acks_repeated = 0
        self._acks_unasked = 0

    def __contains__(self, packet: ControlPacket) -> bool:
        return packet in self._seen

    @property
    def newest(self) -> ControlPacket | None:
        """The request that our answer belongs to; ``None`` before the first."""
        return self._seen[-1] if self._seen else None

    def remember(self, packet: ControlPacket) -> None:
        """A new request was taken."""
        self._seen.append(packet)
        self._acks_unasked = 0  # its Ack is another one

    def repeats(self, packet: ControlPacket) -> bool:
        """Whether a request that arrives in Opened asks for an Ack that was lost, and for nothing else.

        The last request again: our Ack was lost.  An older one: a datagram that took a detour.  The last
        one's options under another Identifier: the peer was open and heard our own request again, so it
        acknowledged that and asks anew (RFC 1661 §4.1: Opened, RCR+).  It lacks our Ack and nothing else,
        and going back to Ack-Sent as the table has it would make both sides begin anew in turns.
        """
        newest = self.newest
        return (
            newest is not None
            and (packet in self._seen or packet.data == newest.data)
            and self._acks_repeated < MAX_REPEATED_ACKS
        )

    def repeated(self, packet: ControlPacket) -> None:
        """A request that :meth:`repeats` was taken for one."""
        self._acks_repeated += 1
        if packet not in self._seen:
            self.remember(packet)

    def layer_is_up(self) -> None:
        """Negotiation has come to its end: repetitions are counted anew."""
        self._acks_repeated = 0

    def may_acknowledge_unasked(self) -> bool:
        """Whether the newest one's Ack may be said once more without being asked for, and counts that."""
        if self._acks_unasked >= MAX_UNASKED_ACKS:
            return False
        self._acks_unasked += 1
        return True
