"""Asking a clock what time it is (SNTP: RFC 5905 §7.3, RFC 4330 §4 and §5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from l2tp_doctor.protocol.wire import WireError

NTP_PORT = 123
SIZE = 48
_VERSION, _CLIENT, _SERVER = 4, 3, 4
_UNSYNCHRONISED = 3
_MAX_STRATUM = 15
_ERA = 2**32
_UNIX_IN_NTP = 2_208_988_800
"""Seconds from 1900 to 1970."""
_HEADER = struct.Struct("!BBbb11I")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer.

    Attributes:
        time: what its clock showed when it answered, in seconds since 1970.
        synchronised: it says that its clock follows a source (leap indicator and stratum).
    """

    time: float
    synchronised: bool


def encode_request(token: bytes) -> bytes:
    """Returns a client's request.

    The transmit timestamp is a random token in place of our time: the server hands it back as it is, and
    whoever listens learns nothing of our clock.

    Args:
        token: 8 random bytes.

    Raises:
        ValueError: the token has another size.
    """
    if len(token) != 8:
        raise ValueError("a token has 8 bytes")
    return bytes([_VERSION << 3 | _CLIENT]) + bytes(SIZE - 1 - len(token)) + token


def decode_reply(data: bytes, token: bytes) -> Reply:
    """Reads the answer to the request with this token.

    Raises:
        WireError: it is none.
    """
    if len(data) < SIZE:
        raise WireError(0, "NTP message", f"{len(data)} octets, and a header has {SIZE}")
    first, stratum, _poll, _precision, *words = _HEADER.unpack_from(data)
    if first & 7 != _SERVER or not 1 <= first >> 3 & 7 <= _VERSION:
        raise WireError(0, "NTP mode and version", "no server's answer")
    if data[24:32] != token:
        raise WireError(24, "NTP originate timestamp", "the answer to another question")
    seconds, fraction = words[9], words[10]
    if (seconds, fraction) == (0, 0):
        raise WireError(40, "NTP transmit timestamp", "the server does not tell the time")
    # RFC 4330 §3: with the first bit clear the count began anew in 2036.
    since_1900 = seconds if seconds & 0x8000_0000 else seconds + _ERA
    # Stratum 0 is "unspecified", or a kiss-o'-death (RFC 5905 §7.4).
    synchronised = first >> 6 != _UNSYNCHRONISED and 1 <= stratum <= _MAX_STRATUM
    return Reply(since_1900 - _UNIX_IN_NTP + fraction / _ERA, synchronised)
