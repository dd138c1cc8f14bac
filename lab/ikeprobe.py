"""One IKEv1 Main Mode 1 message, built by hand: proves that a gateway really answers.

Deliberately independent of the product's own protocol code: the lab must not share its mistakes.
"""

from __future__ import annotations

import socket
import struct

_NAT_T_VENDOR_ID = bytes.fromhex("4a131c81070358455c5728f20e95452f")
"""RFC 3947 §3.1; SoftEther ignores an initiator without it."""


def main_mode_1(cookie: bytes) -> bytes:
    """Return Main Mode 1 with one transform: AES-256, SHA-1, MODP 2048, PSK (RFC 2409 §5)."""
    attributes = struct.pack(
        "!14H",
        *(0x8001, 7),  # encryption: AES-CBC
        *(0x800E, 256),  # key length
        *(0x8002, 2),  # hash: SHA-1
        *(0x8004, 14),  # group: MODP 2048
        *(0x8003, 1),  # authentication: pre-shared key
        *(0x800B, 1),  # life type: seconds
        *(0x800C, 28800),  # life duration
    )
    transform = struct.pack("!BBHBBH", 0, 0, 8 + len(attributes), 1, 1, 0) + attributes
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transform), 1, 1, 0, 1) + transform
    sa = struct.pack("!BBHII", 13, 0, 12 + len(proposal), 1, 1) + proposal
    vendor = struct.pack("!BBH", 0, 0, 4 + len(_NAT_T_VENDOR_ID)) + _NAT_T_VENDOR_ID
    length = 28 + len(sa) + len(vendor)
    header = cookie + bytes(8) + struct.pack("!BBBBII", 1, 0x10, 2, 0, 0, length)
    return header + sa + vendor


def answers(address: str, timeout: float, cookie: bytes) -> bool:
    """Send one Main Mode 1 to UDP 500 and say whether a Main Mode 2 for it came back.

    Args:
        address: IPv4 address, from the calling thread's network namespace.
        timeout: seconds to wait.
        cookie: the initiator's, 8 bytes.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.connect((address, 500))
        try:
            channel.send(main_mode_1(cookie))
            reply = channel.recv(65535)
        except OSError:
            return False
    return reply[:8] == cookie and reply[8:16] != bytes(8)
