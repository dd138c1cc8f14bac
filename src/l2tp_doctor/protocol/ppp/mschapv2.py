"""MS-CHAPv2: the computations and texts of RFC 2759, without any packet exchange."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from l2tp_doctor.protocol.ppp.auth_common import ForcedFailure, clear_text
from l2tp_doctor.protocol.ppp.control_packet import text_of
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError

CHALLENGE_SIZE = 16
RESPONSE_SIZE = 49
"""Peer-Challenge 16, Reserved 8, NT-Response 24, Flags 1 (RFC 2759 §4)."""

# RFC 2759 §8.7: "Magic server to client signing constant" and "Pad to make it do more than one iteration".
_MAGIC_1 = b"Magic server to client signing constant"
_MAGIC_2 = b"Pad to make it do more than one iteration"

DEFAULT_MESSAGES: Mapping[int, str] = {
    646: "Restricted logon hours",
    647: "Account disabled",
    648: "Password expired",
    649: "No dial-in permission",
    691: "Authentication failure",
    709: "Changing password",
}
"""Words our own server sends with the codes of RFC 2759 §6."""

_FIELD = re.compile(r"(?:^|\s)([ERCVM])=(\S*)")
_MESSAGE = re.compile(r"(?:^|\s)M=(.*)$", re.DOTALL)
_SUCCESS = re.compile(rb"S=([0-9A-Fa-f]{40})")


@dataclass(frozen=True, slots=True)
class FailureMessage:
    """The fields of a Failure packet's text (RFC 2759 §6); absent ones are ``None`` or empty."""

    error_code: int | None
    retry: bool
    challenge: bytes | None
    version: int | None
    message: str


def parse_failure(text: str) -> FailureMessage:
    """Reads ``E=… R=… C=… V=… M=…`` in any order and with anything missing; never raises."""
    message = _MESSAGE.search(text)
    head = text[: message.start()] if message else text
    fields: dict[str, str] = dict(_FIELD.findall(head))
    challenge = fields.get("C", "")
    is_challenge = re.fullmatch(r"[0-9A-Fa-f]{32}", challenge) is not None
    return FailureMessage(
        error_code=_decimal(fields.get("E", "")),
        retry=fields.get("R") == "1",
        challenge=bytes.fromhex(challenge) if is_challenge else None,
        version=_decimal(fields.get("V", "")),
        message=message[1].strip() if message else ("" if fields else text.strip()),
    )


def _decimal(text: str) -> int | None:
    # "eeeeeeeeee is the ASCII representation of a decimal error code (need not be 10 digits)"
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def failure_text(failure: ForcedFailure, challenge: bytes) -> str:
    """Writes a Failure packet's text."""
    message = failure.message or DEFAULT_MESSAGES.get(failure.error_code, "")
    shown = challenge.hex().upper()
    return f"E={failure.error_code} R={int(failure.retry)} C={shown} V=3 M={message}"


def bare_name(name: str) -> str:
    """Returns the name without its domain, as the hash takes it (RFC 2759 §4, §8.2)."""
    return name.rpartition("\\")[2]


def challenge_hash(peer_challenge: bytes, authenticator_challenge: bytes, username: str) -> bytes:
    """ChallengeHash() of RFC 2759 §8.2."""
    return hashlib.sha1(peer_challenge + authenticator_challenge + username.encode()).digest()[:8]


def nt_password_hash(password: Secret) -> bytes:
    """NtPasswordHash() of RFC 2759 §8.3: MD4 over UTF-16LE."""
    from Crypto.Hash import MD4

    return bytes(MD4.new(clear_text(password).encode("utf-16-le", "surrogatepass")).digest())


def _md4(data: bytes) -> bytes:
    from Crypto.Hash import MD4

    return bytes(MD4.new(data).digest())


def _des_key(seven: bytes) -> bytes:
    """Spreads 56 bits over eight octets; the parity bits stay zero, DES ignores them."""
    bits = int.from_bytes(seven, "big")
    return bytes(((bits >> shift) & 0x7F) << 1 for shift in range(49, -1, -7))


def challenge_response(challenge: bytes, password_hash: bytes) -> bytes:
    """ChallengeResponse() of RFC 2759 §8.5: three DES encryptions."""
    from Crypto.Cipher import DES

    padded = password_hash.ljust(21, b"\0")
    keys = (_des_key(padded[start : start + 7]) for start in (0, 7, 14))
    return b"".join(DES.new(key, DES.MODE_ECB).encrypt(challenge) for key in keys)


def nt_response(authenticator_challenge: bytes, peer_challenge: bytes, name: str, password: Secret) -> bytes:
    """GenerateNTResponse() of RFC 2759 §8.1; ``name`` may carry a domain."""
    challenge = challenge_hash(peer_challenge, authenticator_challenge, bare_name(name))
    return challenge_response(challenge, nt_password_hash(password))


def authenticator_response(
    password: Secret, response: bytes, peer_challenge: bytes, authenticator_challenge: bytes, name: str
) -> str:
    """GenerateAuthenticatorResponse() of RFC 2759 §8.7: ``S=`` and 40 hexadecimal digits."""
    inner = hashlib.sha1(_md4(nt_password_hash(password)) + response + _MAGIC_1).digest()
    challenge = challenge_hash(peer_challenge, authenticator_challenge, bare_name(name))
    return "S=" + hashlib.sha1(inner + challenge + _MAGIC_2).hexdigest().upper()


@dataclass(frozen=True, slots=True, repr=False)
class ClientResponse:
    """A response and what the server must prove in return.  Not shown: both can be attacked offline."""

    value: bytes
    expected: str


def build_response(challenge: bytes, peer_challenge: bytes, name: str, password: Secret) -> ClientResponse:
    """Computes the 49 octets of a Response's value (RFC 2759 §4) and the expected authenticator response.

    Raises:
        WireError: the server's challenge is not 16 octets long.
    """
    if len(challenge) != CHALLENGE_SIZE:
        raise WireError(4, "challenge", f"{len(challenge)} octets, MS-CHAPv2 has {CHALLENGE_SIZE}")
    response = nt_response(challenge, peer_challenge, name, password)
    value = peer_challenge + bytes(8) + response + b"\0"
    return ClientResponse(value, authenticator_response(password, response, peer_challenge, challenge, name))


@dataclass(frozen=True, slots=True)
class SuccessMessage:
    """A Success packet: whether its authenticator response is right, and the words after ``M=``."""

    authentic: bool
    message: str


def check_success(data: bytes, expected: str) -> SuccessMessage:
    """Compares a Success packet's ``S=`` with the expected one (RFC 2759 §5)."""
    found = _SUCCESS.search(data)
    authentic = found is not None and hmac.compare_digest(found[1].upper(), expected[2:].encode())
    rest = data[found.end() :] if found else data
    text = text_of(rest).strip()
    return SuccessMessage(authentic, text.removeprefix("M=").strip())


def verify_response(value: bytes, challenge: bytes, name: str, password: Secret | None) -> str | None:
    """A server's check of a Response's value.

    Returns:
        The authenticator response to send, or ``None`` when name or password is wrong.

    Raises:
        WireError: the value is not 49 octets long.
    """
    if len(value) != RESPONSE_SIZE:
        raise WireError(4, "response", f"{len(value)} octets, MS-CHAPv2 has {RESPONSE_SIZE}")
    if password is None:
        return None
    peer_challenge, given = value[:16], value[24:48]
    if not hmac.compare_digest(nt_response(challenge, peer_challenge, name, password), given):
        return None
    return authenticator_response(password, given, peer_challenge, challenge, name)
