"""Real captures: a CPE (xl2tpd) against a Cisco LNS, and tcpdump's hostile AVPs.

The captures are not part of this repository (their licences differ); they are looked
for in ``L2TP_DOCTOR_DATA`` or in ``../shared/data`` beside the repository.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from l2tp_doctor.protocol.l2tp import L2tpTunnel, demultiplex
from l2tp_doctor.protocol.l2tp.avp import AvpType, encode_avps
from l2tp_doctor.protocol.l2tp.message import (
    ControlFrame,
    ControlMessage,
    DataMessage,
    decode_control,
    decode_message,
    encode_control,
)
from l2tp_doctor.protocol.wire import WireError
from tests.pcap_reader import data_directory
from tests.protocol.l2tp.support import lac_config, seeded

WIKI = "ajbanjara+Wireshark/uploads/__moin_import__/attachments/SampleCaptures"


def capture(name: str) -> bytes:
    path = data_directory() / name
    return path.read_bytes()


def ethernet_packets(pcap: bytes) -> Iterator[bytes]:
    """Yields the packets of a little-endian microsecond pcap of Ethernet frames."""
    assert pcap[:4] == b"\xd4\xc3\xb2\xa1"
    position = 24
    while position + 16 <= len(pcap):
        (length,) = struct.unpack_from("<I", pcap, position + 8)
        yield pcap[position + 16 : position + 16 + length]
        position += 16 + length


def udp1701(packet: bytes) -> bytes | None:
    """Returns the UDP payload of port 1701, below any VLAN tag or PPPoE header."""
    kind, rest = int.from_bytes(packet[12:14], "big"), packet[14:]
    while kind == 0x8100:
        kind, rest = int.from_bytes(rest[2:4], "big"), rest[4:]
    if kind == 0x8864 and rest[6:8] == b"\x00\x21":
        kind, rest = 0x0800, rest[8:]
    if kind != 0x0800 or len(rest) < 28 or rest[9] != 17:
        return None
    udp = rest[(rest[0] & 15) * 4 :]
    source, destination, length = struct.unpack_from("!HHH", udp)
    return udp[8:length] if 1701 in (source, destination) else None


def l2tp_messages(name: str) -> list[bytes]:
    return [payload for packet in ethernet_packets(capture(name)) if (payload := udp1701(packet))]


def control(datagram: bytes) -> ControlMessage | None:
    frame = decode_message(datagram)
    return decode_control(frame) if isinstance(frame, ControlFrame) and not frame.is_zlb else None


def test_set_up_of_a_cpe() -> None:
    datagrams = l2tp_messages(f"{WIKI}/nb6-startup.pcap")
    messages = [message for datagram in datagrams if (message := control(datagram)) is not None]
    # Read off with a protocol analyser (Wireshark).
    assert [message.name for message in messages[:6]] == ["SCCRQ", "SCCRP", "SCCCN", "ICRQ", "ICRP", "ICCN"]
    assert all(avp.problem is None for message in messages for avp in message.avps)
    sccrq, sccrp, scccn, icrq, icrp, iccn = messages[:6]
    assert sccrq.text(AvpType.HOST_NAME) == "109.6.1.72"
    assert sccrq.text(AvpType.VENDOR_NAME) == "xelerance.com"
    assert sccrq.integer(AvpType.ASSIGNED_TUNNEL_ID) == 18994
    assert sccrp.text(AvpType.VENDOR_NAME) == "Cisco Systems, Inc."
    assert sccrp.integer(AvpType.ASSIGNED_TUNNEL_ID) == 1527
    assert sccrp.integer(AvpType.RECEIVE_WINDOW_SIZE) == 1000
    assert sccrp.octets(AvpType.CHALLENGE) == bytes.fromhex("508154fa7878436c331b3a2b11431373")
    assert scccn.octets(AvpType.CHALLENGE_RESPONSE) == bytes.fromhex("01dc485b13eacb71a38fa9dd2a74fcbe")
    assert icrq.integer(AvpType.ASSIGNED_SESSION_ID) == 54110
    assert icrp.integer(AvpType.ASSIGNED_SESSION_ID) == 8298
    assert icrp.session_id == 54110
    assert (iccn.integer(AvpType.TX_CONNECT_SPEED), iccn.integer(AvpType.RX_CONNECT_SPEED)) == (0, 0)


@pytest.mark.parametrize("name", ["nb6-startup.pcap", "nb6-http.pcap"])
def test_control_messages_are_written_back_byte_by_byte(name: str) -> None:
    count = 0
    for datagram in l2tp_messages(f"{WIKI}/{name}"):
        frame = decode_message(datagram)
        if isinstance(frame, DataMessage):
            assert frame.payload
            continue
        body = b"" if frame.is_zlb else encode_avps(decode_control(frame).avps)
        assert encode_control(frame.tunnel_id, frame.session_id, frame.ns, frame.nr, body) == datagram
        count += 1
    assert count


def test_hostile_avps() -> None:
    pcap = capture("the-tcpdump-group+tcpdump/tests/l2tp-avp-overflow.pcap")
    tunnel = L2tpTunnel(lac_config(), seeded("lac"))
    tunnel.start(0.0)
    # The file's link type and lengths are damaged on purpose: every window of it is tried.
    for start in range(24, len(pcap)):
        datagram = pcap[start : start + 400]
        tunnel.receive(datagram, 0.1)
        demultiplex(datagram)
        try:
            control(datagram)
        except WireError:
            continue
