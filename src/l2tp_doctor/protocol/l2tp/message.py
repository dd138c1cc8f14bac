"""L2TP headers and whole messages (RFC 2661 §3.1, §3.2, §6)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from l2tp_doctor.protocol.l2tp.avp import IETF, Avp, AvpType, AvpValue, decode_avps, encode_avps, text
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import Reader, WireError, Writer

VERSION = 2
CONTROL_HEADER_LENGTH = 12

_TYPE = 0x8000
_LENGTH = 0x4000
_SEQUENCE = 0x0800
_OFFSET = 0x0200
_PRIORITY = 0x0100
_VERSION_MASK = 0x000F

_OTHER_VERSIONS = {
    1: "L2F (RFC 2341), not L2TPv2",
    3: "L2TPv3 (RFC 3931), not L2TPv2",
}


class MessageType(enum.IntEnum):
    """Control message types (RFC 2661 §3.2), by their abbreviations."""

    SCCRQ = 1
    SCCRP = 2
    SCCCN = 3
    STOPCCN = 4
    HELLO = 6
    OCRQ = 7
    OCRP = 8
    OCCN = 9
    ICRQ = 10
    ICRP = 11
    ICCN = 12
    CDN = 14
    WEN = 15
    SLI = 16


SESSION_MESSAGES = frozenset(
    {
        MessageType.OCRQ,
        MessageType.OCRP,
        MessageType.OCCN,
        MessageType.ICRQ,
        MessageType.ICRP,
        MessageType.ICCN,
        MessageType.CDN,
        MessageType.WEN,
        MessageType.SLI,
    }
)
"""Messages that concern one call; all others concern the tunnel."""

_NAMES = {MessageType.STOPCCN: "StopCCN", MessageType.HELLO: "Hello"}


def message_name(number: int | None) -> str:
    """Returns the RFC's abbreviation of a message type; ``ZLB`` for a body without any AVP."""
    if number is None:
        return "ZLB"
    try:
        kind = MessageType(number)
    except ValueError:
        return f"message type {number}"
    return _NAMES.get(kind, kind.name)


@dataclass(frozen=True, slots=True)
class ControlFrame:
    """A control message with its header read and its AVPs not yet looked at."""

    tunnel_id: int
    session_id: int
    ns: int
    nr: int
    body: bytes = b""

    @property
    def is_zlb(self) -> bool:
        """Zero-Length Body: an acknowledgement only, which takes no sequence number of its own."""
        return not self.body


@dataclass(frozen=True, slots=True)
class DataMessage:
    """A PPP frame with its L2TP header."""

    tunnel_id: int
    session_id: int
    payload: bytes
    ns: int | None = None
    """Sequence number, or ``None`` without the S bit; Nr is reserved in data messages."""
    priority: bool = False


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A control message with its AVPs decoded."""

    tunnel_id: int
    session_id: int
    avps: tuple[Avp, ...]

    @property
    def type(self) -> int:
        """The Message Type AVP's value."""
        value = self.avps[0].value if self.avps else None
        return value if isinstance(value, int) else -1

    @property
    def name(self) -> str:
        """The message type's abbreviation."""
        return message_name(self.type)

    def value(self, number: int) -> AvpValue | None:
        """Returns the value of the first well-formed IETF AVP of this type, or ``None``."""
        for avp in self.avps:
            if avp.vendor == IETF and avp.number == number and avp.value is not None:
                return avp.value
        return None

    def integer(self, number: int) -> int | None:
        """Returns a numeric AVP's value, or ``None`` when it is absent."""
        value = self.value(number)
        return value if isinstance(value, int) else None

    def octets(self, number: int) -> bytes | None:
        """Returns an opaque AVP's value, or ``None`` when it is absent."""
        value = self.value(number)
        return value if isinstance(value, bytes) else None

    def text(self, number: int) -> str:
        """Returns an opaque AVP's value as text, empty when it is absent."""
        return text(self.octets(number) or b"")

    def offending_avp(self) -> Avp | None:
        """Returns the first AVP with the M bit that could not be understood (RFC 2661 §4.1)."""
        return next((avp for avp in self.avps if avp.problem and avp.mandatory), None)


def encode_control(tunnel_id: int, session_id: int, ns: int, nr: int, body: bytes = b"") -> bytes:
    """Returns a control message; with an empty ``body`` a ZLB acknowledgement."""
    writer = Writer()
    writer.uint16(_TYPE | _LENGTH | _SEQUENCE | VERSION)
    writer.uint16(CONTROL_HEADER_LENGTH + len(body))
    writer.uint16(tunnel_id)
    writer.uint16(session_id)
    writer.uint16(ns)
    writer.uint16(nr)
    writer.raw(body)
    return writer.getvalue()


def encode_data(message: DataMessage, *, length_bit: bool = True, offset: int | None = None) -> bytes:
    """Returns a data message.

    Args:
        message: payload, IDs and the optional sequence number.
        length_bit: whether the optional Length field is present.
        offset: bytes of offset padding, or ``None`` without the O bit.
    """
    flags = VERSION | (_LENGTH if length_bit else 0) | (_PRIORITY if message.priority else 0)
    flags |= _SEQUENCE if message.ns is not None else 0
    flags |= _OFFSET if offset is not None else 0
    writer = Writer()
    writer.uint16(flags)
    if length_bit:
        writer.uint16(0)
    writer.uint16(message.tunnel_id)
    writer.uint16(message.session_id)
    if message.ns is not None:
        writer.uint16(message.ns)
        writer.uint16(0)
    if offset is not None:
        writer.uint16(offset)
        writer.raw(bytes(offset))
    writer.raw(message.payload)
    if length_bit:
        writer.patch_uint16(2, len(writer))
    return writer.getvalue()


