"""Messages in words: one line for the timeline, decoded fields for ``--verbose``.

Nothing here shows what a secret could be computed or guessed from: public values, nonces,
hashes and signatures appear as lengths only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import IntEnum

from l2tp_doctor.protocol.isakmp import constants as c
from l2tp_doctor.protocol.isakmp.message import Message
from l2tp_doctor.protocol.isakmp.payloads import (
    Attribute,
    Certificate,
    CertificateRequest,
    Delete,
    Fragment,
    HashPayload,
    Identification,
    KeyExchange,
    NatDiscovery,
    NatOriginalAddress,
    Nonce,
    Notify,
    Payload,
    Proposal,
    SecurityAssociation,
    Signature,
    Transform,
    UnknownPayload,
    VendorId,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import name_of_vendor_id

_MAX_SHOWN = 256
"""Characters of a peer's text or hex that are shown: it chooses them, up to 64 KiB."""

_EXCHANGE_NAMES = {
    c.ExchangeType.IDENTITY_PROTECTION: "Main Mode",
    c.ExchangeType.AGGRESSIVE: "Aggressive Mode",
    c.ExchangeType.INFORMATIONAL: "Informational",
    c.ExchangeType.QUICK: "Quick Mode",
    c.ExchangeType.TRANSACTION: "Transaction",
    c.ExchangeType.NEW_GROUP: "New Group Mode",
    c.ExchangeType.IKEV2_SA_INIT: "IKE_SA_INIT",
    c.ExchangeType.IKEV2_AUTH: "IKE_AUTH",
    c.ExchangeType.IKEV2_CREATE_CHILD_SA: "CREATE_CHILD_SA",
    c.ExchangeType.IKEV2_INFORMATIONAL: "IKEv2 INFORMATIONAL",
}

_AUTHENTICATION_SHORT = {
    int(c.AuthenticationMethod.PRE_SHARED_KEY): "PSK",
    int(c.AuthenticationMethod.RSA_SIGNATURES): "RSA_SIG",
    int(c.AuthenticationMethod.DSS_SIGNATURES): "DSS_SIG",
}

# Attribute type of a phase to the registry its values are from; others are plain numbers.
_OAKLEY_VALUES: dict[int, type[IntEnum]] = {
    c.OakleyAttribute.ENCRYPTION: c.Encryption,
    c.OakleyAttribute.HASH: c.HashAlgorithm,
    c.OakleyAttribute.AUTHENTICATION: c.AuthenticationMethod,
    c.OakleyAttribute.GROUP: c.Group,
    c.OakleyAttribute.LIFE_TYPE: c.LifeType,
}
_IPSEC_VALUES: dict[int, type[IntEnum]] = {
    c.IpsecAttribute.LIFE_TYPE: c.LifeType,
    c.IpsecAttribute.GROUP: c.Group,
    c.IpsecAttribute.ENCAPSULATION_MODE: c.EncapsulationMode,
    c.IpsecAttribute.AUTHENTICATION_ALGORITHM: c.AhAlgorithm,
}
_PHASE2_SHOWN = (
    c.IpsecAttribute.AUTHENTICATION_ALGORITHM,
    c.IpsecAttribute.ENCAPSULATION_MODE,
    c.IpsecAttribute.GROUP,
)
_IPSEC_TRANSFORMS: dict[int, type[IntEnum]] = {
    c.ProtocolId.ESP: c.EspTransform,
    c.ProtocolId.AH: c.AhTransform,
}


def describe_message(message: Message) -> str:
    """Returns one line like ``Main Mode: SA(5 transforms), 8×VID``."""
    header = message.header
    try:
        exchange = _EXCHANGE_NAMES[c.ExchangeType(header.exchange)]
    except (ValueError, KeyError):
        exchange = f"exchange {c.name_of(c.ExchangeType, header.exchange)}"
    if header.major != 1:
        return f"{exchange}: version {header.major}.{header.minor}, {len(message.body)} bytes"
    if header.flags & c.Flags.ENCRYPTION:
        return f"{exchange}: {len(message.body)} bytes encrypted"
    return f"{exchange}: {summarize_payloads(message.payloads)}"


