"""The first IKEv2 exchange, far enough to see whether and how a responder answers (RFC 7296).

The header is the one of ISAKMP, so :func:`.message.decode_header` reads it; cookies are
called SPIs here.  The request offers nearly every algorithm in use: which of them a
responder picks does not matter, only that it answers with *something*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from l2tp_doctor.protocol.isakmp.constants import ExchangeType, Group
from l2tp_doctor.protocol.isakmp.message import (
    HEADER_SIZE,
    MAX_ALIGNMENT,
    MAX_PAYLOADS,
    Header,
    decode_header,
)
from l2tp_doctor.protocol.wire import Reader, WireError, Writer

MAX_TRANSFORMS = 255  # the field that counts them has 8 bits
_GENERIC_HEADER = 4
_KEY_LENGTH_ATTRIBUTE = 0x8000 | 14  # RFC 7296 section 3.3.5: Key Length, always type/value


class Ikev2PayloadType(IntEnum):
    """Next Payload values of IKEv2 (RFC 7296 section 3.2)."""

    NONE = 0
    SA = 33
    KE = 34
    IDI = 35
    IDR = 36
    CERT = 37
    CERTREQ = 38
    AUTH = 39
    NONCE = 40
    NOTIFY = 41
    DELETE = 42
    VID = 43
    TSI = 44
    TSR = 45
    SK = 46
    CP = 47
    EAP = 48
    SKF = 53


class Ikev2Flags(IntFlag):
    """Flag bits of the IKEv2 header (RFC 7296 section 3.1)."""

    INITIATOR = 0x08
    VERSION = 0x10
    RESPONSE = 0x20


class Ikev2TransformType(IntEnum):
    """Transform types (RFC 7296 section 3.3.2)."""

    ENCR = 1
    PRF = 2
    INTEG = 3
    DH = 4
    ESN = 5


class Ikev2NotifyType(IntEnum):
    """Notify message types that can answer an IKE_SA_INIT (RFC 7296 section 3.10.1, RFC 7383)."""

    UNSUPPORTED_CRITICAL_PAYLOAD = 1
    INVALID_IKE_SPI = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_SYNTAX = 7
    INVALID_MESSAGE_ID = 9
    NO_PROPOSAL_CHOSEN = 14
    INVALID_KE_PAYLOAD = 17
    AUTHENTICATION_FAILED = 24
    NAT_DETECTION_SOURCE_IP = 16388
    NAT_DETECTION_DESTINATION_IP = 16389
    COOKIE = 16390
    HTTP_CERT_LOOKUP_SUPPORTED = 16392
    REDIRECT_SUPPORTED = 16406
    REDIRECT = 16407
    MULTIPLE_AUTH_SUPPORTED = 16404
    IKEV2_FRAGMENTATION_SUPPORTED = 16430
    SIGNATURE_HASH_ALGORITHMS = 16431


@dataclass(frozen=True, slots=True)
class Ikev2Transform:
    """One transform: type, identifier, and its key length in bits where one is given."""

    type: int
    identifier: int
    key_length: int | None = None


@dataclass(frozen=True, slots=True)
class Ikev2Notify:
    """One notification (RFC 7296 section 3.10)."""

    notify_type: int
    protocol: int = 0
    spi: bytes = b""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class SaInitReply:
    """What came back to an IKE_SA_INIT request.

    Attributes:
        header: its header; the SPIs are in the cookie fields.
        transforms: the choice, empty when there is no SA payload.
        group: group of the KE payload, ``None`` without one.
        public_value: its public value.
        nonce: the responder's nonce, ``None`` without one.
        notifications: in wire order.
        vendor_ids: in wire order.
    """

    header: Header
    transforms: tuple[Ikev2Transform, ...] = ()
    group: int | None = None
    public_value: bytes = b""
    nonce: bytes | None = None
    notifications: tuple[Ikev2Notify, ...] = ()
    vendor_ids: tuple[bytes, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the responder chose a proposal and sent its own share."""
        return bool(self.transforms) and self.group is not None and self.nonce is not None

    def notification(self, notify_type: int) -> Ikev2Notify | None:
        """Returns the first notification of a type, or ``None``."""
        return next((entry for entry in self.notifications if entry.notify_type == notify_type), None)

    @property
    def wanted_group(self) -> int | None:
        """The group asked for by INVALID_KE_PAYLOAD (RFC 7296 section 1.3), else ``None``."""
        answer = self.notification(Ikev2NotifyType.INVALID_KE_PAYLOAD)
        return int.from_bytes(answer.data, "big") if answer and len(answer.data) == 2 else None

    @property
    def cookie(self) -> bytes | None:
        """The cookie to repeat the request with (RFC 7296 section 2.6), else ``None``."""
        answer = self.notification(Ikev2NotifyType.COOKIE)
        return answer.data if answer else None


