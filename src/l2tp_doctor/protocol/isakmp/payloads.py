"""ISAKMP payloads: values, and how each is read and written (RFC 2408 section 3, RFC 2407, RFC 3947).

Every class has a ``payload_type``.  The table :data:`CODECS` says how the body behind the
generic payload header is read and written; what it does not know is kept as
:class:`UnknownPayload`.  The SA payload is in :mod:`.security_association`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from l2tp_doctor.protocol.isakmp.constants import IdentificationType, PayloadType
from l2tp_doctor.protocol.isakmp.security_association import (
    Attribute,
    Proposal,
    SecurityAssociation,
    Transform,
    pack_security_association,
    unpack_security_association,
)
from l2tp_doctor.protocol.wire import Reader, Writer

__all__ = [
    "CODECS",
    "Attribute",
    "Certificate",
    "CertificateRequest",
    "Delete",
    "Fragment",
    "HashPayload",
    "Identification",
    "KeyExchange",
    "NatDiscovery",
    "NatOriginalAddress",
    "Nonce",
    "Notify",
    "Payload",
    "PayloadCodec",
    "Proposal",
    "SecurityAssociation",
    "Signature",
    "Transform",
    "UnknownPayload",
    "VendorId",
    "pack_body",
    "unpack_body",
]

FRAGMENT_LAST = 0x01  # [MS-IKEE] 2.2.3.1: LAST_FRAGMENT


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """A Diffie-Hellman public value (RFC 2408 section 3.7)."""

    payload_type: ClassVar[int] = PayloadType.KE
    data: bytes


@dataclass(frozen=True, slots=True)
class Nonce:
    """A nonce; RFC 2409 section 5 asks for 8 to 256 bytes (RFC 2408 section 3.13)."""

    payload_type: ClassVar[int] = PayloadType.NONCE
    data: bytes


@dataclass(frozen=True, slots=True)
class HashPayload:
    """HASH_I, HASH_R or HASH(1..3) (RFC 2408 section 3.11)."""

    payload_type: ClassVar[int] = PayloadType.HASH
    data: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """SIG_I or SIG_R (RFC 2408 section 3.12)."""

    payload_type: ClassVar[int] = PayloadType.SIG
    data: bytes


@dataclass(frozen=True, slots=True)
class Identification:
    """An identity (RFC 2407 section 4.6.2).

    Attributes:
        id_type: an :class:`~.constants.IdentificationType` number.
        protocol: IP protocol (17 for UDP), 0 for any.
        port: port number in that protocol, 0 for any.
        data: the identity as the type demands; not checked against it here.
    """

    payload_type: ClassVar[int] = PayloadType.ID
    id_type: int
    protocol: int
    port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate or revocation list (RFC 2408 section 3.9)."""

    payload_type: ClassVar[int] = PayloadType.CERT
    encoding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A request for a certificate of an authority (DER name, empty for any; RFC 2408 section 3.10)."""

    payload_type: ClassVar[int] = PayloadType.CERTREQ
    encoding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class VendorId:
    """A vendor ID (RFC 2408 section 3.16)."""

    payload_type: ClassVar[int] = PayloadType.VID
    data: bytes


@dataclass(frozen=True, slots=True)
class Notify:
    """A notification (RFC 2408 section 3.14).

    Attributes:
        notify_type: a :class:`~.constants.NotifyType` number.
        protocol: a :class:`~.constants.ProtocolId` number, 0 when the notification concerns no SA.
        spi: the SPI, or both cookies for ISAKMP (at most 255 bytes).
        data: what the type demands.
        doi: 1 for the IPsec DOI.
    """

    payload_type: ClassVar[int] = PayloadType.NOTIFY
    notify_type: int
    protocol: int
    spi: bytes = b""
    data: bytes = b""
    doi: int = 1


@dataclass(frozen=True, slots=True)
class Delete:
    """SPIs the sender has deleted, all of one size (RFC 2408 section 3.15)."""

    payload_type: ClassVar[int] = PayloadType.DELETE
    protocol: int
    spis: tuple[bytes, ...]
    doi: int = 1


@dataclass(frozen=True, slots=True)
class NatDiscovery:
    """A hash of address and port (RFC 3947 section 3.2); ``draft`` uses the number of the drafts, 130."""

    data: bytes
    draft: bool = False

    @property
    def payload_type(self) -> int:
        """20, or 130 as in the drafts."""
        return PayloadType.NAT_D_DRAFT if self.draft else PayloadType.NAT_D


@dataclass(frozen=True, slots=True)
class NatOriginalAddress:
    """An address before translation (RFC 3947 section 5.2); ``draft`` uses the number of the drafts, 131."""

    id_type: int
    address: bytes
    draft: bool = False

    @property
    def payload_type(self) -> int:
        """21, or 131 as in the drafts."""
        return PayloadType.NAT_OA_DRAFT if self.draft else PayloadType.NAT_OA


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of an ISAKMP message ([MS-IKEE] 2.2.3.1), numbered from 1."""

    payload_type: ClassVar[int] = PayloadType.FRAGMENT
    fragment_id: int
    number: int
    last: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class UnknownPayload:
    """A payload whose type has no row in :data:`CODECS`, with its body unread."""

    type: int
    data: bytes

    @property
    def payload_type(self) -> int:
        """The number from the Next Payload field."""
        return self.type


