"""The way out of a PPP link: frames waiting to be sent, and the trace of what went in and out."""

from __future__ import annotations

from collections.abc import Mapping

from l2tp_doctor.protocol.engine import Direction, RandomSource, TraceEvent, TraceSink
from l2tp_doctor.protocol.ppp.frame import Frame, PppProtocol, encode_frame
from l2tp_doctor.protocol.ppp.timers import RoundTrip

LAYERS: Mapping[int, str] = {
    PppProtocol.LCP: "lcp",
    PppProtocol.PAP: "auth",
    PppProtocol.CHAP: "auth",
    PppProtocol.EAP: "auth",
    PppProtocol.CBCP: "auth",
    PppProtocol.IPCP: "ipcp",
    PppProtocol.IPV6CP: "ipv6cp",
    PppProtocol.CCP: "ccp",
}
"""The trace's layer for each protocol."""

NO_FIELDS: Mapping[str, object] = {}


class Outlet:
    """What every protocol of one link shares: sending, tracing, randomness and the round-trip time."""

    def __init__(self, random: RandomSource, trace: TraceSink, round_trip: RoundTrip) -> None:
        self.random = random
        self.round_trip = round_trip
        self.compress_address = False
        self.compress_protocol = False
        self._trace = trace
        self._waiting: list[bytes] = []
        self._exchanges = random(1)[0]

    def exchange_identifier(self) -> int:
        """Returns the Identifier for a new authentication exchange, another one than its predecessor's.

        An answer to the exchange before a new LCP negotiation may still be under way (RFC 1994 §4.1).
        """
        self._exchanges = (self._exchanges + 1) & 0xFF
        return self._exchanges

    def take(self) -> list[bytes]:
        """Returns and forgets the frames waiting to be sent."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def send(
        self,
        protocol: int,
        payload: bytes,
        now: float,
        summary: str,
        fields: Mapping[str, object] = NO_FIELDS,
    ) -> None:
        """Queues a control message and traces it."""
        self.send_untraced(protocol, payload)
        self._record(now, Direction.OUT, protocol, summary, len(payload), fields, None)

    def send_untraced(self, protocol: int, payload: bytes) -> None:
        """Queues a frame: network-layer packets, which the layer above traces."""
        frame = Frame(protocol, payload)
        self._waiting.append(
            encode_frame(
                frame,
                compress_address=self.compress_address,
                compress_protocol=self.compress_protocol,
            )
        )

    def received(
        self, protocol: int, size: int, now: float, summary: str, fields: Mapping[str, object] = NO_FIELDS
    ) -> None:
        """Traces a message that was taken."""
        self._record(now, Direction.IN, protocol, summary, size, fields, None)

    def dropped(self, protocol: int, size: int, now: float, summary: str, trigger: str) -> None:
        """Traces a message that was dropped; ``trigger`` says why."""
        self._record(now, Direction.IN, protocol, summary, size, NO_FIELDS, trigger)

    def note(self, protocol: int, now: float, summary: str, fields: Mapping[str, object] = NO_FIELDS) -> None:
        """Traces a state reached."""
        self._record(now, Direction.NOTE, protocol, summary, 0, fields, None)

    def _record(
        self,
        now: float,
        direction: Direction,
        protocol: int,
        summary: str,
        size: int,
        fields: Mapping[str, object],
        trigger: str | None,
    ) -> None:
        layer = LAYERS.get(protocol, "lcp")
        self._trace(TraceEvent(now, direction, layer, summary, size, fields, trigger))
