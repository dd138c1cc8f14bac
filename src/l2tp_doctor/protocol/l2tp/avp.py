"""Attribute-Value Pairs: the codec, the registry and AVP hiding (RFC 2661 §4, RFC 3145, MS-L2TPIE).

:data:`REGISTRY` has one row per AVP.  What is not in it, or does not have the form
its row says, is kept raw with :attr:`Avp.problem` set: RFC 2661 §7.1 wants a malformed
AVP treated like an unrecognised one, and the M bit then decides whether the tunnel
or session has to be shut down.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import Reader, WireError, Writer

IETF = 0
MICROSOFT = 311
"""SMI Network Management Private Enterprise Code of Microsoft (0x137)."""

HEADER_LENGTH = 6
MAXIMUM_LENGTH = 1023
"""The Length field has ten bits (RFC 2661 §4.1)."""
MAXIMUM_AVPS = 256
"""No message of RFC 2661 has more than about twenty; a datagram of 64 KiB could carry
ten thousand empty ones and flood the trace."""


class AvpType(enum.IntEnum):
    """Attribute types with vendor ID 0 (RFC 2661 §4.4; 46 is RFC 3145)."""

    MESSAGE_TYPE = 0
    RESULT_CODE = 1
    PROTOCOL_VERSION = 2
    FRAMING_CAPABILITIES = 3
    BEARER_CAPABILITIES = 4
    TIE_BREAKER = 5
    FIRMWARE_REVISION = 6
    HOST_NAME = 7
    VENDOR_NAME = 8
    ASSIGNED_TUNNEL_ID = 9
    RECEIVE_WINDOW_SIZE = 10
    CHALLENGE = 11
    Q931_CAUSE_CODE = 12
    CHALLENGE_RESPONSE = 13
    ASSIGNED_SESSION_ID = 14
    CALL_SERIAL_NUMBER = 15
    MINIMUM_BPS = 16
    MAXIMUM_BPS = 17
    BEARER_TYPE = 18
    FRAMING_TYPE = 19
    CALLED_NUMBER = 21
    CALLING_NUMBER = 22
    SUB_ADDRESS = 23
    TX_CONNECT_SPEED = 24
    PHYSICAL_CHANNEL_ID = 25
    INITIAL_RECEIVED_LCP_CONFREQ = 26
    LAST_SENT_LCP_CONFREQ = 27
    LAST_RECEIVED_LCP_CONFREQ = 28
    PROXY_AUTHEN_TYPE = 29
    PROXY_AUTHEN_NAME = 30
    PROXY_AUTHEN_CHALLENGE = 31
    PROXY_AUTHEN_ID = 32
    PROXY_AUTHEN_RESPONSE = 33
    CALL_ERRORS = 34
    ACCM = 35
    RANDOM_VECTOR = 36
    PRIVATE_GROUP_ID = 37
    RX_CONNECT_SPEED = 38
    SEQUENCING_REQUIRED = 39
    PPP_DISCONNECT_CAUSE = 46


MICROSOFT_CORRELATION_ID = 1
"""Vendor 311: a 16-byte GUID in ICRQ, M = 0, sent since Windows Vista SP1 (MS-L2TPIE §2.2.1.1)."""


@dataclass(frozen=True, slots=True)
class ResultCode:
    """Value of the Result Code AVP (RFC 2661 §4.4.2)."""

    result: int
    error: int | None = None
    """General error code; ``None`` when the sender left the optional field out."""
    message: str = ""
    """The sender's own words; bytes that are not UTF-8 appear as ``\\xNN``."""


@dataclass(frozen=True, slots=True)
class Q931Cause:
    """Value of the Q.931 Cause Code AVP (RFC 2661 §4.4.2)."""

    cause: int
    message_type: int
    advisory: str = ""


@dataclass(frozen=True, slots=True)
class CallErrors:
    """Value of the Call Errors AVP in WEN (RFC 2661 §4.4.6): six counters since the call began."""

    crc_errors: int
    framing_errors: int
    hardware_overruns: int
    buffer_overruns: int
    timeout_errors: int
    alignment_errors: int


@dataclass(frozen=True, slots=True)
class Accm:
    """Value of the ACCM AVP in SLI (RFC 2661 §4.4.6)."""

    send: int
    receive: int