Payload = (
    SecurityAssociation
    | KeyExchange
    | Identification
    | Certificate
    | CertificateRequest
    | HashPayload
    | Signature
    | Nonce
    | Notify
    | Delete
    | VendorId
    | NatDiscovery
    | NatOriginalAddress
    | Fragment
    | UnknownPayload
)


def _pack_data(writer: Writer, payload: KeyExchange | Nonce | HashPayload | Signature | VendorId) -> None:
    writer.raw(payload.data)


def _unpack_identification(reader: Reader) -> Identification:
    id_type, protocol = reader.uint8("ID type"), reader.uint8("ID protocol")
    return Identification(id_type, protocol, reader.uint16("ID port"), reader.rest())


def _pack_identification(writer: Writer, payload: Identification) -> None:
    writer.uint8(payload.id_type)
    writer.uint8(payload.protocol)
    writer.uint16(payload.port)
    writer.raw(payload.data)


def _unpack_certificate(reader: Reader) -> Certificate:
    return Certificate(reader.uint8("certificate encoding"), reader.rest())


def _unpack_certificate_request(reader: Reader) -> CertificateRequest:
    return CertificateRequest(reader.uint8("certificate type"), reader.rest())


def _pack_certificate(writer: Writer, payload: Certificate | CertificateRequest) -> None:
    writer.uint8(payload.encoding)
    writer.raw(payload.data)


def _unpack_notify(reader: Reader) -> Notify:
    doi = reader.uint32("notify DOI")
    protocol, spi_size = reader.uint8("notify protocol"), reader.uint8("notify SPI size")
    notify_type = reader.uint16("notify type")
    spi = reader.raw(spi_size, "notify SPI")
    return Notify(notify_type, protocol, spi, reader.rest(), doi)


def _pack_notify(writer: Writer, payload: Notify) -> None:
    writer.uint32(payload.doi)
    writer.uint8(payload.protocol)
    writer.uint8(len(payload.spi))
    writer.uint16(payload.notify_type)
    writer.raw(payload.spi)
    writer.raw(payload.data)


def _unpack_delete(reader: Reader) -> Delete:
    doi = reader.uint32("delete DOI")
    protocol, spi_size = reader.uint8("delete protocol"), reader.uint8("delete SPI size")
    count = reader.uint16("delete SPI count")
    if spi_size == 0 and count:
        # Otherwise four bytes on the wire would become 65535 objects here.
        raise reader.fail("delete SPI size", f"{count} SPIs of no bytes")
    spis = tuple(reader.raw(spi_size, "delete SPI") for _ in range(count))
    return Delete(protocol, spis, doi)


def _pack_delete(writer: Writer, payload: Delete) -> None:
    size = len(payload.spis[0]) if payload.spis else 0
    if any(len(spi) != size or not spi for spi in payload.spis):
        raise ValueError("the SPIs of one Delete payload are all of one size above 0")
    writer.uint32(payload.doi)
    writer.uint8(payload.protocol)
    writer.uint8(size)
    writer.uint16(len(payload.spis))
    for spi in payload.spis:
        writer.raw(spi)


ADDRESS_SIZE = {IdentificationType.IPV4_ADDR: 4, IdentificationType.IPV6_ADDR: 16}


def _unpack_nat_original_address(reader: Reader, draft: bool) -> NatOriginalAddress:
    id_type = reader.uint8("NAT-OA ID type")
    reader.raw(3, "NAT-OA reserved")
    # RFC 3947 section 5.2: "The ID types are limited to ID_IPV4_ADDR and ID_IPV6_ADDR types."
    size = {int(kind): size for kind, size in ADDRESS_SIZE.items()}.get(id_type)
    if size is None:
        raise reader.fail("NAT-OA ID type", f"{id_type} is no address type")
    if reader.remaining != size:
        raise reader.fail("NAT-OA address", f"needs {size} bytes, has {reader.remaining}")
    return NatOriginalAddress(id_type, reader.rest(), draft)


