"""What initiator and responder share: taking datagrams apart, sending, tracing, fragments, duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from l2tp_doctor.protocol.engine import (
    Channel,
    Datagram,
    Direction,
    RandomSource,
    TraceEvent,
    TraceSink,
)
from l2tp_doctor.protocol.ikev1.events import IkeEvent
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, Opened
from l2tp_doctor.protocol.isakmp.constants import Flags, PayloadType
from l2tp_doctor.protocol.isakmp.describe import describe_payloads, summarize_payloads
from l2tp_doctor.protocol.isakmp.fragmentation import Reassembler, fragment_message
from l2tp_doctor.protocol.isakmp.message import Header, Message, decode_header, decode_message
from l2tp_doctor.protocol.isakmp.payloads import Fragment, Payload
from l2tp_doctor.protocol.nat_t import unwrap_isakmp, wrap_isakmp
from l2tp_doctor.protocol.wire import WireError

ClearCopySink = Callable[[bytes, bytes], None]
"""Told (datagram as on the wire, ISAKMP message in clear) of every encrypted message."""


def discard_clear_copy(_wire: bytes, _clear: bytes) -> None:
    """A :data:`ClearCopySink` that keeps nothing."""


class MessageRefusedError(Exception):
    """A message is dropped; ``trigger`` names why, for the trace."""

    def __init__(self, trigger: str, detail: str = "") -> None:
        super().__init__(trigger, detail)
        self.trigger = trigger
        self.detail = detail


# A peer that repeats itself makes us repeat ourselves, but not more often than this: two
# sides that answer duplicates with duplicates would otherwise keep each other busy for ever.
DUPLICATE_INTERVAL = 0.2
REMEMBERED_MESSAGES = 32


class IkeEndpoint:
    """The part of an IKEv1 engine that does not depend on its role.

    Subclasses implement :meth:`_dispatch` for one complete ISAKMP message and may raise
    :class:`MessageRefusedError` or :class:`~l2tp_doctor.protocol.wire.WireError` from it; nothing else leaves
    :meth:`receive`.
    """

    def __init__(
        self,
        random: RandomSource,
        trace: TraceSink,
        clear_copies: ClearCopySink,
        fragment_size: int,
    ) -> None:
        self._random = random
        self._trace = trace
        self._clear_copies = clear_copies
        self._fragment_size = fragment_size
        self._outgoing: deque[Datagram] = deque()
        self._events: deque[IkeEvent] = deque()
        self._reassembler = Reassembler()
        self._next_fragment_id = 1
        self._sa: IsakmpSa | None = None
        self._peer_fragments = False
        self.channel = Channel.IKE
        """Where messages are sent."""
        self._accepted: deque[bytes] = deque(maxlen=REMEMBERED_MESSAGES)

    # -- the outer half of the six calls ------------------------------------------------------

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Returns and forgets the datagrams waiting to be sent."""
        del now
        waiting = list(self._outgoing)
        self._outgoing.clear()
        return waiting

    def next_event(self) -> IkeEvent | None:
        """Returns the oldest event not yet taken, or ``None``."""
        return self._events.popleft() if self._events else None

    def receive(self, data: Datagram, now: float) -> None:
        """Takes one datagram that holds an ISAKMP message (on NAT_T behind the non-ESP marker)."""
        try:
            raw = unwrap_isakmp(data.data) if data.channel is Channel.NAT_T else data.data
            self._receive_message(raw, data, now)
        except WireError as error:
            self._drop(now, len(data.data), "malformed", str(error))
        except MessageRefusedError as refused:
            self._drop(now, len(data.data), refused.trigger, refused.detail)

    def _receive_message(self, raw: bytes, datagram: Datagram, now: float) -> None:
        header = decode_header(raw)
        if header.next_payload == PayloadType.FRAGMENT and header.major == 1:
            raw = self._reassemble(header, raw, now)
            if not raw:
                return
            header = decode_header(raw)
        raw = raw[: header.length]
        if raw in self._accepted:
            self._duplicate(raw, header, now)
            return
        self._dispatch(raw, header, datagram, now)

    def _reassemble(self, header: Header, raw: bytes, now: float) -> bytes:
        # The flag is cleared for decoding: a fragment's header carries the whole message's
        # ENCRYPTION flag although the fragment payload itself is in clear (MS-IKEE 2.2.3).
        clear = bytearray(raw)
        clear[19] &= ~int(Flags.ENCRYPTION)
        message = decode_message(bytes(clear))
        whole = b""
        for payload in message.payloads:
            if isinstance(payload, Fragment):
                self._trace(
                    TraceEvent(
                        now, Direction.IN, "isakmp",
                        f"fragment {payload.number} of message {payload.fragment_id}", len(raw),
                    )
                )  # fmt: skip
                whole = self._reassembler.add(header, payload, now) or whole
        return whole

    def _dispatch(self, raw: bytes, header: Header, datagram: Datagram, now: float) -> None:
        raise NotImplementedError

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        raise NotImplementedError

    # -- sending ------------------------------------------------------------------------------

    def _wrap(self, channel: Channel, message: bytes) -> Datagram:
        return Datagram(channel, wrap_isakmp(message) if channel is Channel.NAT_T else message)

    def _fragments(self, channel: Channel, message: bytes) -> list[Datagram]:
        fragment_id = self._next_fragment_id
        self._next_fragment_id = fragment_id % 0xFFFF + 1
        return [
            self._wrap(channel, fragment)
            for fragment in fragment_message(message, fragment_id, self._fragment_size)
        ]

    def _in_pieces(self, datagram: Datagram) -> list[Datagram]:
        """Returns the datagram, or the fragments of the message in it when that is too long."""
        marked = datagram.channel is Channel.NAT_T
        message = unwrap_isakmp(datagram.data) if marked else datagram.data
        if len(message) <= self._fragment_size:
            return [datagram]
        return self._fragments(datagram.channel, message)

    def _send(
        self,
        now: float,
        channel: Channel,
        message: bytes,
        label: str,
        payloads: Sequence[Payload],
        clear: bytes | None = None,
    ) -> Datagram:
        datagram = self._wrap(channel, message)
        self._outgoing.append(datagram)
        if clear is not None:
            self._clear_copies(datagram.data, clear)
        self._note(now, Direction.OUT, label, payloads, len(message), encrypted=clear is not None)
        return datagram

    # -- tracing ------------------------------------------------------------------------------

    def _note(
        self,
        now: float,
        direction: Direction,
        label: str,
        payloads: Sequence[Payload],
        size: int,
        *,
        encrypted: bool = False,
    ) -> None:
        what = summarize_payloads(payloads)
        suffix = " (encrypted)" if encrypted else ""
        self._trace(
            TraceEvent(
                now, direction, "isakmp", f"{label}: {what}{suffix}", size, describe_payloads(payloads)
            )
        )

    def _remark(self, now: float, summary: str, fields: Mapping[str, object] | None = None) -> None:
        self._trace(TraceEvent(now, Direction.NOTE, "isakmp", summary, 0, fields or {}))

    def _drop(self, now: float, size: int, trigger: str, detail: str = "") -> None:
        fields = {"detail": detail} if detail else {}
        self._trace(
            TraceEvent(now, Direction.IN, "isakmp", f"dropped: {trigger}", size, fields, trigger=trigger)
        )

    def _received(
        self,
        now: float,
        label: str,
        message: Message,
        raw: bytes,
        datagram: Datagram,
        opened: Opened | None = None,
    ) -> None:
        payloads = opened.payloads if opened is not None else message.payloads
        if opened is not None and self._sa is not None:
            self._clear_copies(datagram.data, self._sa.clear_copy(message, opened))
        self._note(now, Direction.IN, label, payloads, len(raw), encrypted=opened is not None)

    # -- small things -------------------------------------------------------------------------

    def _emit(self, event: IkeEvent) -> None:
        self._events.append(event)

    def _random_message_id(self) -> int:
        # RFC 2408 §3.1: the Message ID of phase 2 and Informational exchanges is random and not zero.
        while True:
            value = int.from_bytes(self._random(4), "big")
            if value:
                return value


PayloadKind = TypeVar("PayloadKind")


def first_of(payloads: Sequence[Payload], kind: type[PayloadKind]) -> PayloadKind | None:
    """Returns the first payload of that class, or ``None``."""
    return next((payload for payload in payloads if isinstance(payload, kind)), None)


def require(payloads: Sequence[Payload], kind: type[PayloadKind], name: str) -> PayloadKind:
    """Returns the first payload of that class.

    Raises:
        WireError: there is none.
    """
    found = first_of(payloads, kind)
    if found is None:
        raise WireError(28, name, "missing from this message")
    return found