_PRFS = tuple(Ikev2Transform(Ikev2TransformType.PRF, number) for number in (5, 6, 7, 2, 1))
"""HMAC-SHA2-256/384/512, HMAC-SHA1, HMAC-MD5."""
_INTEGRITY = tuple(Ikev2Transform(Ikev2TransformType.INTEG, number) for number in (12, 13, 14, 2, 1))
"""HMAC-SHA2-256-128/384-192/512-256, HMAC-SHA1-96, HMAC-MD5-96."""
_CBC = (
    *(Ikev2Transform(Ikev2TransformType.ENCR, 12, bits) for bits in (256, 192, 128)),
    Ikev2Transform(Ikev2TransformType.ENCR, 3),  # 3DES
)
_AEAD = tuple(
    Ikev2Transform(Ikev2TransformType.ENCR, 20, bits) for bits in (256, 128)
)  # AES-GCM, 16-byte ICV
DEFAULT_GROUPS: tuple[int, ...] = (
    Group.MODP_2048,
    Group.ECP_256,
    Group.ECP_384,
    31,  # Curve25519
    Group.MODP_3072,
    Group.MODP_4096,
    Group.ECP_521,
    Group.MODP_1536,
    Group.MODP_1024,
)
"""Groups offered besides the one the public value is for, most common first."""


def encode_sa_init(
    initiator_spi: bytes,
    group: int,
    public_value: bytes,
    nonce: bytes,
    *,
    groups: Sequence[int] = DEFAULT_GROUPS,
    notifications: Sequence[Ikev2Notify] = (),
    vendor_ids: Sequence[bytes] = (),
    cookie: bytes | None = None,
    major: int = 2,
) -> bytes:
    """Returns an IKE_SA_INIT request (RFC 7296 section 1.2).

    Args:
        initiator_spi: 8 bytes, not all zero.
        group: Diffie-Hellman group of ``public_value``; offered first.
        public_value: our share; a responder that wants another group says INVALID_KE_PAYLOAD.
        nonce: 16 to 256 bytes (RFC 7296 section 2.10).
        groups: further groups to offer.
        notifications: e.g. the NAT detection ones, placed behind the nonce.
        vendor_ids: placed last.
        cookie: the one a COOKIE notification asked for; becomes the first payload.
        major: another number than 2 provokes INVALID_MAJOR_VERSION.

    Raises:
        ValueError: SPI or nonce have a size the RFC forbids.
    """
    if len(initiator_spi) != 8 or not any(initiator_spi):
        raise ValueError("an initiator SPI has 8 bytes that are not all zero")
    if not 16 <= len(nonce) <= 256:
        raise ValueError(f"a nonce has 16 to 256 bytes, not {len(nonce)}")
    offered = (group, *(other for other in groups if other != group))
    bodies: list[tuple[int, bytes]] = []
    if cookie is not None:
        bodies.append(
            (Ikev2PayloadType.NOTIFY, _notify_body(Ikev2Notify(Ikev2NotifyType.COOKIE, data=cookie)))
        )
    bodies += [
        (Ikev2PayloadType.SA, _security_association_body(offered)),
        (Ikev2PayloadType.KE, group.to_bytes(2, "big") + bytes(2) + public_value),
        (Ikev2PayloadType.NONCE, nonce),
    ]
    bodies += [(Ikev2PayloadType.NOTIFY, _notify_body(entry)) for entry in notifications]
    bodies += [(Ikev2PayloadType.VID, vendor_id) for vendor_id in vendor_ids]
    return encode_sa_init_message(initiator_spi + bytes(8), Ikev2Flags.INITIATOR, bodies, major)


