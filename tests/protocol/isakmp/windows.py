"""The first Main Mode message of a Windows 10/11 L2TP/IPsec client, from public dumps of it."""

from __future__ import annotations

SECURITY_ASSOCIATION = bytes.fromhex(
    "0d0000d4 00000001 00000001 000000c8 01010005"
    "03000028 01010000 80010007 800e0100 80020002 80040014 80030001 800b0001 000c0004 00007080"
    "03000028 02010000 80010007 800e0080 80020002 80040013 80030001 800b0001 000c0004 00007080"
    "03000028 03010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "03000024 04010000 80010005 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "00000024 05010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080"
)
VENDOR_IDS = tuple(
    bytes.fromhex(value)
    for value in (
        "01528bbbc00696121849ab9a1c5b2a5100000001",
        "1e2b516905991c7d7c96fcbfb587e46100000009",
        "4a131c81070358455c5728f20e95452f",
        "90cb80913ebb696e086381b5ec427b1f",
        "4048b7d56ebce88525e7de7f00d6c2d3",
        "fb1de3cdf341b7ea16b7e5be0855f120",
        "26244d38eddb61b3172a36e3d0cfb819",
        "e3a5966a76379fe707228231e5ce8652",
    )
)
COOKIE = bytes.fromhex("0123456789abcdef")


def main_mode_1() -> bytes:
    """Returns the 408 bytes, put together by hand."""
    chain = SECURITY_ASSOCIATION
    for index, value in enumerate(VENDOR_IDS):
        following = 13 if index + 1 < len(VENDOR_IDS) else 0
        chain += bytes((following, 0)) + (len(value) + 4).to_bytes(2, "big") + value
    return COOKIE + bytes(8) + bytes.fromhex("01100200 00000000 00000198") + chain
