"""PPP frames as L2TP carries them: no flags, no FCS, no stuffing (RFC 2661 §5.1, RFC 1661 §2)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from l2tp_doctor.protocol.wire import WireError

ADDRESS_CONTROL = b"\xff\x03"
"""All-Stations address and Unnumbered Information control (RFC 1662 §3.1)."""


class PppProtocol(enum.IntEnum):
    """PPP protocol numbers that this package speaks or names."""

    IPV4 = 0x0021
    IPV6 = 0x0057
    COMPRESSED = 0x00FD
    IPCP = 0x8021
    ECP = 0x8053
    IPV6CP = 0x8057
    CCP = 0x80FD
    LCP = 0xC021
    PAP = 0xC023
    LQR = 0xC025
    CBCP = 0xC029
    CHAP = 0xC223
    EAP = 0xC227


def protocol_name(number: int) -> str:
    """Returns the protocol's name, or its number in hexadecimal when it has none here."""
    try:
        return PppProtocol(number).name
    except ValueError:
        return f"0x{number:04x}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One PPP frame without its address and control fields."""

    protocol: int
    payload: bytes


def decode_frame(data: bytes) -> Frame:
    """Reads a frame, compressed (RFC 1661 §6.5, §6.6) or not.

    Raises:
        WireError: the protocol field is missing or not a legal number.
    """
    offset = 2 if data[:2] == ADDRESS_CONTROL else 0
    if offset >= len(data):
        raise WireError(offset, "protocol", "missing")
    first = data[offset]
    # "the least significant bit of the least significant octet MUST equal 1 ... the least significant
    # bit of the most significant octet MUST equal 0" (RFC 1661 §2): an odd first octet is the whole field.
    if first & 1:
        if first == 0xFF:  # reserved: it would be mistaken for the address field (RFC 1661 §6.5)
            raise WireError(offset, "protocol", "0x00ff is reserved")
        return Frame(first, data[offset + 1 :])
    if offset + 1 >= len(data):
        raise WireError(offset, "protocol", "only one octet of two")
    number = first << 8 | data[offset + 1]
    if not number & 1:
        raise WireError(offset, "protocol", f"0x{number:04x} is not odd")
    return Frame(number, data[offset + 2 :])


def encode_frame(frame: Frame, *, compress_address: bool = False, compress_protocol: bool = False) -> bytes:
    """Writes a frame.

    LCP frames are always written in full: "the Address and Control fields MUST NOT be compressed
    when sending any LCP packet" (RFC 1661 §6.6; §6.5 says the same of the protocol field).
    """
    is_lcp = frame.protocol == PppProtocol.LCP
    head = b"" if compress_address and not is_lcp else ADDRESS_CONTROL
    if compress_protocol and not is_lcp and frame.protocol <= 0xFF:
        return head + bytes([frame.protocol]) + frame.payload
    return head + frame.protocol.to_bytes(2, "big") + frame.payload
