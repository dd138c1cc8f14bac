from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp import constants as c
from l2tp_doctor.protocol.isakmp import payloads as p
from l2tp_doctor.protocol.isakmp.describe import describe_message, describe_payloads
from l2tp_doctor.protocol.isakmp.message import (
    HEADER_SIZE,
    MAX_PAYLOADS,
    Header,
    decode_header,
    decode_message,
    decode_payloads,
    encode_encrypted,
    encode_message,
    encode_payloads,
    split_payloads,
)
from l2tp_doctor.protocol.wire import WireError

from . import strategies, windows

HEADER = Header(windows.COOKIE, bytes(8), c.ExchangeType.IDENTITY_PROTECTION, 0, 0)


# Public dumps: encryption, key length, hash, group, authentication, life type, duration.
WINDOWS_TRANSFORMS = [
    (7, 256, 2, 20, 1, 1, 28800),
    (7, 128, 2, 19, 1, 1, 28800),
    (7, 256, 2, 14, 1, 1, 28800),
    (5, None, 2, 14, 1, 1, 28800),
    (5, None, 2, 2, 1, 1, 28800),
]
COLUMNS = (1, 14, 2, 4, 3, 11, 12)


def test_windows_first_message_decodes_to_the_published_table() -> None:
    data = windows.main_mode_1()
    assert len(data) == 408
    message = decode_message(data)
    assert message.header == replace(HEADER, next_payload=1, length=408)
    association, *vendor_ids = message.payloads
    assert isinstance(association, p.SecurityAssociation)
    assert (association.doi, association.situation) == (1, 1)
    (proposal,) = association.proposals
    assert (proposal.number, proposal.protocol, proposal.spi) == (1, c.ProtocolId.ISAKMP, b"")
    assert [transform.number for transform in proposal.transforms] == [1, 2, 3, 4, 5]
    assert {transform.identifier for transform in proposal.transforms} == {1}
    assert [
        tuple(transform.get(column) for column in COLUMNS) for transform in proposal.transforms
    ] == WINDOWS_TRANSFORMS
    assert vendor_ids == [p.VendorId(value) for value in windows.VENDOR_IDS]


def test_windows_first_message_encodes_byte_for_byte() -> None:
    message = decode_message(windows.main_mode_1())
    assert encode_message(HEADER, message.payloads) == windows.main_mode_1()


def test_windows_first_message_in_words() -> None:
    message = decode_message(windows.main_mode_1())
    assert describe_message(message) == "Main Mode: SA(5 transforms), 8×VID"
    text = json.dumps(describe_payloads(message.payloads))
    for name in ("AES_CBC_256/SHA1/ECP_384/PSK", "TRIPLE_DES_CBC/SHA1/MODP_1024/PSK", "RFC 3947"):
        assert name in text


@given(strategies.header, strategies.payloads)
def test_messages_round_trip(header: Header, payloads: tuple[p.Payload, ...]) -> None:
    data = encode_message(header, payloads)
    message = decode_message(data)
    assert message.payloads == payloads
    assert replace(message.header, next_payload=0, length=0) == header
    assert message.header.length == len(data)
    assert encode_message(message.header, message.payloads) == data


@given(strategies.payloads)
def test_every_payload_is_described_in_json_and_in_words(payloads: tuple[p.Payload, ...]) -> None:
    described = describe_payloads(payloads)
    assert json.loads(json.dumps(described)) == described
    assert describe_message(decode_message(encode_message(HEADER, payloads)))


def test_no_secret_material_is_described() -> None:
    value = bytes.fromhex("c0ffee00c0ffee00c0ffee00c0ffee00")
    payloads = (p.KeyExchange(value), p.Nonce(value), p.HashPayload(value), p.Signature(value))
    assert "c0ffee" not in json.dumps(describe_payloads(payloads))


@given(strategies.payloads, st.binary(max_size=20))
def test_split_finds_the_same_bodies(payloads: tuple[p.Payload, ...], padding: bytes) -> None:
    first, chain = encode_payloads(payloads)
    raw = split_payloads(first, chain + padding, padding_allowed=True)
    assert [(entry.type, entry.body) for entry in raw] == [
        (payload.payload_type, p.pack_body(payload)) for payload in payloads
    ]
    assert (raw[-1].end if raw else 0) == len(chain)
    assert decode_payloads(first, chain + padding, padding_allowed=True) == payloads


def test_padding_is_refused_where_nothing_was_encrypted() -> None:
    first, chain = encode_payloads((p.Nonce(b"12345678"),))
    with pytest.raises(WireError, match="behind the last payload"):
        decode_payloads(first, chain + b"\0")
    with pytest.raises(WireError):
        split_payloads(first, chain + b"\0")


def test_encrypted_messages_keep_their_ciphertext() -> None:
    data = encode_encrypted(replace(HEADER, message_id=7), c.PayloadType.ID, b"0123456789abcdef")
    message = decode_message(data + b"trailing bytes are tolerated")
    assert message.payloads == ()
    assert message.body == b"0123456789abcdef"
    assert (message.header.flags, message.header.next_payload, message.header.length) == (1, 5, 44)
    assert describe_message(message) == "Main Mode: 16 bytes encrypted"


