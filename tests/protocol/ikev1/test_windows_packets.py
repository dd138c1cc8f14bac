"""The sizes and bytes a Windows 10/11 client puts on the wire, with the shipped profile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.knowledge.profile import profile
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1.policy import InitiatorPolicy, Phase1Transform, Phase2Suite
from l2tp_doctor.protocol.isakmp.payloads import KeyExchange, NatDiscovery, Nonce
from l2tp_doctor.protocol.isakmp.vendor_ids import RFC_3947
from tests.pcap_reader import data_directory
from tests.protocol.ikev1.pair import RESPONDER, Pair
from tests.protocol.ikev1.tools import is_ready, isakmp, message_of

# The SA payload and the eight vendor IDs of a Windows 10 client's first message (pastebin.com/9KRNXBtv, the
# pfSense documentation's log of the same 408 bytes).
SA = """
0d0000d4 00000001 00000001 000000c8 01010005
03000028 01010000 80010007 800e0100 80020002 80040014 80030001 800b0001 000c0004 00007080
03000028 02010000 80010007 800e0080 80020002 80040013 80030001 800b0001 000c0004 00007080
03000028 03010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080
03000024 04010000 80010005 80020002 8004000e 80030001 800b0001 000c0004 00007080
00000024 05010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080
"""
VENDOR_IDS = (
    "01528bbbc00696121849ab9a1c5b2a5100000001",
    "1e2b516905991c7d7c96fcbfb587e46100000009",
    "4a131c81070358455c5728f20e95452f",
    "90cb80913ebb696e086381b5ec427b1f",
    "4048b7d56ebce88525e7de7f00d6c2d3",
    "fb1de3cdf341b7ea16b7e5be0855f120",
    "26244d38eddb61b3172a36e3d0cfb819",
    "e3a5966a76379fe707228231e5ce8652",
)


def first_message(cookie: bytes) -> bytes:
    """The recorded message with another cookie."""
    header = cookie + bytes(8) + bytes.fromhex("01100200 00000000 00000198")
    payloads = b""
    for number, hexadecimal in enumerate(VENDOR_IDS, start=1):
        data = bytes.fromhex(hexadecimal)
        following = 13 if number < len(VENDOR_IDS) else 0
        payloads += bytes((following, 0)) + (len(data) + 4).to_bytes(2, "big") + data
    return header + bytes.fromhex(SA) + payloads


def policy(name: str = "windows-11") -> InitiatorPolicy:
    windows = profile(name)
    offer = windows.quick_mode
    return InitiatorPolicy(
        tuple(
            Phase1Transform(t.encryption, t.key_bits, t.hash, t.group, t.authentication, t.lifetime)
            for t in windows.main_mode
        ),
        tuple(
            Phase2Suite(
                s.transform, s.key_bits, s.integrity, None, offer.lifetime_seconds, offer.lifetime_kilobytes
            )
            for s in offer.suites
        ),
        tuple(vendor_id.value for vendor_id in windows.vendor_ids),
        nonce_size=windows.nonce_length,
    )


def dial(initiator: InitiatorPolicy, *, nat: bool = False) -> Pair:
    """The gateway chooses AES-256 with MODP 2048 and speaks RFC 3947."""
    gateway = replace(
        RESPONDER,
        transforms=(Phase1Transform(7, 256, 2, 14, 1),),
        suites=initiator.suites[:1],
        vendor_ids=(RFC_3947.value,),
        pretend_behind_nat=nat,
    )
    return Pair(initiator, gateway).run()


@pytest.mark.parametrize("name", ["windows-10", "windows-11"])
def test_message_1_byte_for_byte(name: str) -> None:
    pair = dial(policy(name))
    sent = pair.wire[0][2]
    assert sent.channel is Channel.IKE
    assert sent.data == first_message(pair.client.cookie)
    assert len(sent.data) == 408


def test_message_1_is_the_recorded_one() -> None:
    found = sorted(data_directory().rglob("windows-ikev1-mm1_408-bytes.bin"))
    if not found:
        pytest.skip("the recorded message is not here")
    recorded = found[0].read_bytes()
    assert dial(policy()).wire[0][2].data[8:] == recorded[8:]


def test_sizes_without_nat() -> None:
    """pfSense documentation, "L2TP/IPsec": 388, 76, 316 and 60 bytes with DH group 14."""
    pair = dial(policy())
    assert is_ready(pair)
    sizes = [len(datagram.data) for _, from_client, datagram in pair.wire if from_client]
    assert sizes == [408, 388, 76, 316, 60]


def test_message_3_in_detail() -> None:
    message = message_of(dial(policy()).wire[2][2])
    sizes = [
        (type(p), len(p.data)) for p in message.payloads if isinstance(p, KeyExchange | Nonce | NatDiscovery)
    ]
    assert sizes == [(KeyExchange, 256), (Nonce, 48), (NatDiscovery, 20), (NatDiscovery, 20)]


def test_quick_mode_behind_nat_with_five_suites() -> None:
    """apache/cloudstack#872: with DES and NULL added and two NAT-OA the message has 444 bytes."""
    windows = policy()
    des_and_null = (Phase2Suite(2, None, 2), Phase2Suite(11, None, 2))
    pair = dial(replace(windows, suites=(*windows.suites, *des_and_null)), nat=True)
    assert is_ready(pair)
    assert len(isakmp(pair.wire[6][2])) == 444
    assert pair.wire[6][2].channel is Channel.NAT_T


def test_the_first_quick_mode_has_number_1() -> None:
    assert message_of(dial(policy()).wire[6][2]).header.message_id == 1