def summarize_payloads(payloads: Sequence[Payload]) -> str:
    """Returns the payloads in order of first appearance, equal ones counted: ``KE, NONCE, 2×NAT_D``."""
    counts: dict[str, int] = {}
    for payload in payloads:
        word = _word(payload)
        counts[word] = counts.get(word, 0) + 1
    words = (word if count == 1 else f"{count}×{word}" for word, count in counts.items())
    return ", ".join(words) or "no payloads"


def _word(payload: Payload) -> str:
    name = c.name_of(c.PayloadType, payload.payload_type)
    match payload:
        case SecurityAssociation():
            count = sum(len(proposal.transforms) for proposal in payload.proposals)
            return f"{name}({count} transform{'' if count == 1 else 's'})"
        case Notify():
            return f"{name}({c.name_of(c.NotifyType, payload.notify_type)})"
        case Delete():
            return f"{name}({c.name_of(c.ProtocolId, payload.protocol)})"
        case Fragment():
            return f"{name}({payload.number}{' last' if payload.last else ''})"
        case _:
            return name


def describe_transform(transform: Transform, protocol: int) -> str:
    """Returns a transform in one word.

    ``AES_CBC_256/SHA1/MODP_2048/PSK`` in phase 1, ``AES_CBC_256/HMAC_SHA1/TRANSPORT`` in phase 2.

    Args:
        transform: from a proposal of ``protocol``.
        protocol: a :class:`~.constants.ProtocolId` number; ISAKMP means phase 1.
    """
    if protocol == c.ProtocolId.ISAKMP:
        return _describe_phase1(transform)
    return _describe_phase2(transform, protocol)


def _describe_phase1(transform: Transform) -> str:
    parts: list[str] = []
    if (number := transform.get(c.OakleyAttribute.ENCRYPTION)) is not None:
        parts.append(
            _with_key_length(c.name_of(c.Encryption, number), transform.get(c.OakleyAttribute.KEY_LENGTH))
        )
    if (number := transform.get(c.OakleyAttribute.HASH)) is not None:
        parts.append(c.name_of(c.HashAlgorithm, number))
    if (number := transform.get(c.OakleyAttribute.GROUP)) is not None:
        parts.append(c.name_of(c.Group, number))
    if (number := transform.get(c.OakleyAttribute.AUTHENTICATION)) is not None:
        parts.append(_AUTHENTICATION_SHORT.get(number) or c.name_of(c.AuthenticationMethod, number))
    return "/".join(parts) or "no attributes"


def _describe_phase2(transform: Transform, protocol: int) -> str:
    registry = _IPSEC_TRANSFORMS.get(protocol)
    name = c.name_of(registry, transform.identifier) if registry else f"unknown({transform.identifier})"
    parts = [_with_key_length(name, transform.get(c.IpsecAttribute.KEY_LENGTH))]
    parts += [
        c.name_of(_IPSEC_VALUES[kind], number)
        for kind in _PHASE2_SHOWN
        if (number := transform.get(kind)) is not None
    ]
    return "/".join(parts)


def _with_key_length(name: str, bits: int | None) -> str:
    return name if bits is None else f"{name}_{_number(bits)}"


def describe_payloads(payloads: Sequence[Payload]) -> dict[str, object]:
    """Returns ``{"payloads": [{"type": "SA", …}, …]}`` in wire order, made of JSON types only."""
    return {
        "payloads": [
            {"type": c.name_of(c.PayloadType, payload.payload_type), **_fields(payload)}
            for payload in payloads
        ]
    }