def _check_version(reader: Reader, flags: int) -> None:
    version = flags & _VERSION_MASK
    if version != VERSION:
        # > Packets received with an unknown Ver field MUST be discarded. (RFC 2661 §3.1)
        raise reader.fail("version", _OTHER_VERSIONS.get(version, f"{version} is not an L2TP version"))


def decode_message(datagram: bytes) -> ControlFrame | DataMessage:
    """Reads one UDP payload.

    Bytes behind the Length field are ignored.  Reserved header bits are ignored, as
    RFC 2661 §3.1 says.

    Raises:
        WireError: not an L2TPv2 message (``field == "version"`` when only the version is wrong).
    """
    reader = Reader(datagram)
    flags = reader.uint16("flags")
    _check_version(reader, flags)
    if flags & _LENGTH:
        length = reader.uint16("length")
        if length < reader.position or length > len(datagram):
            raise reader.fail("length", f"{length}, the datagram has {len(datagram)} bytes")
        reader = Reader(datagram[:length])
        reader.raw(4, "flags and length")
    if flags & _TYPE:
        return _decode_control(reader, flags)
    return _decode_data(reader, flags)


def _decode_control(reader: Reader, flags: int) -> ControlFrame:
    # > The L and S bits MUST be set to 1 for control messages, the O bit to 0. (RFC 2661 §3.1, in short)
    if flags & (_LENGTH | _SEQUENCE | _OFFSET) != _LENGTH | _SEQUENCE:
        raise reader.fail("flags", f"0x{flags:04x} is no control message: L and S must be set, O clear")
    return ControlFrame(
        tunnel_id=reader.uint16("tunnel ID"),
        session_id=reader.uint16("session ID"),
        ns=reader.uint16("Ns"),
        nr=reader.uint16("Nr"),
        body=reader.rest(),
    )


def _decode_data(reader: Reader, flags: int) -> DataMessage:
    tunnel_id = reader.uint16("tunnel ID")
    session_id = reader.uint16("session ID")
    ns: int | None = None
    if flags & _SEQUENCE:
        ns = reader.uint16("Ns")
        reader.uint16("Nr")
    if flags & _OFFSET:
        reader.raw(reader.uint16("offset size"), "offset padding")
    return DataMessage(tunnel_id, session_id, reader.rest(), ns, bool(flags & _PRIORITY))


def control_body(kind: MessageType, avps: Iterable[Avp] = (), secret: Secret | None = None) -> bytes:
    """Returns the body of a control message: the Message Type AVP, then ``avps``."""
    message_type = kind.to_bytes(2, "big")
    return encode_avps((Avp(AvpType.MESSAGE_TYPE, int(kind), message_type, True), *avps), secret)


def decode_control(frame: ControlFrame, secret: Secret | None = None) -> ControlMessage:
    """Decodes the AVPs of a control message that is not a ZLB.

    Raises:
        WireError: the AVPs' lengths do not add up, or the first one is not a Message Type.
    """
    try:
        avps = decode_avps(frame.body, secret)
    except WireError as error:
        raise WireError(CONTROL_HEADER_LENGTH + error.offset, error.field, error.reason) from None
    # > The Message Type AVP MUST be the first AVP in a message (RFC 2661 §4.4.1)
    first = avps[0] if avps else None
    if first is None or (first.vendor, first.number) != (IETF, AvpType.MESSAGE_TYPE) or first.value is None:
        raise WireError(CONTROL_HEADER_LENGTH, "Message Type", "the first AVP is not a Message Type")
    return ControlMessage(frame.tunnel_id, frame.session_id, avps)


@dataclass(frozen=True, slots=True)
class Destination:
    """Which tunnel a datagram belongs to, for whoever serves several on one socket."""

    tunnel_id: int
    """The receiver's tunnel ID; 0 in a message sent before it was known."""
    session_id: int
    is_control: bool
    is_sccrq: bool
    assigned_tunnel_id: int | None
    """The sender's own tunnel ID when ``tunnel_id`` is 0 (SCCRQ, early StopCCN): with the sender's
    address it tells a retransmitted SCCRQ from a new tunnel."""


def demultiplex(datagram: bytes) -> Destination | None:
    """Reads where a datagram belongs; ``None`` when it is no L2TPv2 message at all."""
    try:
        message = decode_message(datagram)
        if isinstance(message, DataMessage):
            return Destination(message.tunnel_id, message.session_id, False, False, None)
        if message.tunnel_id != 0 or message.is_zlb:
            return Destination(message.tunnel_id, message.session_id, True, False, None)
        control = decode_control(message)
    except WireError:
        return None
    return Destination(
        0,
        message.session_id,
        True,
        control.type == MessageType.SCCRQ,
        control.integer(AvpType.ASSIGNED_TUNNEL_ID),
    )
