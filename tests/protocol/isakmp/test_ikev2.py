from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp.ikev2 import Ikev2Notify, Ikev2NotifyType, decode_sa_init, encode_sa_init
from l2tp_doctor.protocol.isakmp.message import decode_header
from l2tp_doctor.protocol.wire import WireError

SPI = b"\x01\x02\x03\x04\x05\x06\x07\x08"


def response(first: int, chain: str, major: int = 2) -> bytes:
    body = bytes.fromhex(chain)
    head = SPI + b"ANSWERED" + bytes((first, major << 4, 34, 0x20)) + bytes(4)
    return head + (28 + len(body)).to_bytes(4, "big") + body


# RFC 7296 section 3.1 (header), 3.3 (SA), 3.4 (KE), 3.9 (nonce)
def test_request_format() -> None:
    data = encode_sa_init(SPI, 14, b"\xaa" * 256, b"n" * 32, vendor_ids=(b"vendor",))
    header = decode_header(data)
    assert (header.next_payload, header.major, header.minor, header.exchange) == (33, 2, 0, 34)
    assert (header.flags, header.message_id, header.length) == (0x08, 0, len(data))
    assert header.responder_cookie == bytes(8)
    size = int.from_bytes(data[30:32], "big")
    assert data[28] == 34
    at = 28 + size
    assert data[at : at + 8] == bytes.fromhex("28000108 000e0000")
    at += 0x108
    assert data[at : at + 4] == bytes.fromhex("2b000024")
    assert data[at + 36 :] == bytes.fromhex("0000000a") + b"vendor"


def test_the_offer_can_be_read_as_two_proposals() -> None:
    data = encode_sa_init(SPI, 14, b"\xaa" * 256, b"n" * 32)
    end = 28 + int.from_bytes(data[30:32], "big")
    first = 32
    second = first + int.from_bytes(data[first + 2 : first + 4], "big")
    assert data[first] == 2
    assert data[second] == 0
    assert second + int.from_bytes(data[second + 2 : second + 4], "big") == end
    # The first transform: ENCR_AES_CBC with a key of 256 bits.
    assert data[first + 8 : first + 20] == bytes.fromhex("0300000c 0100000c 800e0100")


def test_a_cookie_comes_first() -> None:
    data = encode_sa_init(SPI, 14, b"\xaa" * 256, b"n" * 32, cookie=b"biscuit")
    assert data[16] == 41
    assert data[28:43] == bytes.fromhex("2100000f 00004006") + b"biscuit"


def test_a_choice() -> None:
    reply = decode_sa_init(
        response(
            33,
            "22000030 0000002c 01010004 0300000c 0100000c 800e0100 03000008 02000005 03000008 0300000c"
            "00000008 0400000e" + "2800000c 000e0000 aaaaaaaa" + "2b000014" + "11" * 16 + "00000008 deadbeef",
        )
    )
    assert reply.accepted
    assert [(entry.type, entry.identifier, entry.key_length) for entry in reply.transforms] == [
        (1, 12, 256),
        (2, 5, None),
        (3, 12, None),
        (4, 14, None),
    ]
    assert (reply.group, reply.public_value, reply.nonce) == (14, b"\xaa" * 4, b"\x11" * 16)
    assert reply.vendor_ids == (b"\xde\xad\xbe\xef",)
    assert reply.header.responder_cookie == b"ANSWERED"


def test_error_notifications() -> None:
    wrong_group = decode_sa_init(response(41, "0000000a 00000011 0013"))
    assert wrong_group.wanted_group == 19
    assert not wrong_group.accepted
    refused = decode_sa_init(response(41, "00000008 0000000e"))
    assert refused.notifications == (Ikev2Notify(Ikev2NotifyType.NO_PROPOSAL_CHOSEN),)
    assert decode_sa_init(response(41, "0000000c 00004006 c00c1e00")).cookie == bytes.fromhex("c00c1e00")
    # An INVALID_KE_PAYLOAD recorded from Openswan, filled up to a multiple of four bytes.
    assert decode_sa_init(response(41, "0000000a 01000011 000e0000")).wanted_group == 14
    newer = decode_sa_init(response(41, "00000009 00000005 03", major=3))
    assert newer.notification(Ikev2NotifyType.INVALID_MAJOR_VERSION) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        response(41, "00000008 0000000e", major=1),
        encode_sa_init(SPI, 14, b"x", b"n" * 16),  # a request
        response(41, "00000003"),
        response(41, "00000008 0000000e 00000000"),
        response(33, "00000014 02000010 01010001 00000008 04000014"),  # two proposals in a response
        response(33, "0000000c 00000003 01010001"),  # a proposal shorter than its header
        response(43, "2b000004" * 65),
    ],
)
def test_malformed_responses(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_sa_init(data)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="SPI"):
        encode_sa_init(bytes(8), 14, b"x", b"n" * 16)
    with pytest.raises(ValueError, match="nonce"):
        encode_sa_init(SPI, 14, b"x", b"n" * 15)


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_response_gives_a_value_or_wire_error(first: int, body: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_sa_init(response(first, body.hex()))


@given(st.sampled_from((33, 34, 40, 41, 43)), st.binary(max_size=100))
def test_any_payload_gives_a_value_or_wire_error(first: int, body: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_sa_init(response(first, (bytes(2) + (len(body) + 4).to_bytes(2, "big") + body).hex()))
