"""ESP against RFC and draft vectors, an independent computation, and a hostile network."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.crypto import CryptoError
from l2tp_doctor.protocol.esp import (
    DUMMY_NEXT_HEADER,
    MAX_SEQUENCE,
    EspError,
    EspInbound,
    EspOutbound,
    EspSa,
    EspSuite,
    ReplayWindow,
)

SUITES = [
    EspSuite(encryption, bits, integrity)
    for (encryption, bits), integrity in itertools.product(
        [(2, None), (3, None), (12, 128), (12, 192), (12, 256), (11, None)], [1, 2, 5, 6, 7]
    )
] + [EspSuite(20, bits, None) for bits in (128, 192, 256)]


def association(suite: EspSuite, spi: int = 0x12345678) -> EspSa:
    return EspSa(
        spi, suite, *suite.split_keymat(bytes(index * 7 + 1 & 0xFF for index in range(suite.keymat_size)))
    )


def reason(inbound: EspInbound, packet: bytes) -> str:
    with pytest.raises(EspError) as caught:
        inbound.open(packet)
    return caught.value.reason


# RFC 3602 §4 cases 5-8: key, sequence number, next header, payload, packet.
RFC3602_CASES = [
    (
        "90d382b410eeba7ad938c46cec1a82bf",
        1,
        1,
        (
            "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "202122232425262728292a2b2c2d2e2f3031323334353637"
        ),
        (
            "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849"
            "a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c"
            "538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"
        ),
    ),
    (
        "90d382b410eeba7ad938c46cec1a82bf",
        8,
        1,
        "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
        (
            "000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109"
            "689bb379d2d750c0d915dca346a89f75"
        ),
    ),
    (
        "0123456789abcdef0123456789abcdef",
        2,
        4,
        (
            "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b"
            "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233"
            "34353637"
        ),
        (
            "0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c"
            "237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b"
            "8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"
        ),
    ),
    (
        "0123456789abcdef0123456789abcdef",
        5,
        4,
        (
            "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffff"
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        ),
        (
            "000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048f"
            "e45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de"
            "435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892"
        ),
    ),
]


@pytest.mark.parametrize(("key", "sequence", "next_header", "payload", "packet"), RFC3602_CASES)
def test_rfc3602_packets(key: str, sequence: int, next_header: int, payload: str, packet: str) -> None:
    suite = EspSuite(12, 128, None)  # these vectors carry no ICV
    raw = bytes.fromhex(packet)
    sa = EspSa(int.from_bytes(raw[:4], "big"), suite, bytes.fromhex(key), b"")
    assert EspInbound(sa).open(raw) == (bytes.fromhex(payload), next_header)
    outbound = EspOutbound(sa)
    for _ in range(sequence - 1):
        outbound.seal(b"", 59, bytes)
    assert outbound.seal(bytes.fromhex(payload), next_header, lambda _size: raw[8:24]) == raw


# draft-mcgrew-gcm-test-01 §4, cases without extended sequence numbers:
# key, salt || IV, AAD, plaintext, ciphertext || ICV.
GCM_CASES = [
    (
        "feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "0000a5f80000000a",
        (
            "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000"
            "037369700963796265726369747902646b00000100010001"
        ),
        (
            "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f"
            "51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a"
        ),
    ),
    (
        "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
        "112233440102030405060708",
        "4a2cbfe300000002",
        (
            "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000"
            "020405b40101040201020201"
        ),
        (
            "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d34"
            "7f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96"
        ),
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        "cafebabefacedbaddecaf888",
        "0000a5f80000000a",
        "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
        (
            "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77"
            "95457b9652037f5318027b5b4cd7a636"
        ),
    ),
    (  # a packet with nothing but padding, at the last sequence number
        "7d773d00c144c525ac619d18c84a3f47",
        "d966426743457e9182443bc6",
        "335467aeffffffff",
        "01020201",
        "437f866bcb3f699fe9b0822bac961c4504bef270",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "header", "plaintext", "sealed"), GCM_CASES)
def test_gcm_draft_packets(key: str, nonce: str, header: str, plaintext: str, sealed: str) -> None:
    suite = EspSuite(20, len(key) * 4, None)
    sa = EspSa(int(header[:8], 16), suite, bytes.fromhex(key + nonce[:8]), b"")
    packet = bytes.fromhex(header + nonce[8:] + sealed)
    expected = bytes.fromhex(plaintext)
    payload = expected[: len(expected) - 2 - expected[-2]]
    inbound = EspInbound(sa)
    assert inbound.open(packet) == (payload, expected[-1])
    assert inbound.highest_sequence == int(header[8:], 16)


@pytest.mark.parametrize(
    ("suite", "sizes", "name"),
    [
        (EspSuite(12, 256, 2), (32, 20), "AES-CBC-256/HMAC-SHA1-96"),
        (EspSuite(12, None, 2), (16, 20), "AES-CBC-128/HMAC-SHA1-96"),
        (EspSuite(3, None, 2), (24, 20), "3DES-CBC/HMAC-SHA1-96"),
        (EspSuite(2, None, 1), (8, 16), "DES-CBC/HMAC-MD5-96"),
        (EspSuite(11, None, 2), (0, 20), "NULL/HMAC-SHA1-96"),
        (EspSuite(12, 128, 5), (16, 32), "AES-CBC-128/HMAC-SHA2-256-128"),
        (EspSuite(12, 128, 6), (16, 48), "AES-CBC-128/HMAC-SHA2-384-192"),
        (EspSuite(12, 128, 7), (16, 64), "AES-CBC-128/HMAC-SHA2-512-256"),
        (EspSuite(20, 256, None), (36, 0), "AES-GCM-16-256"),
        (EspSuite(12, 128, None), (16, 0), "AES-CBC-128/none"),
    ],
)
def test_sizes_and_names(suite: EspSuite, sizes: tuple[int, int], name: str) -> None:
    assert (suite.encryption_key_size, suite.integrity_key_size) == sizes
    assert suite.keymat_size == sum(sizes)
    assert suite.name == name


def test_impossible_suites() -> None:
    for numbers in (
        (0, None, 2),
        (1, None, 2),
        (12, 64, 2),
        (12, 128, 3),
        (12, 128, 0),
        (20, 128, 2),
        (20, 7, None),
    ):
        with pytest.raises(CryptoError):
            EspSuite(*numbers)
    with pytest.raises(CryptoError):
        EspSuite(11, None, None)
    suite = EspSuite(12, 128, 2)
    with pytest.raises(CryptoError):
        suite.split_keymat(bytes(35))
    with pytest.raises(CryptoError):
        EspSa(1, suite, bytes(15), bytes(20))
    with pytest.raises(CryptoError):
        EspSa(1, suite, bytes(16), bytes(21))
    for spi in (0, -1, 1 << 32):
        with pytest.raises(ValueError):
            EspSa(spi, suite, bytes(16), bytes(20))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_round_trip_at_every_padding_length(suite: EspSuite) -> None:
    sa = association(suite)
    outbound, inbound = EspOutbound(sa), EspInbound(sa)
    for size in range(20):
        payload = bytes(range(size))
        packet = outbound.seal(payload, 17, os.urandom)
        assert (len(packet) - 8 - suite.iv_size - suite.icv_size) % 4 == 0
        assert inbound.open(packet) == (payload, 17)
    assert inbound.highest_sequence == outbound.sequence == 20


HASHES = {1: "md5", 2: "sha1", 5: "sha256", 6: "sha384", 7: "sha512"}
# RFC 2403, RFC 2404: 96 bits; RFC 4868 §2: half the hash.
ICV_SIZES = {1: 12, 2: 12, 5: 16, 6: 24, 7: 32}


@pytest.mark.parametrize("integrity", sorted(HASHES))
def test_packet_recomputed_independently(integrity: int) -> None:
    suite = EspSuite(12, 256, integrity)
    sa = association(suite)
    iv = bytes(range(16))
    packet = EspOutbound(sa).seal(b"L2TP over here", 17, lambda _size: iv)
    encryptor = Cipher(algorithms.AES(sa.encryption_key), modes.CBC(iv)).encryptor()
    # 14 bytes of payload and the two trailer bytes fill one block: no padding.
    ciphertext = encryptor.update(b"L2TP over here\x00\x11") + encryptor.finalize()
    body = bytes.fromhex("1234567800000001") + iv + ciphertext
    icv = hmac.new(sa.integrity_key, body, getattr(hashlib, HASHES[integrity])).digest()
    assert packet == body + icv[: ICV_SIZES[integrity]]


def test_gcm_packet_recomputed_independently() -> None:
    sa = association(EspSuite(20, 128, None))
    packet = EspOutbound(sa).seal(b"echo", 1, os.urandom)
    key, salt = sa.encryption_key[:16], sa.encryption_key[16:]
    assert AESGCM(key).decrypt(salt + packet[8:16], packet[16:], packet[:8]) == b"echo\x01\x02\x02\x01"


def test_null_packet_is_readable() -> None:
    packet = EspOutbound(association(EspSuite(11, None, 2))).seal(b"hello", 17, os.urandom)
    assert packet[8:-12] == b"hello\x01\x01\x11"


def test_gcm_never_repeats_an_iv() -> None:
    outbound = EspOutbound(association(EspSuite(20, 128, None)))
    assert len({outbound.seal(b"", 1, bytes)[8:16] for _ in range(200)}) == 200


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_any_changed_bit_is_noticed(suite: EspSuite) -> None:
    sa = association(suite)
    packet = EspOutbound(sa).seal(b"payload", 17, os.urandom)
    inbound = EspInbound(sa)
    for position in range(len(packet)):
        changed = bytearray(packet)
        changed[position] ^= 0x40
        expected = "wrong-spi" if position < 4 else "integrity"
        assert reason(inbound, bytes(changed)) == expected
    assert inbound.highest_sequence == 0  # not even a forged high sequence number moved the window
    assert inbound.open(packet) == (b"payload", 17)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_truncation_is_malformed_or_forged(suite: EspSuite) -> None:
    sa = association(suite)
    packet = EspOutbound(sa).seal(bytes(40), 17, os.urandom)
    inbound = EspInbound(sa)
    for size in range(len(packet)):
        assert reason(inbound, packet[:size]) in ("malformed", "integrity")


@given(st.binary(max_size=120), st.sampled_from(SUITES), st.booleans())
def test_any_bytes_are_refused_with_a_reason(data: bytes, suite: EspSuite, our_spi: bool) -> None:
    inbound = EspInbound(association(suite))
    packet = (b"\x12\x34\x56\x78" if our_spi else b"") + data
    assert reason(inbound, packet) in ("malformed", "wrong-spi", "replay", "integrity")


@given(st.binary(max_size=120))
def test_without_integrity_garbage_is_a_value_or_an_esp_error(data: bytes) -> None:
    refused = ""
    payload, next_header = b"", 0
    try:
        payload, next_header = EspInbound(association(EspSuite(12, 128, None))).open(
            b"\x12\x34\x56\x78" + data
        )
    except EspError as error:
        refused = error.reason
    assert refused in ("", "malformed", "padding")
    assert len(payload) <= len(data)
    assert 0 <= next_header <= 255


def sealed_by_hand(plaintext: bytes, integrity: bool = True) -> tuple[EspSa, bytes]:
    sa = association(EspSuite(12, 128, 2 if integrity else None))
    encryptor = Cipher(algorithms.AES(sa.encryption_key), modes.CBC(bytes(16))).encryptor()
    body = bytes.fromhex("1234567800000001") + bytes(16) + encryptor.update(plaintext) + encryptor.finalize()
    icv = hmac.new(sa.integrity_key, body, hashlib.sha1).digest()[:12] if integrity else b""
    return sa, body + icv


def test_padding_longer_than_the_packet() -> None:
    sa, packet = sealed_by_hand(bytes(14) + b"\x0f\x11")
    inbound = EspInbound(sa)
    assert reason(inbound, packet) == "padding"
    assert reason(inbound, packet) == "replay"  # it was authentic, so its number is used up


def test_foreign_padding_is_tolerated_only_when_authentic() -> None:
    plaintext = b"payload" + bytes(7) + b"\x07\x11"
    sa, packet = sealed_by_hand(plaintext)
    assert EspInbound(sa).open(packet) == (b"payload", 17)
    sa, packet = sealed_by_hand(plaintext, integrity=False)
    assert reason(EspInbound(sa), packet) == "padding"


def test_dummy_packets_come_out_as_such() -> None:
    sa = association(EspSuite(12, 128, 2))
    assert EspInbound(sa).open(EspOutbound(sa).seal(b"noise", DUMMY_NEXT_HEADER, os.urandom)) == (
        b"noise",
        59,
    )


def test_replays_reordering_and_the_window_edge() -> None:
    sa = association(EspSuite(12, 128, 2))
    outbound, inbound = EspOutbound(sa), EspInbound(sa)
    packets = [outbound.seal(bytes((number,)), 17, os.urandom) for number in range(1, 101)]
    for number in (1, 3, 2, 70):
        assert inbound.open(packets[number - 1]) == (bytes((number,)), 17)
    for number in (1, 2, 3, 70, 6):  # seen, seen, seen, seen, one too old (70 - 64)
        assert reason(inbound, packets[number - 1]) == "replay"
    assert inbound.open(packets[7 - 1])[0] == b"\x07"  # the oldest number still inside
    assert inbound.open(packets[100 - 1])[0] == b"\x64"
    assert reason(inbound, packets[36 - 1]) == "replay"
    assert inbound.open(packets[37 - 1])[0] == b"\x25"


def test_sequence_number_zero_is_never_accepted() -> None:
    sa = association(EspSuite(11, None, 2))
    body = bytes.fromhex("1234567800000000") + b"\x01\x02\x02\x11"
    assert reason(EspInbound(sa), body + sa.icv(body)) == "replay"


@given(st.lists(st.integers(0, 200), max_size=150), st.integers(1, 70))
def test_window_equals_a_set_that_remembers_everything(numbers: list[int], size: int) -> None:
    window, seen, highest = ReplayWindow(size), set[int](), 0
    for number in numbers:
        expected = number > 0 and number not in seen and number > highest - size
        assert window.acceptable(number) == expected
        if expected:
            window.mark(number)
            seen.add(number)
            highest = max(highest, number)
    assert window.highest == highest


def test_a_jump_to_the_last_number_is_cheap() -> None:
    window = ReplayWindow()
    window.mark(1)
    window.mark(MAX_SEQUENCE)
    assert not window.acceptable(MAX_SEQUENCE)
    assert window.acceptable(MAX_SEQUENCE - 63)
    assert not window.acceptable(MAX_SEQUENCE - 64)


def test_the_counter_does_not_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2tp_doctor.protocol.esp.MAX_SEQUENCE", 3)
    outbound = EspOutbound(association(EspSuite(12, 128, 2)))
    for _ in range(3):
        outbound.seal(b"", 17, os.urandom)
    with pytest.raises(EspError) as caught:
        outbound.seal(b"", 17, os.urandom)
    assert caught.value.reason == "sequence-exhausted"


def test_repr_hides_the_keys() -> None:
    suite = EspSuite(12, 128, 2)
    sa = EspSa(1, suite, b"E" * 16, b"I" * 20)
    for shown in (repr(sa), repr(EspOutbound(sa)), repr(EspInbound(sa))):
        assert "EEEE" not in shown
        assert "IIII" not in shown
        assert "AES" in shown or "encryption=12" in shown
