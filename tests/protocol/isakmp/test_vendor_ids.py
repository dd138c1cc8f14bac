from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp.vendor_ids import KNOWN_VENDOR_IDS, name_of_vendor_id

from . import windows

# Values as seen on the wire (dumps of Windows clients, published drafts), with the strings behind them.
SEEN = {
    "1e2b516905991c7d7c96fcbfb587e461": "MS NT5 ISAKMPOAKLEY",
    "4a131c81070358455c5728f20e95452f": "RFC 3947",
    "90cb80913ebb696e086381b5ec427b1f": "draft-ietf-ipsec-nat-t-ike-02\n",
    "cd60464335df21f87cfdb2fc68b6a448": "draft-ietf-ipsec-nat-t-ike-02",
    "7d9419a65310ca6f2c179d9215529d56": "draft-ietf-ipsec-nat-t-ike-03",
    "4485152d18b6bbcd0be8a8469579ddcc": "draft-ietf-ipsec-nat-t-ike-00",
    "4048b7d56ebce88525e7de7f00d6c2d3": "FRAGMENTATION",
    "fb1de3cdf341b7ea16b7e5be0855f120": "MS-Negotiation Discovery Capable",
    "26244d38eddb61b3172a36e3d0cfb819": "Vid-Initial-Contact",
    "e3a5966a76379fe707228231e5ce8652": "IKE CGA version 1",
    "882fe56d6fd20dbc2251613b2ebe5beb": "strongSwan",
    "7003cbc1097dbe9c2600ba6983bc8b35": "KAME/racoon",
}


@pytest.mark.parametrize(("value", "text"), SEEN.items())
def test_values_seen_are_md5_of_their_strings(value: str, text: str) -> None:
    assert hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == value
    assert name_of_vendor_id(bytes.fromhex(value)) == text.replace("\n", "\\n")


def test_every_md5_entry_of_the_table_follows_from_its_string() -> None:
    for entry in KNOWN_VENDOR_IDS:
        if entry.text is not None:
            digest = hashlib.md5(entry.text.encode(), usedforsecurity=False).digest()
            assert digest.startswith(entry.value)
            assert len(entry.value) >= 8


def test_windows_names() -> None:
    assert [name_of_vendor_id(value) for value in windows.VENDOR_IDS] == [
        "Windows 01528bbb 0x00000001",
        "MS NT5 ISAKMPOAKLEY 9 (Windows 8 or Server 2012 and later)",
        "RFC 3947",
        "draft-ietf-ipsec-nat-t-ike-02\\n",
        "FRAGMENTATION",
        "MS-Negotiation Discovery Capable",
        "Vid-Initial-Contact",
        "IKE CGA version 1",
    ]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (bytes.fromhex("afcad71368a1f1c96b8696fc77570100"), "DPD 0x0100"),  # RFC 3706 section 5.1
        (bytes.fromhex("09002689dfd6b712"), "XAUTH"),
        (bytes.fromhex("12f5f28c457168a9702d9fe274cc0100"), "CISCO-UNITY 0x0100"),
        (bytes.fromhex("4048b7d56ebce88525e7de7f00d6c2d380000000"), "FRAGMENTATION 0x80000000"),
        (b"OE-Libreswan-3.32", "Libreswan -3.32"),
        (b"OEabcdefghij", "Openswan abcdefghij"),
        (bytes.fromhex("4865617274426561745f4e6f74696679386b0100"), "HeartBeat_Notify 0x386b0100"),
        (b"\x01\x02", "0x0102"),
        (b"", "0x"),
    ],
)
def test_names(data: bytes, name: str) -> None:
    assert name_of_vendor_id(data) == name


@given(st.binary(max_size=200))
def test_any_bytes_have_a_short_printable_name(data: bytes) -> None:
    name = name_of_vendor_id(data)
    assert name.isprintable()
    assert len(name) < 200