@dataclass(frozen=True, slots=True)
class PppDisconnectCause:
    """Value of the PPP Disconnect Cause Code AVP in CDN (RFC 3145 §2)."""

    code: int
    control_protocol: int
    direction: int
    message: str = ""


AvpValue = int | bytes | ResultCode | Q931Cause | CallErrors | Accm | PppDisconnectCause


def text(raw: bytes) -> str:
    """Returns a peer's text as printable as it was meant; what is not UTF-8 becomes ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def _wrong(value: object) -> TypeError:
    return TypeError(f"an AVP of this type cannot hold a {type(value).__name__}")


def _integer(value: AvpValue) -> int:
    if not isinstance(value, int):
        raise _wrong(value)
    return value


def _pack_uint16(w: Writer, value: AvpValue) -> None:
    w.uint16(_integer(value))


def _unpack_uint16(r: Reader) -> AvpValue:
    return r.uint16("value")


def _pack_uint32(w: Writer, value: AvpValue) -> None:
    w.uint32(_integer(value))


def _unpack_uint32(r: Reader) -> AvpValue:
    return r.uint32("value")


def _pack_bytes(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, bytes):
        raise _wrong(value)
    w.raw(value)


def _unpack_bytes(r: Reader) -> AvpValue:
    return r.rest()


def _unpack_some_bytes(r: Reader) -> AvpValue:
    if r.remaining == 0:
        raise r.fail("value", "must have at least one byte")
    return r.rest()


def _fixed(length: int) -> Callable[[Reader], AvpValue]:
    def unpack(r: Reader) -> AvpValue:
        return r.raw(length, "value")

    return unpack


def _pack_result_code(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, ResultCode):
        raise _wrong(value)
    w.uint16(value.result)
    if value.error is not None or value.message:
        w.uint16(value.error or 0)
        w.raw(value.message.encode())


def _unpack_result_code(r: Reader) -> AvpValue:
    # > The optional Error Code (2 octets) and the optional Error Message (RFC 2661 §4.4.2)
    result = r.uint16("result code")
    if r.remaining == 0:
        return ResultCode(result)
    return ResultCode(result, r.uint16("error code"), text(r.rest()))


def _pack_q931(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, Q931Cause):
        raise _wrong(value)
    w.uint16(value.cause)
    w.uint8(value.message_type)
    w.raw(value.advisory.encode())


def _unpack_q931(r: Reader) -> AvpValue:
    return Q931Cause(r.uint16("cause code"), r.uint8("cause message"), text(r.rest()))


def _pack_call_errors(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, CallErrors):
        raise _wrong(value)
    w.uint16(0)
    for counter in (
        value.crc_errors,
        value.framing_errors,
        value.hardware_overruns,
        value.buffer_overruns,
        value.timeout_errors,
        value.alignment_errors,
    ):
        w.uint32(counter)


def _unpack_call_errors(r: Reader) -> AvpValue:
    r.uint16("reserved")
    return CallErrors(*(r.uint32("counter") for _ in range(6)))


def _pack_accm(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, Accm):
        raise _wrong(value)
    w.uint16(0)
    w.uint32(value.send)
    w.uint32(value.receive)


def _unpack_accm(r: Reader) -> AvpValue:
    r.uint16("reserved")
    return Accm(r.uint32("send ACCM"), r.uint32("receive ACCM"))


def _pack_disconnect_cause(w: Writer, value: AvpValue) -> None:
    if not isinstance(value, PppDisconnectCause):
        raise _wrong(value)
    w.uint16(value.code)
    w.uint16(value.control_protocol)
    w.uint8(value.direction)
    w.raw(value.message.encode())


def _unpack_disconnect_cause(r: Reader) -> AvpValue:
    return PppDisconnectCause(
        r.uint16("disconnect code"), r.uint16("control protocol"), r.uint8("direction"), text(r.rest())
    )


@dataclass(frozen=True, slots=True)
class AvpRow:
    """One AVP: its number, its name in the RFC, the M bit it is sent with, and its codec."""

    number: int
    name: str
    mandatory: bool
    pack: Callable[[Writer, AvpValue], None]
    unpack: Callable[[Reader], AvpValue]
    vendor: int = IETF
    sensitive: bool = False
    """Its value allows guessing a secret off line, so it is not written into traces."""


_T = AvpType
_ROWS = (
    AvpRow(_T.MESSAGE_TYPE, "Message Type", True, _pack_uint16, _unpack_uint16),
    AvpRow(_T.RESULT_CODE, "Result Code", True, _pack_result_code, _unpack_result_code),
    AvpRow(_T.PROTOCOL_VERSION, "Protocol Version", True, _pack_uint16, _unpack_uint16),
    AvpRow(_T.FRAMING_CAPABILITIES, "Framing Capabilities", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.BEARER_CAPABILITIES, "Bearer Capabilities", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.TIE_BREAKER, "Tie Breaker", False, _pack_bytes, _fixed(8)),
    AvpRow(_T.FIRMWARE_REVISION, "Firmware Revision", False, _pack_uint16, _unpack_uint16),
    AvpRow(_T.HOST_NAME, "Host Name", True, _pack_bytes, _unpack_some_bytes),
    AvpRow(_T.VENDOR_NAME, "Vendor Name", False, _pack_bytes, _unpack_bytes),
    AvpRow(_T.ASSIGNED_TUNNEL_ID, "Assigned Tunnel ID", True, _pack_uint16, _unpack_uint16),
    AvpRow(_T.RECEIVE_WINDOW_SIZE, "Receive Window Size", True, _pack_uint16, _unpack_uint16),
    AvpRow(_T.CHALLENGE, "Challenge", True, _pack_bytes, _unpack_some_bytes),
    AvpRow(_T.Q931_CAUSE_CODE, "Q.931 Cause Code", True, _pack_q931, _unpack_q931),
    AvpRow(_T.CHALLENGE_RESPONSE, "Challenge Response", True, _pack_bytes, _fixed(16), sensitive=True),
    AvpRow(_T.ASSIGNED_SESSION_ID, "Assigned Session ID", True, _pack_uint16, _unpack_uint16),
    AvpRow(_T.CALL_SERIAL_NUMBER, "Call Serial Number", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.MINIMUM_BPS, "Minimum BPS", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.MAXIMUM_BPS, "Maximum BPS", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.BEARER_TYPE, "Bearer Type", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.FRAMING_TYPE, "Framing Type", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.CALLED_NUMBER, "Called Number", True, _pack_bytes, _unpack_bytes),
    AvpRow(_T.CALLING_NUMBER, "Calling Number", True, _pack_bytes, _unpack_bytes),
    AvpRow(_T.SUB_ADDRESS, "Sub-Address", True, _pack_bytes, _unpack_bytes),
    AvpRow(_T.TX_CONNECT_SPEED, "(Tx) Connect Speed", True, _pack_uint32, _unpack_uint32),
    AvpRow(_T.PHYSICAL_CHANNEL_ID, "Physical Channel ID", False, _pack_uint32, _unpack_uint32),
    AvpRow(
        _T.INITIAL_RECEIVED_LCP_CONFREQ, "Initial Received LCP CONFREQ", False, _pack_bytes, _unpack_bytes
    ),
    AvpRow(_T.LAST_SENT_LCP_CONFREQ, "Last Sent LCP CONFREQ", False, _pack_bytes, _unpack_bytes),
    AvpRow(_T.LAST_RECEIVED_LCP_CONFREQ, "Last Received LCP CONFREQ", False, _pack_bytes, _unpack_bytes),
    AvpRow(_T.PROXY_AUTHEN_TYPE, "Proxy Authen Type", False, _pack_uint16, _unpack_uint16),
    AvpRow(_T.PROXY_AUTHEN_NAME, "Proxy Authen Name", False, _pack_bytes, _unpack_bytes),
    AvpRow(_T.PROXY_AUTHEN_CHALLENGE, "Proxy Authen Challenge", False, _pack_bytes, _unpack_some_bytes),
    AvpRow(_T.PROXY_AUTHEN_ID, "Proxy Authen ID", False, _pack_uint16, _unpack_uint16),
    AvpRow(
        _T.PROXY_AUTHEN_RESPONSE, "Proxy Authen Response", False, _pack_bytes, _unpack_bytes, sensitive=True
    ),
    AvpRow(_T.CALL_ERRORS, "Call Errors", True, _pack_call_errors, _unpack_call_errors),
    AvpRow(_T.ACCM, "ACCM", True, _pack_accm, _unpack_accm),
    AvpRow(_T.RANDOM_VECTOR, "Random Vector", True, _pack_bytes, _unpack_bytes),
    AvpRow(_T.PRIVATE_GROUP_ID, "Private Group ID", False, _pack_bytes, _unpack_bytes),
    AvpRow(_T.RX_CONNECT_SPEED, "Rx Connect Speed", False, _pack_uint32, _unpack_uint32),
    AvpRow(_T.SEQUENCING_REQUIRED, "Sequencing Required", True, _pack_bytes, _fixed(0)),
    AvpRow(
        _T.PPP_DISCONNECT_CAUSE, "PPP Disconnect Cause Code", False, _pack_disconnect_cause,
        _unpack_disconnect_cause,
    ),
    AvpRow(MICROSOFT_CORRELATION_ID, "Microsoft Correlation ID", False, _pack_bytes, _fixed(16), MICROSOFT),
)  # fmt: skip

REGISTRY = {(row.vendor, row.number): row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Avp:
    """One attribute-value pair, decoded as far as it could be."""

    number: int
    value: AvpValue | None
    """``None`` when the AVP is unknown, malformed or still hidden; then see :attr:`problem`."""
    raw: bytes = b""
    """The value's bytes as received, unhidden where that was possible."""
    mandatory: bool = False
    hidden: bool = False
    """Came with the H bit, or is to be sent with it."""
    vendor: int = IETF
    problem: str | None = None

    @property
    def name(self) -> str:
        """The RFC's name, or the numbers of an AVP nobody knows."""
        row = REGISTRY.get((self.vendor, self.number))
        return row.name if row else f"AVP {self.vendor}/{self.number}"

    @property
    def sensitive(self) -> bool:
        """Whether the value must stay out of traces: hidden by its sender, or derived from a secret."""
        row = REGISTRY.get((self.vendor, self.number))
        return self.hidden or (row is not None and row.sensitive)


