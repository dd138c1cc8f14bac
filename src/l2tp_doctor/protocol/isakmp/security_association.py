"""The SA payload with its nested proposals, transforms and attributes (RFC 2408 sections 3.3 to 3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from l2tp_doctor.protocol.isakmp.constants import PayloadType
from l2tp_doctor.protocol.wire import Reader, Writer

MAX_PROPOSALS = 64
"""Clients offer a handful, scanners about twenty; more only makes the choice slow."""
MAX_TRANSFORMS = 255
"""Per proposal: the field that counts them has 8 bits."""
MAX_ATTRIBUTES = 32
"""Per transform: both attribute registries define fewer than 20."""

_ATTRIBUTE_FORMAT = 0x8000  # the AF bit: 1 = type/value, 0 = type/length/value
_GENERIC_HEADER = 4
_DOI_IPSEC = 1
_SITUATION_LABELLED = 0x02 | 0x04  # SIT_SECRECY, SIT_INTEGRITY (RFC 2407 section 4.2)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A data attribute (RFC 2408 section 3.3).

    Attributes:
        type: attribute type without the AF bit (15 bits).
        value: the value's bytes, exactly two when ``short``.
        short: True for the type/value form (AF=1), False for type/length/value.
    """

    type: int
    value: bytes
    short: bool

    @classmethod
    def tv(cls, type: int, number: int) -> Attribute:
        """Returns the short form with a 16-bit number; ``OverflowError`` when it does not fit."""
        return cls(int(type), number.to_bytes(2, "big"), True)

    @classmethod
    def tlv(cls, type: int, value: bytes) -> Attribute:
        """Returns the long form with any value up to 65535 bytes."""
        return cls(int(type), bytes(value), False)

    @property
    def number(self) -> int:
        """The value as an unsigned integer (0 when it has no bytes)."""
        return int.from_bytes(self.value, "big")


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform (RFC 2408 section 3.6).

    Attributes:
        number: the transform number within its proposal.
        identifier: KEY_IKE (1) in phase 1, an ``EspTransform`` number for ESP.
        attributes: in wire order.
    """

    number: int
    identifier: int
    attributes: tuple[Attribute, ...]

    def get(self, type: int) -> int | None:
        """Returns the number in the first attribute of ``type``, or ``None`` without one."""
        return next((attribute.number for attribute in self.attributes if attribute.type == type), None)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal (RFC 2408 section 3.5); equal numbers mean "both protocols together"."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """An offer or a choice (RFC 2408 section 3.4, RFC 2407 section 4.6.1).

    Attributes:
        proposals: in wire order.
        doi: 1 for the IPsec DOI, 0 for generic ISAKMP.
        situation: 1 for SIT_IDENTITY_ONLY.
    """

    payload_type: ClassVar[int] = PayloadType.SA
    proposals: tuple[Proposal, ...]
    doi: int = 1
    situation: int = 1


def unpack_security_association(reader: Reader) -> SecurityAssociation:
    """Reads the body of an SA payload to the end of the reader's window.

    Raises:
        WireError: a field, a nested length, a count or a chain does not fit.
    """
    doi, situation = reader.uint32("SA DOI"), reader.uint32("SA situation")
    if doi == _DOI_IPSEC and situation & _SITUATION_LABELLED:
        # A labelled domain identifier would follow; nobody uses it, and what follows is no proposal.
        raise reader.fail("SA situation", f"{situation:#x} asks for labels")
    proposals: list[Proposal] = []
    more = reader.remaining > 0
    while more:
        if len(proposals) == MAX_PROPOSALS:
            raise reader.fail("proposal", f"more than {MAX_PROPOSALS}")
        more = _nested_header(reader, PayloadType.PROPOSAL, "proposal")
        with reader.block(_body_length(reader, "proposal"), "proposal"):
            proposals.append(_unpack_proposal(reader))
    return SecurityAssociation(tuple(proposals), doi, situation)


def pack_security_association(writer: Writer, payload: SecurityAssociation) -> None:
    """Appends the body of an SA payload."""
    writer.uint32(payload.doi)
    writer.uint32(payload.situation)
    for index, proposal in enumerate(payload.proposals, start=1):
        start = _begin_nested(writer, PayloadType.PROPOSAL, index < len(payload.proposals))
        _pack_proposal(writer, proposal)
        writer.patch_uint16(start + 2, len(writer) - start)


def _nested_header(reader: Reader, own_type: PayloadType, field: str) -> bool:
    """Reads next payload and reserved; returns whether another block of the same type follows."""
    following = reader.uint8(f"{field} next payload")
    if following not in (PayloadType.NONE, own_type):
        raise reader.fail(f"{field} next payload", f"{following} is neither 0 nor {int(own_type)}")
    reader.uint8(f"{field} reserved")
    return following != PayloadType.NONE


def _body_length(reader: Reader, field: str) -> int:
    length = reader.uint16(f"{field} length")
    if length < _GENERIC_HEADER:
        raise reader.fail(f"{field} length", f"{length} is below the header's own 4 bytes")
    return length - _GENERIC_HEADER


def _begin_nested(writer: Writer, own_type: PayloadType, more: bool) -> int:
    start = len(writer)
    writer.uint8(own_type if more else PayloadType.NONE)
    writer.uint8(0)
    writer.uint16(0)  # patched when the body is there
    return start


def _unpack_proposal(reader: Reader) -> Proposal:
    number, protocol = reader.uint8("proposal number"), reader.uint8("proposal protocol")
    spi_size, count = reader.uint8("proposal SPI size"), reader.uint8("proposal transform count")
    spi = reader.raw(spi_size, "proposal SPI")
    transforms: list[Transform] = []
    more = reader.remaining > 0
    while more:
        if len(transforms) == MAX_TRANSFORMS:
            raise reader.fail("transform", f"more than {MAX_TRANSFORMS}")
        more = _nested_header(reader, PayloadType.TRANSFORM, "transform")
        with reader.block(_body_length(reader, "transform"), "transform"):
            transforms.append(_unpack_transform(reader))
    if len(transforms) != count:
        raise reader.fail("proposal transform count", f"says {count}, there are {len(transforms)}")
    return Proposal(number, protocol, spi, tuple(transforms))


def _pack_proposal(writer: Writer, proposal: Proposal) -> None:
    writer.uint8(proposal.number)
    writer.uint8(proposal.protocol)
    writer.uint8(len(proposal.spi))
    writer.uint8(len(proposal.transforms))
    writer.raw(proposal.spi)
    for index, transform in enumerate(proposal.transforms, start=1):
        start = _begin_nested(writer, PayloadType.TRANSFORM, index < len(proposal.transforms))
        _pack_transform(writer, transform)
        writer.patch_uint16(start + 2, len(writer) - start)


def _unpack_transform(reader: Reader) -> Transform:
    number, identifier = reader.uint8("transform number"), reader.uint8("transform ID")
    reader.uint16("transform reserved")
    attributes: list[Attribute] = []
    while reader.remaining:
        if len(attributes) == MAX_ATTRIBUTES:
            raise reader.fail("attribute", f"more than {MAX_ATTRIBUTES}")
        attributes.append(_unpack_attribute(reader))
    return Transform(number, identifier, tuple(attributes))


def _pack_transform(writer: Writer, transform: Transform) -> None:
    writer.uint8(transform.number)
    writer.uint8(transform.identifier)
    writer.uint16(0)
    for attribute in transform.attributes:
        _pack_attribute(writer, attribute)


def _unpack_attribute(reader: Reader) -> Attribute:
    type_field = reader.uint16("attribute type")
    number = type_field & ~_ATTRIBUTE_FORMAT
    if type_field & _ATTRIBUTE_FORMAT:
        return Attribute(number, reader.raw(2, "attribute value"), True)
    return Attribute(number, reader.raw(reader.uint16("attribute length"), "attribute value"), False)


def _pack_attribute(writer: Writer, attribute: Attribute) -> None:
    if attribute.type >= _ATTRIBUTE_FORMAT:
        raise ValueError(f"attribute type {attribute.type} does not fit 15 bits")
    if attribute.short:
        if len(attribute.value) != 2:
            raise ValueError("a type/value attribute holds exactly two bytes")
        writer.uint16(attribute.type | _ATTRIBUTE_FORMAT)
    else:
        writer.uint16(attribute.type)
        writer.uint16(len(attribute.value))
    writer.raw(attribute.value)
