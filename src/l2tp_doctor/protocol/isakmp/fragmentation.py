"""IKE fragmentation with payload type 132 ([MS-IKEE] 2.2.3.1, 3.3.5.3 and 3.3.6.1; Cisco's is the same).

The pieces hold the whole original message, its header included.  Each travels behind a
header of its own: "The ISAKMP header of the original IKE message has the Next Payload
field set to the Fragment payload and the Encrypted flag cleared" ([MS-IKEE] 3.3.6.1).
Some peers write message ID 0 there, so reassembly goes by cookies and fragment ID only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from l2tp_doctor.protocol.isakmp.constants import Flags
from l2tp_doctor.protocol.isakmp.message import (
    HEADER_SIZE,
    MAX_MESSAGE,
    Header,
    decode_header,
    encode_message,
)
from l2tp_doctor.protocol.isakmp.payloads import Fragment
from l2tp_doctor.protocol.wire import WireError

FRAGMENT_OVERHEAD = HEADER_SIZE + 8
"""Bytes each fragment adds: ISAKMP header, generic payload header, fragment ID, number and flags."""
MAX_FRAGMENTS = 255
"""The fragment number has 8 bits and starts at 1."""


def fragment_message(message: bytes, fragment_id: int, fragment_size: int) -> list[bytes]:
    """Cuts an encoded message into fragments.

    Args:
        message: a whole ISAKMP message, encrypted or not.
        fragment_id: the same 16-bit number in each fragment, another one for each message.
        fragment_size: most bytes of one resulting ISAKMP message (above 36).

    Returns:
        Complete ISAKMP messages in order; one alone when the message fits.

    Raises:
        ValueError: ``fragment_size`` leaves no room, or 255 fragments are not enough.
        WireError: ``message`` has no valid header.
    """
    room = fragment_size - FRAGMENT_OVERHEAD
    if room < 1:
        raise ValueError(f"fragments of {fragment_size} bytes have no room for data")
    header = decode_header(message)
    header = replace(header, flags=int(header.flags & ~Flags.ENCRYPTION))
    pieces = [message[start : start + room] for start in range(0, header.length, room)]
    if len(pieces) > MAX_FRAGMENTS:
        raise ValueError(f"{len(pieces)} fragments do not fit an 8-bit number")
    return [
        encode_message(header, (Fragment(fragment_id, number, number == len(pieces), piece),))
        for number, piece in enumerate(pieces, start=1)
    ]


@dataclass(frozen=True, slots=True)
class ReassemblyLimits:
    """What a flood of fragments can cost at most.

    Attributes:
        messages: incomplete messages kept at a time; a peer sends one after another, and a
            retransmission comes with a new fragment ID.
        total_bytes: bytes kept over all incomplete messages.
        seconds: life of an incomplete message, from its first fragment ([MS-IKEE] 3.3.2: at most 90 s).
    """

    messages: int = 4
    total_bytes: int = 2 * MAX_MESSAGE
    seconds: float = 90.0


@dataclass(slots=True)
class _Incomplete:
    started: float
    pieces: dict[int, bytes] = field(default_factory=dict)
    last_number: int | None = None

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.pieces.values())

    @property
    def complete(self) -> bool:
        return self.last_number is not None and len(self.pieces) == self.last_number


_Key = tuple[bytes, bytes, int]


class Reassembler:
    """Puts fragments back together, in any order, within limits.

    Attributes:
        dropped: why the latest :meth:`add` threw something away (``duplicate``, ``conflict``,
            ``malformed`` or ``limit``), ``None`` when it did not.
    """

    def __init__(self, limits: ReassemblyLimits | None = None) -> None:
        self._limits = limits or ReassemblyLimits()
        self._incomplete: dict[_Key, _Incomplete] = {}  # oldest first
        self.dropped: str | None = None

    def add(self, header: Header, fragment: Fragment, now: float) -> bytes | None:
        """Takes one fragment; returns the whole original message when it was the missing one.

        Args:
            header: header of the message the fragment came in.
            fragment: its only payload.
            now: seconds on the engine's scale.
        """
        self.dropped = None
        self._expire(now)
        if fragment.number == 0 or not fragment.data:
            self.dropped = "malformed"
            return None
        key = (header.initiator_cookie, header.responder_cookie, fragment.fragment_id)
        entry = self._incomplete.setdefault(key, _Incomplete(now))
        if not self._insert(key, entry, fragment, now) or not self._keep_limits(key):
            return None
        entry = self._incomplete[key]
        if not entry.complete:
            return None
        del self._incomplete[key]
        return self._join(header, entry)

    def _expire(self, now: float) -> None:
        for key, entry in list(self._incomplete.items()):
            if now - entry.started >= self._limits.seconds:
                del self._incomplete[key]

    def _insert(self, key: _Key, entry: _Incomplete, fragment: Fragment, now: float) -> bool:
        known = entry.pieces.get(fragment.number)
        if known == fragment.data:
            # "If the queue … already contains a fragment with the same Fragment Number, the host MUST
            # silently discard the message."
            self.dropped = "duplicate"
            return False
        if known is not None:
            # Peers that use one fragment ID for every message: what is queued is left over from a
            # retransmission of the previous one, so the newer message takes its place.
            self.dropped = "conflict"
            del self._incomplete[key]
            entry = self._incomplete[key] = _Incomplete(now)
        if self._contradicts_last(entry, fragment):
            # "The host MUST silently discard all Fragment payloads for this Fragment ID if … more than one
            # Fragment payload has the Flags field set to LAST_FRAGMENT" or a number is above the last one's.
            self.dropped = "conflict"
            del self._incomplete[key]
            return False
        entry.pieces[fragment.number] = fragment.data
        if fragment.last:
            entry.last_number = fragment.number
        return True

    @staticmethod
    def _contradicts_last(entry: _Incomplete, fragment: Fragment) -> bool:
        if fragment.last:
            return entry.last_number is not None or any(number > fragment.number for number in entry.pieces)
        return entry.last_number is not None and fragment.number > entry.last_number

    def _keep_limits(self, key: _Key) -> bool:
        """Drops the oldest messages beyond the limits; returns whether the one of ``key`` may stay."""
        if self._incomplete[key].size > min(MAX_MESSAGE, self._limits.total_bytes):
            self.dropped = "limit"
            del self._incomplete[key]
            return False
        for oldest in list(self._incomplete):
            total = sum(entry.size for entry in self._incomplete.values())
            if len(self._incomplete) <= self._limits.messages and total <= self._limits.total_bytes:
                break
            if oldest != key:
                self.dropped = "limit"
                del self._incomplete[oldest]
        return True

    def _join(self, header: Header, entry: _Incomplete) -> bytes | None:
        message = b"".join(entry.pieces[number] for number in sorted(entry.pieces))
        try:
            inner = decode_header(message)
        except WireError:
            self.dropped = "malformed"
            return None
        cookies = (header.initiator_cookie, header.responder_cookie)
        if inner.length != len(message) or (inner.initiator_cookie, inner.responder_cookie) != cookies:
            self.dropped = "malformed"
            return None
        return message
