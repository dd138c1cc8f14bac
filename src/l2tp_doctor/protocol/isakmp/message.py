"""ISAKMP messages: the 28-byte header and the chain of payloads behind it (RFC 2408 sections 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from l2tp_doctor.protocol.isakmp.constants import Flags, PayloadType
from l2tp_doctor.protocol.isakmp.payloads import Payload, pack_body, unpack_body
from l2tp_doctor.protocol.wire import Reader, WireError, Writer

HEADER_SIZE = 28
COOKIE_SIZE = 8
MAX_MESSAGE = 65535
"""What a UDP length field can carry; the header's own field would allow 4 GiB."""
MAX_PAYLOADS = 64
"""Windows sends 9, certificate chains make it about 20; empty payloads could make it 16376."""
MAX_ALIGNMENT = 3
"""RFC 2408 section 3 aligns messages to four bytes; Openswan was seen to fill up with zeros for it."""
_GENERIC_HEADER = 4
_IKEV1_MAJOR = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The ISAKMP header (RFC 2408 section 3.1).

    Attributes:
        initiator_cookie: 8 bytes.
        responder_cookie: 8 bytes, all zero in the first message.
        exchange: an :class:`~.constants.ExchangeType` number.
        flags: :class:`~.constants.Flags` bits.
        message_id: 0 in phase 1.
        next_payload: type of the first payload; filled in by the encoders.
        length: bytes of the whole message; filled in by the encoders.
        major: major version, 1 (IKEv2 uses the same header with 2).
        minor: minor version.
    """

    initiator_cookie: bytes
    responder_cookie: bytes
    exchange: int
    flags: int
    message_id: int
    next_payload: int = 0
    length: int = 0
    major: int = 1
    minor: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message.

    Attributes:
        header: its header.
        payloads: empty for an encrypted message and for another major version than 1.
        body: everything between the header and ``header.length``, as it came.
    """

    header: Header
    payloads: tuple[Payload, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class RawPayload:
    """A payload as it lies in a chain, for the hashes that cover the very bytes received.

    Attributes:
        type: payload type.
        body: bytes behind the generic payload header.
        start: offset of the generic payload header in the chain.
        end: offset behind the payload's last byte.
    """

    type: int
    body: bytes
    start: int
    end: int


def decode_header(data: bytes) -> Header:
    """Reads the header of ``data``; bytes behind ``Header.length`` are tolerated and not looked at.

    Raises:
        WireError: fewer than 28 bytes, or a length field below 28, above 65535 or above ``len(data)``.
    """
    return _read_header(Reader(data))


def encode_payloads(payloads: Sequence[Payload]) -> tuple[int, bytes]:
    """Returns the type of the first payload (0 without any) and the chain's bytes.

    Raises:
        OverflowError: a value does not fit its field (a bug of the caller).
        ValueError: a payload cannot be put on the wire.
    """
    types = [int(payload.payload_type) for payload in payloads]
    if PayloadType.NONE in types:
        raise ValueError("type 0 ends a chain, so no payload can have it")
    writer = Writer()
    types.append(int(PayloadType.NONE))
    for payload, following in zip(payloads, types[1:], strict=True):
        body = pack_body(payload)
        writer.uint8(following)
        writer.uint8(0)
        writer.uint16(len(body) + _GENERIC_HEADER)
        writer.raw(body)
    return types[0], writer.getvalue()


def decode_payloads(first: int, data: bytes, *, padding_allowed: bool = False) -> tuple[Payload, ...]:
    """Reads a chain of payloads.

    Args:
        first: type of the first payload; 0 means there is none.
        data: the chain.
        padding_allowed: True for a decrypted body, whose last cipher block is padded; bytes
            behind the chain's end are ignored then.

    Raises:
        WireError: the chain or a payload in it does not follow the format.
    """
    reader = Reader(data)
    payloads = _read_payloads(reader, first)
    _check_end(reader, padding_allowed)
    return payloads


def split_payloads(first: int, data: bytes, *, padding_allowed: bool = False) -> tuple[RawPayload, ...]:
    """Cuts a chain into payloads without reading their bodies; otherwise as :func:`decode_payloads`."""
    reader = Reader(data)
    found: list[RawPayload] = []
    following = first
    while following != PayloadType.NONE:
        _check_count(reader, len(found))
        start, payload_type = reader.position, following
        following, length = _read_generic_header(reader)
        body = reader.raw(length, "payload")
        found.append(RawPayload(payload_type, body, start, reader.position))
    _check_end(reader, padding_allowed)
    return tuple(found)


def encode_message(header: Header, payloads: Sequence[Payload]) -> bytes:
    """Returns an unencrypted message; next payload and length of ``header`` are filled in.

    Raises:
        OverflowError: a number does not fit its field (a bug of the caller).
        ValueError: a cookie is not 8 bytes, a payload cannot be written, or the message exceeds 65535 bytes.
    """
    first, chain = encode_payloads(payloads)
    return _encode(replace(header, next_payload=first), chain)


def encode_encrypted(header: Header, first: int, ciphertext: bytes) -> bytes:
    """Returns a message with the ENCRYPTION flag set and ``ciphertext`` as its body.

    Args:
        header: length, next payload and the flag are filled in.
        first: type of the first payload inside the ciphertext.
        ciphertext: the encrypted, padded chain.

    Raises:
        ValueError: a cookie is not 8 bytes, or the message exceeds 65535 bytes.
    """
    flags = int(header.flags | Flags.ENCRYPTION)
    return _encode(replace(header, next_payload=first, flags=flags), ciphertext)


def decode_message(data: bytes) -> Message:
    """Reads a message; bytes behind ``Header.length`` are tolerated and not looked at.

    Payloads are read only from an unencrypted message of major version 1; otherwise
    ``payloads`` is empty and ``body`` holds what is behind the header.  Up to three bytes
    behind the last payload count as alignment.

    Raises:
        WireError: header, chain or a payload does not follow the format.
    """
    reader = Reader(data)
    header = _read_header(reader)
    body = bytes(data[HEADER_SIZE : header.length])
    if header.flags & Flags.ENCRYPTION or header.major != _IKEV1_MAJOR:
        return Message(header, (), body)
    with reader.block(header.length - HEADER_SIZE, "payloads"):
        payloads = _read_payloads(reader, header.next_payload)
        if reader.remaining <= MAX_ALIGNMENT:
            reader.rest()
    return Message(header, payloads, body)


def _read_header(reader: Reader) -> Header:
    available = reader.remaining
    initiator, responder = reader.raw(COOKIE_SIZE, "initiator cookie"), reader.raw(8, "responder cookie")
    next_payload, version = reader.uint8("next payload"), reader.uint8("version")
    exchange, flags = reader.uint8("exchange type"), reader.uint8("flags")
    message_id, length = reader.uint32("message ID"), reader.uint32("length")
    if not HEADER_SIZE <= length <= MAX_MESSAGE:
        raise WireError(24, "length", f"{length} is not between {HEADER_SIZE} and {MAX_MESSAGE}")
    if length > available:
        raise WireError(24, "length", f"says {length} bytes, {available} arrived")
    return Header(
        initiator, responder, exchange, flags, message_id, next_payload, length, version >> 4, version & 0x0F
    )


def _read_payloads(reader: Reader, first: int) -> tuple[Payload, ...]:
    payloads: list[Payload] = []
    following = first
    while following != PayloadType.NONE:
        _check_count(reader, len(payloads))
        payload_type = following
        following, length = _read_generic_header(reader)
        with reader.block(length, "payload"):
            payloads.append(unpack_body(payload_type, reader))
    return tuple(payloads)


def _read_generic_header(reader: Reader) -> tuple[int, int]:
    """Returns the type of the next payload and the length of this one's body (RFC 2408 section 3.2)."""
    following = reader.uint8("next payload")
    reader.uint8("reserved")  # RFC 2408 wants 0; peers that leave garbage here are understood all the same
    length = reader.uint16("payload length")
    if length < _GENERIC_HEADER:
        raise reader.fail("payload length", f"{length} is below the header's own 4 bytes")
    return following, length - _GENERIC_HEADER


def _check_count(reader: Reader, count: int) -> None:
    if count == MAX_PAYLOADS:
        raise reader.fail("payload", f"more than {MAX_PAYLOADS}")


def _check_end(reader: Reader, padding_allowed: bool) -> None:
    if reader.remaining and not padding_allowed:
        raise reader.fail("payloads", f"{reader.remaining} bytes behind the last payload")


def _encode(header: Header, body: bytes) -> bytes:
    if len(header.initiator_cookie) != COOKIE_SIZE or len(header.responder_cookie) != COOKIE_SIZE:
        raise ValueError(f"a cookie has {COOKIE_SIZE} bytes")
    length = HEADER_SIZE + len(body)
    if length > MAX_MESSAGE:
        raise ValueError(f"a message of {length} bytes exceeds {MAX_MESSAGE}")
    writer = Writer()
    writer.raw(header.initiator_cookie)
    writer.raw(header.responder_cookie)
    writer.uint8(header.next_payload)
    writer.uint8(header.major << 4 | header.minor)
    writer.uint8(header.exchange)
    writer.uint8(header.flags)
    writer.uint32(header.message_id)
    writer.uint32(length)
    writer.raw(body)
    return writer.getvalue()
