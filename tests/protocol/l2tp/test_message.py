"""Headers, whole messages, authentication, and the texts of the trace."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.l2tp import builder, codes, demultiplex
from l2tp_doctor.protocol.l2tp.authentication import challenge_response
from l2tp_doctor.protocol.l2tp.avp import AvpType, make_avp
from l2tp_doctor.protocol.l2tp.config import Refusal, Role, TunnelConfig
from l2tp_doctor.protocol.l2tp.describe import describe_avps, summary
from l2tp_doctor.protocol.l2tp.message import (
    ControlFrame,
    DataMessage,
    MessageType,
    control_body,
    decode_control,
    decode_message,
    encode_control,
    encode_data,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError
from tests.protocol.l2tp.support import lac_config


def test_zlb_wire_form() -> None:
    # RFC 2661 §3.1: T L S set, version 2; length 12; tunnel, session, Ns, Nr
    wire = bytes.fromhex("c802 000c 0007 0000 0002 0003")
    assert encode_control(7, 0, 2, 3) == wire
    assert decode_message(wire) == ControlFrame(7, 0, 2, 3)


@pytest.mark.parametrize("ns", [None, 0, 65535])
@pytest.mark.parametrize("length_bit", [False, True])
@pytest.mark.parametrize("offset", [None, 0, 5])
def test_data_header_forms(ns: int | None, length_bit: bool, offset: int | None) -> None:
    message = DataMessage(1, 2, b"\xff\x03\xc0\x21", ns)
    wire = encode_data(message, length_bit=length_bit, offset=offset)
    flags = 2 | (0x4000 if length_bit else 0) | (0x800 if ns is not None else 0)
    assert int.from_bytes(wire[:2], "big") == flags | (0x200 if offset is not None else 0)
    expected = 6 + 2 * length_bit + 4 * (ns is not None) + (0 if offset is None else 2 + offset) + 4
    assert len(wire) == expected
    assert decode_message(wire) == message


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        ("", "flags"),
        ("c8", "flags"),
        ("c803 000c 0000 0000 0000 0000", "version"),
        ("c801 000c 0000 0000 0000 0000", "version"),
        ("c802 0100 0000 0000 0000 0000", "length"),
        ("c802 0003 0000 0000 0000 0000", "length"),
        ("8802 0000 0000 0000 0000 0000", "flags"),
        ("c002 000c 0000 0000 0000 0000", "flags"),
        ("ca02 000c 0000 0000 0000 0000", "flags"),
        ("c802 000a 0000 0000 0000 0000", "Nr"),
        ("0202 0001 0002 0050 00", "offset padding"),
    ],
)
def test_headers_that_are_none(wire: str, field: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_message(bytes.fromhex(wire))
    assert caught.value.field == field


def test_l2tpv3_is_named() -> None:
    with pytest.raises(WireError, match="L2TPv3"):
        decode_message(bytes.fromhex("c803 000c 0000 0000 0000 0000"))


def test_first_avp_must_be_the_message_type() -> None:
    with pytest.raises(WireError):
        decode_control(ControlFrame(1, 0, 0, 0, bytes.fromhex("8008 0000 0002 0100")))
    with pytest.raises(WireError):
        decode_control(ControlFrame(1, 0, 0, 0, b""))


# The size in the xl2tpd log of a Windows 10 client whose host name is RWB-LAPTOP-DELL:
# "recv packet from 192.168.1.11, size = 108" (https://github.com/xelerance/xl2tpd/issues/219).
def test_sccrq_has_the_size_of_a_windows_10_sccrq() -> None:
    datagram = encode_control(0, 0, 0, 0, builder.sccrq(lac_config(), 1, None))
    assert len(datagram) == 108
    frame = decode_message(datagram)
    assert isinstance(frame, ControlFrame)
    message = decode_control(frame)
    fields = describe_avps(message.avps, message.type)
    assert fields == {
        "Protocol Version": "0x0100",
        "Framing Capabilities": 1,
        "Bearer Capabilities": 0,
        "Firmware Revision": "0x0a00",
        "Host Name": "RWB-LAPTOP-DELL",
        "Vendor Name": "Microsoft",
        "Assigned Tunnel ID": 1,
        "Receive Window Size": 8,
    }


def test_challenge_response_is_md5_of_type_secret_challenge() -> None:
    # RFC 2661 §4.4.3 with RFC 1994's formula: MD5(ID + secret + challenge)
    expected = md5(b"\x03" + b"secret" + b"0123456789abcdef").digest()
    assert challenge_response(MessageType.SCCCN, Secret(b"secret"), b"0123456789abcdef") == expected


@given(st.binary(max_size=120))
def test_fuzz(datagram: bytes) -> None:
    demultiplex(datagram)
    try:
        message = decode_message(datagram)
        if isinstance(message, ControlFrame):
            decode_control(message)
    except WireError:
        return


@given(st.sampled_from([0xC8, 0xC9, 0x40, 0x48, 0x4A, 0x00, 0x02, 0x08]), st.binary(max_size=120))
def test_fuzz_behind_a_good_version(first: int, rest: bytes) -> None:
    datagram = bytes((first, 2)) + (len(rest) + 4).to_bytes(2, "big") + rest
    try:
        message = decode_message(datagram)
        if isinstance(message, ControlFrame):
            decode_control(message)
    except WireError:
        return


def test_demultiplex() -> None:
    sccrq = demultiplex(encode_control(0, 0, 0, 0, builder.sccrq(lac_config(), 77, None)))
    assert sccrq is not None
    assert (sccrq.tunnel_id, sccrq.is_sccrq, sccrq.assigned_tunnel_id) == (0, True, 77)
    stop = demultiplex(encode_control(0, 0, 1, 0, builder.stopccn(77, Refusal(1))))
    assert stop is not None
    assert (stop.is_sccrq, stop.assigned_tunnel_id) == (False, 77)
    data = demultiplex(encode_data(DataMessage(5, 6, b"x")))
    assert data is not None
    assert (data.tunnel_id, data.session_id, data.is_control) == (5, 6, False)
    zlb = demultiplex(encode_control(5, 0, 1, 1))
    assert zlb is not None
    assert zlb.is_control
    assert demultiplex(b"") is None
    assert demultiplex(encode_control(0, 0, 0, 0, b"junk")) is None


def test_bytes_behind_the_length_field_are_ignored() -> None:
    assert decode_message(encode_control(1, 0, 0, 0) + b"padding") == ControlFrame(1, 0, 0, 0)


def test_trace_texts() -> None:
    body = builder.stopccn(9, Refusal(2, 4, "no tunnels left"))
    message = decode_control(ControlFrame(1, 0, 0, 0, body))
    fields = describe_avps(message.avps, message.type)
    assert summary(message.type, (1, 9), (0, 0), fields) == (
        "StopCCN tunnel 1→9: result 2 (general error, see the error code), "
        'error 4 (insufficient resources to handle this operation now), "no tunnels left"'
    )
    secretive = control_body(MessageType.SCCCN, [make_avp(AvpType.CHALLENGE_RESPONSE, b"R" * 16)])
    shown = describe_avps(decode_control(ControlFrame(1, 0, 0, 0, secretive)).avps, 3)
    assert shown == {"Challenge Response": "(16 bytes, not shown)"}
    twice = control_body(MessageType.ICRP, [make_avp(AvpType.CALLED_NUMBER, b"1")] * 2)
    assert describe_avps(decode_control(ControlFrame(1, 0, 0, 0, twice)).avps, 11) == {
        "Called Number": "1",
        "Called Number #2": "1",
    }


def test_code_names() -> None:
    # RFC 2661 §4.4.2: StopCCN 1…7, CDN 1…11, errors 0…8
    assert sorted(codes.STOPCCN_RESULT_NAMES) == list(range(1, 8))
    assert sorted(codes.CDN_RESULT_NAMES) == list(range(1, 12))
    assert sorted(codes.ERROR_NAMES) == list(range(9))
    assert codes.stopccn_result_name(99) == "result code 99"
    assert codes.cdn_result_name(99) == "result code 99"
    assert codes.error_name(99) == "error code 99"


@pytest.mark.parametrize(
    ("name", "tunnel_id", "window"), [("", 1, 8), ("h", 0, 8), ("h", 65536, 8), ("h", 1, 0)]
)
def test_config_refuses_nonsense(name: str, tunnel_id: int, window: int) -> None:
    with pytest.raises(ValueError):
        TunnelConfig(Role.LAC, name, tunnel_id=tunnel_id, receive_window=window)
