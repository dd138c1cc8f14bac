"""Frames, control packets and options: known bytes, round trips, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, decode_control_packet
from l2tp_doctor.protocol.ppp.frame import Frame, decode_frame, encode_frame
from l2tp_doctor.protocol.ppp.options import (
    CCP_OPTIONS,
    IPCP_OPTIONS,
    IPV6CP_OPTIONS,
    LCP_OPTIONS,
    Option,
    decode_options,
    describe,
    encode_options,
)
from l2tp_doctor.protocol.wire import WireError


@pytest.mark.parametrize(
    ("wire", "frame"),
    [
        ("ff03c02101", Frame(0xC021, b"\x01")),
        ("c02101", Frame(0xC021, b"\x01")),  # ACFC, RFC 1661 §6.6
        ("ff03002145", Frame(0x21, b"\x45")),
        ("ff032145", Frame(0x21, b"\x45")),  # PFC, RFC 1661 §6.5
        ("2145", Frame(0x21, b"\x45")),
    ],
)
def test_frame_forms(wire: str, frame: Frame) -> None:
    assert decode_frame(bytes.fromhex(wire)) == frame


@pytest.mark.parametrize("wire", ["", "ff03", "c0", "c022", "ff", "ff03ff"])
def test_bad_frames(wire: str) -> None:
    with pytest.raises(WireError):
        decode_frame(bytes.fromhex(wire))


def test_compression_never_touches_lcp() -> None:
    lcp = encode_frame(Frame(0xC021, b"x"), compress_address=True, compress_protocol=True)
    assert lcp == b"\xff\x03\xc0\x21x"
    assert encode_frame(Frame(0x21, b"x"), compress_address=True, compress_protocol=True) == b"\x21x"


@given(
    st.sampled_from([0x21, 0x57, 0xC021, 0x8021, 0x80FD]),
    st.binary(max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_frame_round_trip(protocol: int, payload: bytes, address: bool, short: bool) -> None:
    frame = Frame(protocol, payload)
    assert decode_frame(encode_frame(frame, compress_address=address, compress_protocol=short)) == frame


def test_padding_behind_length_is_ignored() -> None:
    # RFC 1661 §5: "Octets outside the range of the Length field are treated as padding"
    assert decode_control_packet(b"\x01\x07\x00\x05A\0\0") == ControlPacket(1, 7, b"A")


def test_windows_first_request_options() -> None:
    # MRU 1400, Magic, PFC, ACFC, Callback 6 (CBCP)
    wire = bytes.fromhex("01040578 0506aabbccdd 0702 0802 0d0306")
    assert describe(decode_options(wire), LCP_OPTIONS) == {
        "MRU": 1400,
        "Magic-Number": "aabbccdd",
        "Protocol-Field-Compression": True,
        "Address-and-Control-Field-Compression": True,
        "Callback": "06",
    }


@given(st.lists(st.builds(Option, st.integers(0, 255), st.binary(max_size=20)), max_size=10))
def test_options_round_trip(options: list[Option]) -> None:
    assert decode_options(encode_options(options)) == tuple(options)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes) -> None:
    for decode in (decode_frame, decode_control_packet):
        try:
            decode(data)
        except WireError:
            continue
    try:
        options = decode_options(data)
    except WireError:
        return
    for table in (LCP_OPTIONS, IPCP_OPTIONS, IPV6CP_OPTIONS, CCP_OPTIONS):
        describe(options, table)