@pytest.mark.parametrize("length", [0, 27, 45, 0x10000, 0xFFFFFFFF])
def test_impossible_lengths_are_malformed(length: int) -> None:
    data = bytearray(encode_encrypted(HEADER, 5, bytes(16)))
    data[24:28] = length.to_bytes(4, "big")
    with pytest.raises(WireError, match="length"):
        decode_header(bytes(data))


@pytest.mark.parametrize("size", range(HEADER_SIZE))
def test_short_headers_are_malformed(size: int) -> None:
    with pytest.raises(WireError):
        decode_header(windows.main_mode_1()[:size])


def test_every_truncation_is_malformed() -> None:
    data = windows.main_mode_1()
    for size in range(HEADER_SIZE, len(data)):
        cut = data[:24] + size.to_bytes(4, "big") + data[28:size]
        if size == HEADER_SIZE:
            continue  # a header alone that promises a payload is covered below
        with pytest.raises(WireError):
            decode_message(cut)
    with pytest.raises(WireError):
        decode_message(data[:24] + HEADER_SIZE.to_bytes(4, "big"))


@pytest.mark.parametrize("extra", range(6))
def test_an_unencrypted_message_may_be_aligned_to_four_bytes(extra: int) -> None:
    chain = bytes.fromhex("00000008 31323334") + bytes(extra)
    data = encode_encrypted(HEADER, c.PayloadType.NONCE, chain)
    data = data[:19] + b"\0" + data[20:]
    if extra < 4:
        assert decode_message(data).payloads == (p.Nonce(b"1234"),)
    else:
        with pytest.raises(WireError, match="unread bytes"):
            decode_message(data)


def test_a_chain_of_empty_payloads_ends_at_the_limit() -> None:
    empty = bytes((13, 0, 0, 4))
    assert len(decode_payloads(13, empty * (MAX_PAYLOADS - 1) + bytes((0, 0, 0, 4)))) == MAX_PAYLOADS
    for decode in (decode_payloads, split_payloads):
        with pytest.raises(WireError, match="more than 64"):
            decode(13, empty * 1000)


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (1, "00000001 00000002"),  # a situation with labels
        (1, "00000001 00000001 01000008 01010000"),  # proposal next payload neither 0 nor 2
        (1, "00000001 00000001 00000008 01010001"),  # promises one transform, has none
        (1, "00000001 00000001 00000003 01010000"),  # proposal shorter than its header
        (1, "00000001 00000001 00000010 01010001 02000008 01010000"),  # transform next payload 2
        (1, "00000001 00000001 00000014 01010001 0000000c 01010000 00010009"),  # attribute too long
        (1, "00000001 00000001 00000008 01010000 00"),  # a byte behind the last proposal
        (12, "00000001 0300ffff"),  # 65535 SPIs of no bytes
        (12, "00000001 03040002 11111111"),  # an SPI missing
        (12, "00000001 03040001 11111111 22"),  # a byte behind the last SPI
        (11, "00000001 0304000e 1111"),  # SPI cut
        (21, "01000000 c0a80001 00"),  # five address bytes
        (21, "02000000 c0a80001"),  # a name is no address
        (5, "01"),
        (132, "0001 01"),
    ],
)
def test_malformed_bodies(first: int, body: str) -> None:
    content = bytes.fromhex(body)
    with pytest.raises(WireError):
        decode_payloads(first, bytes((0, 0)) + (len(content) + 4).to_bytes(2, "big") + content)


def test_values_that_cannot_be_written_are_refused() -> None:
    bad: list[p.Payload] = [
        p.UnknownPayload(0, b""),
        p.Delete(3, (b"1234", b"12")),
        p.Delete(3, (b"",)),
        p.SecurityAssociation((p.Proposal(1, 1, b"", (p.Transform(1, 1, (p.Attribute(1, b"1", True),)),)),)),
        p.SecurityAssociation(
            (p.Proposal(1, 1, b"", (p.Transform(1, 1, (p.Attribute(0x8001, b"", False),)),)),)
        ),
    ]
    for payload in bad:
        with pytest.raises(ValueError):
            encode_payloads((payload,))
    with pytest.raises(ValueError):
        encode_message(replace(HEADER, initiator_cookie=b"short"), ())
    with pytest.raises(ValueError):
        encode_encrypted(HEADER, 5, bytes(65535))
    with pytest.raises(OverflowError):
        p.Attribute.tv(1, 70000)


def test_other_major_versions_are_not_taken_apart() -> None:
    data = encode_message(replace(HEADER, major=2), (p.Nonce(b"1" * 16),))
    assert decode_message(data).payloads == ()


@given(st.binary(max_size=300))
def test_random_bytes_give_a_value_or_wire_error(data: bytes) -> None:
    for decode in (decode_header, decode_message):
        with contextlib.suppress(WireError):
            decode(data)


@given(strategies.payloads, st.data())
def test_mutated_messages_give_a_value_or_wire_error(
    payloads: tuple[p.Payload, ...], choice: st.DataObject
) -> None:
    data = bytearray(encode_message(HEADER, payloads))
    for _ in range(choice.draw(st.integers(1, 4))):
        position = choice.draw(st.integers(0, len(data) - 1))
        data[position] = choice.draw(st.integers(0, 255))
    try:
        message = decode_message(bytes(data))
    except WireError:
        return
    describe_message(message)
    describe_payloads(message.payloads)


def test_names_of_numbers() -> None:
    assert c.name_of(c.Encryption, 7) == "AES_CBC"
    assert c.name_of(c.Encryption, 77) == "unknown(77)"