def make_avp(number: int, value: AvpValue, *, vendor: int = IETF, hidden: bool = False) -> Avp:
    """Returns a registered AVP ready to be sent, with the M bit RFC 2661 §4.4 gives it.

    Raises:
        ValueError: the registry has no such AVP.
        TypeError: ``value`` is of the wrong type for it.
    """
    row = REGISTRY.get((vendor, number))
    if row is None:
        raise ValueError(f"no AVP {vendor}/{number} in the registry")
    writer = Writer()
    row.pack(writer, value)
    return Avp(number, value, writer.getvalue(), row.mandatory, hidden, vendor)


def _keystream_block(attribute: int, secret: Secret, vector: bytes) -> bytes:
    # > b1 = MD5(AV + S + RV)   (RFC 2661 §4.3; AV is the 2-octet attribute number)
    return hashlib.md5(
        attribute.to_bytes(2, "big") + secret.reveal() + vector, usedforsecurity=False
    ).digest()


def hide_value(
    number: int, value: bytes, secret: Secret, random_vector: bytes, padding: bytes = b""
) -> bytes:
    """Returns the Hidden AVP Subformat of ``value``, encrypted (RFC 2661 §4.3).

    Raises:
        ValueError: ``value`` is longer than the two-octet length field can say.
    """
    if len(value) > 0xFFFF:
        raise ValueError("the value is too long to be hidden")
    plain = len(value).to_bytes(2, "big") + value + padding
    block = _keystream_block(number, secret, random_vector)
    hidden = bytearray()
    for start in range(0, len(plain), 16):
        cipher = bytes(p ^ b for p, b in zip(plain[start : start + 16], block, strict=False))
        hidden += cipher
        # > b2 = MD5(S + c1)
        block = hashlib.md5(secret.reveal() + cipher, usedforsecurity=False).digest()
    return bytes(hidden)