def _fields(payload: Payload) -> dict[str, object]:
    match payload:
        case SecurityAssociation():
            proposals = [_proposal_fields(proposal) for proposal in payload.proposals]
            return {"doi": payload.doi, "situation": payload.situation, "proposals": proposals}
        case KeyExchange() | Nonce() | HashPayload() | Signature() | NatDiscovery():
            return {"length": len(payload.data)}
        case Identification():
            return _identification_fields(payload)
        case Certificate() | CertificateRequest():
            encoding = c.name_of(c.CertificateEncoding, payload.encoding)
            return {"encoding": encoding, "length": len(payload.data)}
        case VendorId():
            return {"name": name_of_vendor_id(payload.data), "length": len(payload.data)}
        case Notify():
            return _notify_fields(payload)
        case Delete():
            spis = [_hex(spi) for spi in payload.spis[:_MAX_SHOWN]]
            protocol = c.name_of(c.ProtocolId, payload.protocol)
            return {"doi": payload.doi, "protocol": protocol, "count": len(payload.spis), "spis": spis}
        case NatOriginalAddress():
            return {"address": _address(payload.address)}
        case Fragment():
            return {
                "fragment_id": payload.fragment_id,
                "number": payload.number,
                "last": payload.last,
                "length": len(payload.data),
            }
        case UnknownPayload():
            return {"number": payload.type, "length": len(payload.data)}


def _proposal_fields(proposal: Proposal) -> dict[str, object]:
    return {
        "number": proposal.number,
        "protocol": c.name_of(c.ProtocolId, proposal.protocol),
        "spi": _hex(proposal.spi),
        "transforms": [_transform_fields(transform, proposal.protocol) for transform in proposal.transforms],
    }


def _transform_fields(transform: Transform, protocol: int) -> dict[str, object]:
    attributes = [_attribute_fields(attribute, protocol) for attribute in transform.attributes]
    return {
        "number": transform.number,
        "identifier": transform.identifier,
        "name": describe_transform(transform, protocol),
        "attributes": attributes,
    }


def _attribute_fields(attribute: Attribute, protocol: int) -> dict[str, object]:
    phase1 = protocol == c.ProtocolId.ISAKMP
    kinds: type[IntEnum] = c.OakleyAttribute if phase1 else c.IpsecAttribute
    registry = (_OAKLEY_VALUES if phase1 else _IPSEC_VALUES).get(attribute.type)
    value: object
    if len(attribute.value) > 8:
        value = _hex(attribute.value)
    elif registry is not None:
        value = c.name_of(registry, attribute.number)
    else:
        value = attribute.number
    return {"type": c.name_of(kinds, attribute.type), "value": value}


def _identification_fields(payload: Identification) -> dict[str, object]:
    return {
        "id_type": c.name_of(c.IdentificationType, payload.id_type),
        "protocol": payload.protocol,
        "port": payload.port,
        "value": describe_identity(payload.id_type, payload.data),
    }


def describe_identity(id_type: int, data: bytes) -> str:
    """Returns an identity as address, range or text, and as hex where it is none of these or malformed."""
    kinds = c.IdentificationType
    if id_type in (kinds.IPV4_ADDR, kinds.IPV6_ADDR):
        return _address(data)
    half = len(data) // 2
    if id_type in (kinds.IPV4_ADDR_SUBNET, kinds.IPV6_ADDR_SUBNET) and len(data) in (8, 32):
        return f"{_address(data[:half])}/{_address(data[half:])}"
    if id_type in (kinds.IPV4_ADDR_RANGE, kinds.IPV6_ADDR_RANGE) and len(data) in (8, 32):
        return f"{_address(data[:half])}-{_address(data[half:])}"
    if id_type in (kinds.FQDN, kinds.USER_FQDN, kinds.KEY_ID):
        text = data[:_MAX_SHOWN].decode("ascii", "replace")
        if text.isprintable() and text.isascii():
            return text
    return _hex(data)


def _notify_fields(payload: Notify) -> dict[str, object]:
    return {
        "notify_type": c.name_of(c.NotifyType, payload.notify_type),
        "protocol": c.name_of(c.ProtocolId, payload.protocol),
        "doi": payload.doi,
        "spi": _hex(payload.spi),
        "data": _hex(payload.data),
    }


def _address(data: bytes) -> str:
    return str(ipaddress.ip_address(data)) if len(data) in (4, 16) else _hex(data)


def _hex(data: bytes) -> str:
    shown = data[: _MAX_SHOWN // 2].hex()
    return shown if len(data) <= _MAX_SHOWN // 2 else f"{shown}… ({len(data)} bytes)"


def _number(value: int) -> str:
    # A long attribute is a number of up to 65535 bytes; Python refuses to print such in decimal.
    return str(value) if value < 1 << 64 else "huge"