def encode_sa_init_message(
    spis: bytes, flags: int, bodies: Sequence[tuple[int, bytes]], major: int = 2
) -> bytes:
    """Returns an IKE_SA_INIT message of either direction.

    Args:
        spis: initiator's and responder's SPI, 16 bytes.
        flags: :class:`Ikev2Flags`.
        bodies: (payload type, body) of each payload, at least one.
        major: major version to claim.
    """
    writer = Writer()
    writer.raw(spis)
    writer.uint8(bodies[0][0])
    writer.uint8(major << 4)
    writer.uint8(ExchangeType.IKEV2_SA_INIT)
    writer.uint8(flags)
    writer.uint32(0)
    writer.uint32(HEADER_SIZE + sum(_GENERIC_HEADER + len(body) for _, body in bodies))
    following = [*(kind for kind, _ in bodies[1:]), Ikev2PayloadType.NONE]
    for (_, body), next_type in zip(bodies, following, strict=True):
        writer.uint8(next_type)
        writer.uint8(0)
        writer.uint16(_GENERIC_HEADER + len(body))
        writer.raw(body)
    return writer.getvalue()


def _security_association_body(groups: Sequence[int]) -> bytes:
    dh = tuple(Ikev2Transform(Ikev2TransformType.DH, int(group)) for group in groups)
    # RFC 7296 section 3.3: combined-mode ciphers and ciphers with integrity go into proposals of their own.
    return _proposal(1, (*_CBC, *_PRFS, *_INTEGRITY, *dh), more=True) + _proposal(
        2, (*_AEAD, *_PRFS, *dh), more=False
    )


def _proposal(number: int, transforms: Sequence[Ikev2Transform], *, more: bool) -> bytes:
    writer = Writer()
    writer.uint8(2 if more else 0)
    writer.uint8(0)
    writer.uint16(0)
    writer.uint8(number)
    writer.uint8(1)  # protocol IKE
    writer.uint8(0)  # no SPI: it is in the header
    writer.uint8(len(transforms))
    for index, transform in enumerate(transforms, start=1):
        writer.uint8(3 if index < len(transforms) else 0)
        writer.uint8(0)
        writer.uint16(8 if transform.key_length is None else 12)
        writer.uint8(transform.type)
        writer.uint8(0)
        writer.uint16(transform.identifier)
        if transform.key_length is not None:
            writer.uint16(_KEY_LENGTH_ATTRIBUTE)
            writer.uint16(transform.key_length)
    writer.patch_uint16(2, len(writer))
    return writer.getvalue()


def _notify_body(notify: Ikev2Notify) -> bytes:
    header = bytes((notify.protocol, len(notify.spi))) + notify.notify_type.to_bytes(2, "big")
    return header + notify.spi + notify.data


def decode_sa_init(data: bytes) -> SaInitReply:
    """Reads the answer to an IKE_SA_INIT request, errors included.

    Payloads of other types are skipped.  A major version above 2 is read too, since
    INVALID_MAJOR_VERSION carries the responder's own; version 1 is an ISAKMP message and
    belongs to :func:`.message.decode_message`.

    Raises:
        WireError: no IKEv2 response, or malformed.
    """
    header = decode_header(data)
    if header.major < 2:
        raise WireError(17, "version", f"{header.major}.{header.minor} is not IKEv2")
    if not header.flags & Ikev2Flags.RESPONSE:
        raise WireError(19, "flags", "the response bit is not set")
    reader = Reader(data[: header.length])
    reader.raw(HEADER_SIZE, "header")
    found = _Collected()
    following, count = header.next_payload, 0
    while following != Ikev2PayloadType.NONE:
        if count == MAX_PAYLOADS:
            raise reader.fail("payload", f"more than {MAX_PAYLOADS}")
        following, count = _read_payload(reader, following, found), count + 1
    if reader.remaining > MAX_ALIGNMENT:  # Openswan was seen to fill up to a multiple of four
        raise reader.fail("payloads", f"{reader.remaining} bytes behind the last payload")
    return SaInitReply(
        header,
        found.transforms,
        found.group,
        found.public_value,
        found.nonce,
        tuple(found.notifications),
        tuple(found.vendor_ids),
    )