def unhide_value(number: int, hidden: bytes, secret: Secret, random_vector: bytes) -> bytes:
    """Returns the original attribute value out of a hidden one (RFC 2661 §4.3).

    Raises:
        WireError: the decrypted length does not fit; with the wrong secret nearly always.
    """
    block = _keystream_block(number, secret, random_vector)
    plain = bytearray()
    for start in range(0, len(hidden), 16):
        cipher = hidden[start : start + 16]
        plain += bytes(c ^ b for c, b in zip(cipher, block, strict=False))
        block = hashlib.md5(secret.reveal() + cipher, usedforsecurity=False).digest()
    reader = Reader(bytes(plain))
    return reader.raw(reader.uint16("length of original value"), "original attribute value")


def encode_avps(avps: Iterable[Avp], secret: Secret | None = None) -> bytes:
    """Returns the AVPs' wire form; those with ``hidden`` set use the Random Vector sent before them.

    Raises:
        ValueError: a hidden AVP without a secret or a preceding Random Vector, or a value too long.
    """
    writer = Writer()
    vector: bytes | None = None
    for avp in avps:
        raw = avp.raw
        if avp.vendor == IETF and avp.number == AvpType.RANDOM_VECTOR:
            vector = raw
        if avp.hidden:
            if secret is None or vector is None:
                raise ValueError("a hidden AVP needs the tunnel secret and a Random Vector before it")
            raw = hide_value(avp.number, raw, secret, vector)
        length = HEADER_LENGTH + len(raw)
        if length > MAXIMUM_LENGTH:
            raise ValueError(f"{avp.name}: {length} bytes do not fit an AVP")
        writer.uint16((0x8000 if avp.mandatory else 0) | (0x4000 if avp.hidden else 0) | length)
        writer.uint16(avp.vendor)
        writer.uint16(avp.number)
        writer.raw(raw)
    return writer.getvalue()


