"""Tunnel authentication, a CHAP-like exchange with a shared secret (RFC 2661 §5.1.1, §4.4.3)."""

from __future__ import annotations

import hashlib
import hmac

from l2tp_doctor.protocol.l2tp.avp import AvpType
from l2tp_doctor.protocol.l2tp.events import AuthenticationProblem
from l2tp_doctor.protocol.l2tp.message import ControlMessage, MessageType
from l2tp_doctor.protocol.secret import Secret

CHALLENGE_LENGTH = 16


def challenge_response(carrier: MessageType, secret: Secret, challenge: bytes) -> bytes:
    """Returns the 16 octets of the Challenge Response AVP.

    Args:
        carrier: the message that carries the response, SCCRP or SCCCN.
        secret: the tunnel's shared secret.
        challenge: the Challenge AVP's value.
    """
    # > the CHAP ID … is the value of the Message Type AVP of the message carrying the response:
    # > 2 for an SCCRP, 3 for an SCCCN (RFC 2661 §4.4.3 and §5.1.1, in short)
    return hashlib.md5(bytes((carrier,)) + secret.reveal() + challenge, usedforsecurity=False).digest()


def check_authentication(
    message: ControlMessage, secret: Secret | None, own_challenge: bytes | None
) -> AuthenticationProblem | None:
    """Judges the Challenge and Challenge Response of an SCCRQ, SCCRP or SCCCN.

    Args:
        message: the peer's message.
        secret: our tunnel secret, ``None`` without tunnel authentication.
        own_challenge: the challenge this message has to respond to, if we sent one.

    Returns:
        ``None`` when the message is acceptable.
    """
    if secret is None:
        # The peer would refuse any response we could make up, so the missing secret is named at once.
        return AuthenticationProblem.SECRET_REQUIRED if message.octets(AvpType.CHALLENGE) else None
    if own_challenge is None:
        return None
    response = message.octets(AvpType.CHALLENGE_RESPONSE)
    if response is None:
        return AuthenticationProblem.RESPONSE_MISSING
    expected = challenge_response(MessageType(message.type), secret, own_challenge)
    return None if hmac.compare_digest(response, expected) else AuthenticationProblem.RESPONSE_WRONG