class _Collected:
    """What the payloads read so far said."""

    def __init__(self) -> None:
        self.transforms: tuple[Ikev2Transform, ...] = ()
        self.group: int | None = None
        self.public_value = b""
        self.nonce: bytes | None = None
        self.notifications: list[Ikev2Notify] = []
        self.vendor_ids: list[bytes] = []


def _read_payload(reader: Reader, payload_type: int, found: _Collected) -> int:
    following = reader.uint8("next payload")
    reader.uint8("critical bit")
    length = reader.uint16("payload length")
    if length < _GENERIC_HEADER:
        raise reader.fail("payload length", f"{length} is below the header's own 4 bytes")
    with reader.block(length - _GENERIC_HEADER, "payload"):
        if payload_type == Ikev2PayloadType.SA:
            found.transforms = _read_choice(reader)
        elif payload_type == Ikev2PayloadType.KE:
            found.group = reader.uint16("KE group")
            reader.uint16("KE reserved")
            found.public_value = reader.rest()
        elif payload_type == Ikev2PayloadType.NONCE:
            found.nonce = reader.rest()
        elif payload_type == Ikev2PayloadType.NOTIFY:
            found.notifications.append(_read_notify(reader))
        elif payload_type == Ikev2PayloadType.VID:
            found.vendor_ids.append(reader.rest())
        else:
            reader.rest()
    if payload_type in (Ikev2PayloadType.SK, Ikev2PayloadType.SKF):
        return Ikev2PayloadType.NONE  # always the last one; its next payload is inside the ciphertext
    return following


def _read_notify(reader: Reader) -> Ikev2Notify:
    protocol, spi_size = reader.uint8("notify protocol"), reader.uint8("notify SPI size")
    notify_type = reader.uint16("notify type")
    return Ikev2Notify(notify_type, protocol, reader.raw(spi_size, "notify SPI"), reader.rest())


def _read_choice(reader: Reader) -> tuple[Ikev2Transform, ...]:
    """Reads the one proposal of a response (RFC 7296 section 3.3.1)."""
    if reader.uint8("proposal last") != 0:
        raise reader.fail("proposal last", "a response holds exactly one proposal")
    reader.uint8("proposal reserved")
    length = reader.uint16("proposal length")
    with reader.block(length - _GENERIC_HEADER, "proposal"):
        reader.uint16("proposal number and protocol")
        spi_size, count = reader.uint8("proposal SPI size"), reader.uint8("proposal transform count")
        reader.raw(spi_size, "proposal SPI")
        return tuple(_read_transform(reader) for _ in range(count))


def _read_transform(reader: Reader) -> Ikev2Transform:
    reader.uint16("transform last and reserved")
    length = reader.uint16("transform length")
    with reader.block(length - _GENERIC_HEADER, "transform"):
        kind = reader.uint8("transform type")
        reader.uint8("transform reserved")
        identifier = reader.uint16("transform ID")
        key_length: int | None = None
        while reader.remaining:
            attribute, value = reader.uint16("attribute type"), reader.uint16("attribute value or length")
            if attribute == _KEY_LENGTH_ATTRIBUTE:
                key_length = value
            elif not attribute & 0x8000:
                reader.raw(value, "attribute value")
        return Ikev2Transform(kind, identifier, key_length)