def _decode_value(vendor: int, number: int, raw: bytes) -> tuple[AvpValue | None, str | None]:
    row = REGISTRY.get((vendor, number))
    if row is None:
        return None, "unknown"
    reader = Reader(raw)
    try:
        with reader.block(len(raw), row.name):
            value = row.unpack(reader)
    except WireError as error:
        return None, f"malformed: {error.reason}"
    return value, None


def _read_avp(reader: Reader, secret: Secret | None, vector: bytes | None) -> Avp:
    flags = reader.uint16("AVP flags and length")
    length = flags & 0x03FF
    if length < HEADER_LENGTH:
        raise reader.fail("AVP length", f"{length} is less than the AVP's own header")
    with reader.block(length - 2, "AVP"):
        vendor = reader.uint16("AVP vendor ID")
        number = reader.uint16("AVP attribute type")
        raw = reader.rest()
    mandatory, hidden = bool(flags & 0x8000), bool(flags & 0x4000)
    problem: str | None = None
    value: AvpValue | None = None
    if flags & 0x3C00:
        # > An AVP received with a reserved bit set to 1 MUST be treated as an unrecognized AVP.
        problem = "reserved bits set"
    elif hidden and (secret is None or vector is None):
        problem = (
            "hidden, and no tunnel secret is known" if secret is None else "hidden without a Random Vector"
        )
    else:
        if hidden and secret is not None and vector is not None:
            try:
                raw = unhide_value(number, raw, secret, vector)
            except WireError:
                return Avp(
                    number, None, raw, mandatory, True, vendor, "cannot be unhidden with this tunnel secret"
                )
        value, problem = _decode_value(vendor, number, raw)
    return Avp(number, value, raw, mandatory, hidden, vendor, problem)


def decode_avps(body: bytes, secret: Secret | None = None) -> tuple[Avp, ...]:
    """Returns all AVPs of a control message's body, in order.

    Args:
        body: what follows the control message's header.
        secret: the tunnel's shared secret, for hidden AVPs.

    Raises:
        WireError: the lengths do not add up, or there are more than :data:`MAXIMUM_AVPS`.
            A bad *value* raises nothing: it is told by :attr:`Avp.problem`.
    """
    reader = Reader(body)
    avps: list[Avp] = []
    vector: bytes | None = None
    while reader.remaining:
        if len(avps) == MAXIMUM_AVPS:
            raise reader.fail("AVP", f"more than {MAXIMUM_AVPS} AVPs in one message")
        avp = _read_avp(reader, secret, vector)
        if avp.vendor == IETF and avp.number == AvpType.RANDOM_VECTOR and not avp.hidden:
            vector = avp.raw
        avps.append(avp)
    return tuple(avps)
