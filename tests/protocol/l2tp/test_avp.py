"""AVP codec, registry and hiding."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.l2tp.avp import (
    MICROSOFT,
    MICROSOFT_CORRELATION_ID,
    REGISTRY,
    Accm,
    Avp,
    AvpType,
    AvpValue,
    CallErrors,
    PppDisconnectCause,
    Q931Cause,
    ResultCode,
    decode_avps,
    encode_avps,
    hide_value,
    make_avp,
    unhide_value,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError

SAMPLES: dict[tuple[int, int], AvpValue] = {
    (0, AvpType.RESULT_CODE): ResultCode(2, 4, "no more calls"),
    (0, AvpType.TIE_BREAKER): bytes(range(8)),
    (0, AvpType.CHALLENGE_RESPONSE): bytes(16),
    (0, AvpType.Q931_CAUSE_CODE): Q931Cause(17, 5, "user busy"),
    (0, AvpType.CALL_ERRORS): CallErrors(1, 2, 3, 4, 5, 6),
    (0, AvpType.ACCM): Accm(0xFFFFFFFF, 0),
    (0, AvpType.SEQUENCING_REQUIRED): b"",
    (0, AvpType.PPP_DISCONNECT_CAUSE): PppDisconnectCause(13, 0xC223, 1, "bad password"),
    (MICROSOFT, MICROSOFT_CORRELATION_ID): bytes(range(16)),
}


def sample(key: tuple[int, int]) -> AvpValue:
    if key in SAMPLES:
        return SAMPLES[key]
    try:
        make_avp(key[1], 1)
    except TypeError:
        return b"value"
    return 0x1234


@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_every_row_reads_what_it_writes(key: tuple[int, int]) -> None:
    avp = make_avp(key[1], sample(key), vendor=key[0])
    (decoded,) = decode_avps(encode_avps([avp]))
    assert decoded == avp
    assert decoded.problem is None


@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_a_wrong_type_is_refused_by_every_row(key: tuple[int, int]) -> None:
    value = sample(key)
    wrong: AvpValue = b"x" if isinstance(value, int) else 1
    with pytest.raises(TypeError):
        make_avp(key[1], wrong, vendor=key[0])


# RFC 2661 §4.4.3: the wire forms drawn there, written down by hand.
@pytest.mark.parametrize(
    ("avp", "wire"),
    [
        (make_avp(AvpType.MESSAGE_TYPE, 1), "8008 0000 0000 0001"),
        (make_avp(AvpType.PROTOCOL_VERSION, 0x0100), "8008 0000 0002 0100"),
        (make_avp(AvpType.FRAMING_CAPABILITIES, 1), "800a 0000 0003 00000001"),
        (make_avp(AvpType.FIRMWARE_REVISION, 0x0A00), "0008 0000 0006 0a00"),
        (make_avp(AvpType.VENDOR_NAME, b"Microsoft"), "000f 0000 0008 4d6963726f736f6674"),
        (make_avp(AvpType.RESULT_CODE, ResultCode(3)), "8008 0000 0001 0003"),
        (make_avp(AvpType.RESULT_CODE, ResultCode(2, 4, "no")), "800c 0000 0001 0002 0004 6e6f"),
        # MS-L2TPIE §2.2.1.1: M = 0, length 22, vendor 0x137, type 1
        (
            make_avp(MICROSOFT_CORRELATION_ID, bytes(16), vendor=MICROSOFT),
            "0016 0137 0001" + "00" * 16,
        ),
    ],
)
def test_wire_form(avp: Avp, wire: str) -> None:
    assert encode_avps([avp]) == bytes.fromhex(wire)


def test_unknown_avps_are_kept_raw() -> None:
    (ietf, vendor) = decode_avps(bytes.fromhex("8008 0000 03e7 abcd 0007 0de9 0002 41"))
    assert (ietf.raw, ietf.mandatory, ietf.problem) == (b"\xab\xcd", True, "unknown")
    # Vendor 3561 type 2 is no Protocol Version: a daemon once mixed them up (xl2tpd issue 163).
    assert (vendor.vendor, vendor.number, vendor.raw, vendor.value) == (3561, 2, b"A", None)
    assert vendor.name == "AVP 3561/2"


def test_reserved_bits_make_an_avp_unrecognised() -> None:
    (avp,) = decode_avps(bytes.fromhex("8408 0000 0002 0100"))
    assert avp.problem == "reserved bits set"


# RFC 2661 §7.1 names this one: Rx Connect Speed with length 8 instead of 10, M = 0.
def test_a_malformed_value_is_a_problem_not_an_error() -> None:
    (avp,) = decode_avps(bytes.fromhex("0008 0000 0026 2580"))
    assert avp.value is None
    assert avp.problem is not None
    assert avp.problem.startswith("malformed")
    assert not avp.mandatory


@pytest.mark.parametrize("body", ["8005 0000 00", "8009 0000 0002 0100", "80", "8000 0000 0000"])
def test_broken_lengths(body: str) -> None:
    with pytest.raises(WireError):
        decode_avps(bytes.fromhex(body))


def test_too_many_avps() -> None:
    with pytest.raises(WireError):
        decode_avps(bytes.fromhex("0006 0000 0027") * 300)


@given(st.binary(max_size=200), st.booleans())
def test_fuzz(body: bytes, with_secret: bool) -> None:
    try:
        avps = decode_avps(body, Secret(b"s") if with_secret else None)
    except WireError:
        return
    assert isinstance(avps, tuple)


@given(st.data())
def test_fuzz_behind_valid_lengths(data: st.DataObject) -> None:
    raw = data.draw(st.binary(max_size=40))
    flags = data.draw(st.sampled_from([0, 0x80, 0x40, 0xC0, 0x04]))
    number = data.draw(st.integers(0, 50))
    avp = bytes((flags, 6 + len(raw))) + b"\0\0" + number.to_bytes(2, "big") + raw
    vector = bytes.fromhex("8008 0000 0024 aabb")
    assert len(decode_avps(vector + avp, Secret(b"s"))) == 2


def independent_hide(number: int, value: bytes, secret: bytes, vector: bytes) -> bytes:
    """RFC 2661 §4.3, block by block as its text has it.

    b1 = MD5(AV + S + RV)   c1 = p1 xor b1;   b2 = MD5(S + c1)   c2 = p2 xor b2; …
    """
    plain = len(value).to_bytes(2, "big") + value
    chunks = [plain[i : i + 16] for i in range(0, len(plain), 16)]
    b = md5(number.to_bytes(2, "big") + secret + vector).digest()
    result = []
    for p in chunks:
        c = bytes(x ^ y for x, y in zip(p, b, strict=False))
        result.append(c)
        b = md5(secret + c).digest()
    return b"".join(result)


@pytest.mark.parametrize("length", [0, 1, 13, 14, 15, 16, 30, 31, 100])
def test_hiding_against_the_text_of_section_4_3(length: int) -> None:
    value, vector = bytes(range(length)), b"random vector..."
    hidden = hide_value(30, value, Secret(b"tunnel secret"), vector)
    assert hidden == independent_hide(30, value, b"tunnel secret", vector)
    assert unhide_value(30, hidden, Secret(b"tunnel secret"), vector) == value


@given(st.integers(0, 0xFFFF), st.binary(max_size=300), st.binary(max_size=20), st.binary(max_size=40))
def test_unhiding_undoes_hiding(number: int, value: bytes, secret: bytes, padding: bytes) -> None:
    hidden = hide_value(number, value, Secret(secret), b"rv", padding)
    assert unhide_value(number, hidden, Secret(secret), b"rv") == value


def test_hidden_avp_uses_the_random_vector_before_it() -> None:
    secret = Secret(b"s")
    avps = [
        make_avp(AvpType.MESSAGE_TYPE, 12),
        make_avp(AvpType.RANDOM_VECTOR, b"first"),
        make_avp(AvpType.PROXY_AUTHEN_NAME, b"alice", hidden=True),
        make_avp(AvpType.RANDOM_VECTOR, b"second"),
        make_avp(AvpType.ASSIGNED_SESSION_ID, 77, hidden=True),
    ]
    wire = encode_avps(avps, secret)
    assert b"alice" not in wire
    assert independent_hide(14, b"\x00\x4d", b"s", b"second") in wire
    decoded = decode_avps(wire, secret)
    assert (decoded[2].value, decoded[4].value) == (b"alice", 77)
    assert decoded[2].sensitive


def test_hidden_without_means() -> None:
    wire = encode_avps(
        [make_avp(AvpType.RANDOM_VECTOR, b"rv"), make_avp(AvpType.CALLED_NUMBER, b"x", hidden=True)],
        Secret(b"right"),
    )
    assert decode_avps(wire)[1].problem == "hidden, and no tunnel secret is known"
    assert decode_avps(wire[8:], Secret(b"right"))[0].problem == "hidden without a Random Vector"
    assert decode_avps(wire, Secret(b"wrong"))[1].value is None
    with pytest.raises(ValueError):
        encode_avps([make_avp(AvpType.CALLED_NUMBER, b"x", hidden=True)], Secret(b"s"))


def test_own_limits() -> None:
    with pytest.raises(ValueError):
        make_avp(999, 1)
    with pytest.raises(ValueError):
        encode_avps([make_avp(AvpType.HOST_NAME, bytes(1018))])
    assert len(encode_avps([make_avp(AvpType.HOST_NAME, bytes(1017))])) == 1023