def _pack_nat_original_address(writer: Writer, payload: NatOriginalAddress) -> None:
    writer.uint8(payload.id_type)
    writer.raw(bytes(3))
    writer.raw(payload.address)


def _unpack_fragment(reader: Reader) -> Fragment:
    fragment_id, number = reader.uint16("fragment ID"), reader.uint8("fragment number")
    # [MS-IKEE] 2.2.3.1: other bits "MUST be set to zero on the initiator and ignored on the responder".
    last = bool(reader.uint8("fragment flags") & FRAGMENT_LAST)
    return Fragment(fragment_id, number, last, reader.rest())


def _pack_fragment(writer: Writer, payload: Fragment) -> None:
    writer.uint16(payload.fragment_id)
    writer.uint8(payload.number)
    writer.uint8(FRAGMENT_LAST if payload.last else 0)
    writer.raw(payload.data)


@dataclass(frozen=True, slots=True)
class PayloadCodec:
    """How the body of one payload type is read and written.

    ``unpack`` gets a reader whose window is the body; ``pack`` appends the body.
    """

    payload_class: type
    unpack: Callable[[Reader], Payload]
    pack: Callable[[Writer, Any], None]


CODECS: dict[int, PayloadCodec] = {
    PayloadType.SA: PayloadCodec(SecurityAssociation, unpack_security_association, pack_security_association),
    PayloadType.KE: PayloadCodec(KeyExchange, lambda reader: KeyExchange(reader.rest()), _pack_data),
    PayloadType.ID: PayloadCodec(Identification, _unpack_identification, _pack_identification),
    PayloadType.CERT: PayloadCodec(Certificate, _unpack_certificate, _pack_certificate),
    PayloadType.CERTREQ: PayloadCodec(CertificateRequest, _unpack_certificate_request, _pack_certificate),
    PayloadType.HASH: PayloadCodec(HashPayload, lambda reader: HashPayload(reader.rest()), _pack_data),
    PayloadType.SIG: PayloadCodec(Signature, lambda reader: Signature(reader.rest()), _pack_data),
    PayloadType.NONCE: PayloadCodec(Nonce, lambda reader: Nonce(reader.rest()), _pack_data),
    PayloadType.NOTIFY: PayloadCodec(Notify, _unpack_notify, _pack_notify),
    PayloadType.DELETE: PayloadCodec(Delete, _unpack_delete, _pack_delete),
    PayloadType.VID: PayloadCodec(VendorId, lambda reader: VendorId(reader.rest()), _pack_data),
    PayloadType.NAT_D: PayloadCodec(NatDiscovery, lambda reader: NatDiscovery(reader.rest()), _pack_data),
    PayloadType.NAT_D_DRAFT: PayloadCodec(
        NatDiscovery, lambda reader: NatDiscovery(reader.rest(), draft=True), _pack_data
    ),
    PayloadType.NAT_OA: PayloadCodec(
        NatOriginalAddress,
        lambda reader: _unpack_nat_original_address(reader, draft=False),
        _pack_nat_original_address,
    ),
    PayloadType.NAT_OA_DRAFT: PayloadCodec(
        NatOriginalAddress,
        lambda reader: _unpack_nat_original_address(reader, draft=True),
        _pack_nat_original_address,
    ),
    PayloadType.FRAGMENT: PayloadCodec(Fragment, _unpack_fragment, _pack_fragment),
}
"""Payload type to its class and the functions for its body."""


def unpack_body(payload_type: int, reader: Reader) -> Payload:
    """Reads the body of one payload; the reader's window must be exactly that body.

    Raises:
        WireError: the body does not follow the format of ``payload_type``.
    """
    codec = CODECS.get(payload_type)
    if codec is None:
        return UnknownPayload(payload_type, reader.rest())
    return codec.unpack(reader)


def pack_body(payload: Payload) -> bytes:
    """Returns the body of ``payload`` without the generic payload header (RFC 2409's ``SAi_b``, ``IDii_b``).

    Raises:
        OverflowError: a number does not fit its field (a bug of the caller).
        ValueError: the value cannot be put on the wire.
    """
    if isinstance(payload, UnknownPayload):
        return payload.data
    writer = Writer()
    CODECS[payload.payload_type].pack(writer, payload)
    return writer.getvalue()
