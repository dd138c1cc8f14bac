"""The gateway's answers to an IKEv2 IKE_SA_INIT request: refused, or accepted as far as message 2.

Nothing behind message 2 is served: the answer exists so that a client can see that IKEv2
lives where IKEv1 does not (RFC 7296 §1.2, §2.6).
"""

from __future__ import annotations

from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.crypto import SUPPORTED_GROUPS, CryptoError
from l2tp_doctor.protocol.engine import RandomSource
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.ikev2 import (
    Ikev2Flags,
    Ikev2NotifyType,
    Ikev2PayloadType,
    Ikev2TransformType,
    encode_sa_init_message,
)
from l2tp_doctor.protocol.isakmp.message import HEADER_SIZE, Header
from l2tp_doctor.protocol.wire import Reader, WireError, Writer

_GENERIC_HEADER = 4
_NONCE_SIZE = 32
_KEY_LENGTH_256 = bytes((0x80, 14)) + (256).to_bytes(2, "big")
# RFC 7296 §3.3.2: AES-CBC, HMAC-SHA2-256 as PRF, HMAC-SHA2-256-128; the group comes from the request.
_CHOICE = (
    (Ikev2TransformType.ENCR, 12, _KEY_LENGTH_256),
    (Ikev2TransformType.PRF, 5, b""),
    (Ikev2TransformType.INTEG, 12, b""),
)


def is_sa_init(header: Header) -> bool:
    """Whether a header begins an IKE_SA_INIT request."""
    return (
        header.major == 2
        and header.exchange == ExchangeType.IKEV2_SA_INIT
        and not header.flags & Ikev2Flags.RESPONSE
        and header.responder_cookie == bytes(8)
    )


def refuse(header: Header) -> bytes:
    """Returns NO_PROPOSAL_CHOSEN; the responder SPI is zero, since nothing is kept (RFC 7296 §2.6)."""
    return _refusal(header, _notify(Ikev2NotifyType.NO_PROPOSAL_CHOSEN))


def _refusal(header: Header, notify: bytes) -> bytes:
    spis = header.initiator_cookie + bytes(8)
    return encode_sa_init_message(spis, Ikev2Flags.RESPONSE, [(Ikev2PayloadType.NOTIFY, notify)])


def accept(header: Header, request: bytes, random: RandomSource) -> bytes:
    """Returns an IKE_SA_INIT response in the group of the request's KE payload.

    Raises:
        WireError: the request has no KE payload, or is malformed.
    """
    group = _group_of(header, request)
    if group not in SUPPORTED_GROUPS:
        wanted = (14).to_bytes(2, "big")
        notify = _notify(Ikev2NotifyType.INVALID_KE_PAYLOAD, wanted)
        return encode_sa_init_message(
            header.initiator_cookie + bytes(8), Ikev2Flags.RESPONSE, [(Ikev2PayloadType.NOTIFY, notify)]
        )
    try:
        public = crypto.generate(group, random).public
    except CryptoError as error:
        raise WireError(HEADER_SIZE, "KE", str(error)) from error
    return encode_sa_init_message(
        header.initiator_cookie + random(8),
        Ikev2Flags.RESPONSE,
        [
            (Ikev2PayloadType.SA, _proposal(group)),
            (Ikev2PayloadType.KE, group.to_bytes(2, "big") + bytes(2) + public),
            (Ikev2PayloadType.NONCE, random(_NONCE_SIZE)),
        ],
    )


def _group_of(header: Header, request: bytes) -> int:
    reader = Reader(request[: header.length])
    reader.raw(HEADER_SIZE, "header")
    following = header.next_payload
    while following:
        kind, following = following, reader.uint8("next payload")
        reader.uint8("reserved")
        body = reader.raw(reader.uint16("payload length") - _GENERIC_HEADER, "payload")
        if kind == Ikev2PayloadType.KE and len(body) >= 2:
            return int.from_bytes(body[:2], "big")
    raise WireError(HEADER_SIZE, "KE", "missing from the request")


def _notify(kind: int, data: bytes = b"") -> bytes:
    return bytes(2) + kind.to_bytes(2, "big") + data


def _proposal(group: int) -> bytes:
    transforms = (*_CHOICE, (Ikev2TransformType.DH, group, b""))
    body = Writer()
    for index, (kind, number, attribute) in enumerate(transforms, start=1):
        body.uint8(3 if index < len(transforms) else 0)
        body.uint8(0)
        body.uint16(8 + len(attribute))
        body.uint8(kind)
        body.uint8(0)
        body.uint16(number)
        body.raw(attribute)
    head = Writer()
    head.raw(bytes(2))
    head.uint16(8 + len(body))
    head.raw(bytes((1, 1, 0, len(transforms))))  # proposal 1, protocol IKE, no SPI
    return head.getvalue() + body.getvalue()
