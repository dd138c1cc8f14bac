"""The captures open in Wireshark and say what crossed the wire."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from l2tp_doctor.network.capture import CapturedPacket
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.report.pcapng import pcapng
from tests.report.samples import MAIN_1, packet

EPOCH = 1_700_000_000.0
MARKER = bytes(4)

# RFC 2661 §3.1 and §4.1: a control message (T, L, S set, version 2) with one AVP, Message Type SCCRQ.
SCCRQ = bytes.fromhex("c802 0014 0000 0000 0000 0000 8008 0000 0000 0001")
# RFC 1661 §5.1 in an L2TP data message (L set): PPP ff03 c021, Configure-Request with MRU 1400.
LCP = bytes.fromhex("4002 0014 0001 0001 ff03 c021 01 01 0008 0104 0578")


def udp(payload: bytes) -> bytes:
    return struct.pack("!HHHH", 1701, 1701, 8 + len(payload), 0) + payload


def inner_ip(payload: bytes) -> bytes:
    """IPv4 (RFC 791) around UDP 1701, its header checksum computed here on its own."""
    segment = udp(payload)
    words = [0x4500, 20 + len(segment), 0, 0, 0x4011, 0, 0xC633, 0x6407, 0xC000, 0x0201]
    total = sum(words)
    words[5] = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return struct.pack("!10H", *words) + segment


def tshark(path: Path, *options: str) -> list[str]:
    if shutil.which("tshark") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing in CI")
        pytest.skip("tshark is not installed")
    result = subprocess.run(
        ["tshark", "-n", "-r", str(path), *options], capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout.splitlines()


def saved(tmp_path: Path, *packets: CapturedPacket, decrypted: bool = False) -> Path:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(pcapng(packets, epoch=EPOCH, application="l2tp-doctor test", decrypted=decrypted))
    return path


FIELDS = ("-T", "fields", "-e", "frame.time_epoch", "-e", "frame.protocols")
CHECKSUMS = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")


def test_isakmp_on_500_and_4500_is_dissected(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        packet(Channel.IKE, MAIN_1, at=0.25),
        packet(Channel.NAT_T, MARKER + MAIN_1, at=0.5, inbound=True),
    )
    first, second = tshark(path, *FIELDS)
    assert first.startswith("1700000000.250000")
    assert first.endswith("raw:ip:udp:isakmp")
    assert second.startswith("1700000000.500000")
    assert second.endswith("udpencap:isakmp")


@pytest.mark.parametrize(
    ("client", "gateway"), [("198.51.100.7", "192.0.2.1"), ("2001:db8::7", "2001:db8::1")]
)
def test_checksums_are_right(tmp_path: Path, client: str, gateway: str) -> None:
    path = saved(
        tmp_path,
        packet(Channel.IKE, MAIN_1, client=client, gateway=gateway),
        packet(Channel.IKE, MAIN_1 + b"\0", client=client, gateway=gateway, inbound=True),
    )
    lines = tshark(path, *CHECKSUMS, "-T", "fields", "-e", "udp.checksum.status")
    assert lines == ["1", "1"]
    assert tshark(path, *CHECKSUMS, "-Y", "ip.checksum.status == 0 || _ws.malformed") == []


def test_native_esp_is_protocol_50(tmp_path: Path) -> None:
    path = saved(tmp_path, packet(Channel.ESP, bytes.fromhex("11223344 00000001") + bytes(40)))
    (line,) = tshark(path, "-T", "fields", "-e", "ip.proto", "-e", "esp.spi")
    assert line == "50\t0x11223344"


def test_esp_in_udp_is_dissected(tmp_path: Path) -> None:
    path = saved(tmp_path, packet(Channel.NAT_T, bytes.fromhex("11223344 00000001") + bytes(40)))
    (line,) = tshark(path, *FIELDS)
    assert line.endswith("udpencap:esp")


@pytest.mark.parametrize("channel", [Channel.ESP, Channel.NAT_T])
@pytest.mark.parametrize("whole_packet", [True, False])
def test_decrypted_copy_shows_l2tp_and_lcp(tmp_path: Path, channel: Channel, whole_packet: bool) -> None:
    encrypted = bytes.fromhex("11223344 00000001") + bytes(40)
    wrap = inner_ip if whole_packet else udp
    path = saved(
        tmp_path,
        packet(channel, encrypted, wrap(SCCRQ)),
        packet(channel, encrypted, wrap(LCP)),
        decrypted=True,
    )
    first, second = tshark(path, "-T", "fields", "-e", "frame.protocols")
    assert first.endswith("udp:l2tp")
    assert "l2tp:ppp" in second
    text = "\n".join(tshark(path, "-V"))
    assert "Start_Control_Request" in text
    assert "PPP Link Control Protocol" in text
    assert "Configuration Request" in text


def test_decrypted_isakmp_keeps_the_non_esp_marker(tmp_path: Path) -> None:
    hidden = MARKER + MAIN_1[:19] + b"\x01" + MAIN_1[20:28] + bytes(52)
    path = saved(tmp_path, packet(Channel.NAT_T, hidden, MAIN_1), decrypted=True)
    (line,) = tshark(path, "-T", "fields", "-e", "isakmp.flag_e", "-e", "isakmp.exchangetype")
    assert line in ("0\t2", "False\t2")


def test_without_clear_text_the_packet_stays_as_it_was(tmp_path: Path) -> None:
    hidden = MARKER + MAIN_1[:19] + b"\x01" + MAIN_1[20:28] + bytes(52)
    assert pcapng([packet(Channel.NAT_T, hidden)], epoch=EPOCH, application="x", decrypted=True).count(hidden)


def test_other_ports_carry_a_note_how_to_decode(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        packet(Channel.IKE, MAIN_1, ports=(10500, 14500)),
        packet(Channel.NAT_T, MARKER + MAIN_1, ports=(10500, 14500)),
        packet(Channel.NAT_T, MARKER + MAIN_1, ports=(10500, 14500)),
    )
    comments = tshark(path, "-T", "fields", "-e", "frame.comment")
    assert "udp.port==10500,isakmp" in comments[0]
    assert "udp.port==14500,udpencap" in comments[1]
    assert comments[2] == ""
    decoded = tshark(
        path, "-d", "udp.port==10500,isakmp", "-d", "udp.port==14500,udpencap", "-Y", "isakmp",
    )  # fmt: skip
    assert len(decoded) == 3


def test_usual_ports_carry_no_note() -> None:
    assert b"decode as" not in pcapng([packet(Channel.IKE, MAIN_1)], epoch=EPOCH, application="x")


@pytest.mark.parametrize(
    ("client", "gateway"),
    [("", "192.0.2.1"), ("0.0.0.0", "2001:db8::1"), ("fe80::1%eth0", "fe80::2%eth0"), ("?", "?")],
)
def test_unknown_addresses_do_not_break_the_file(tmp_path: Path, client: str, gateway: str) -> None:
    path = saved(tmp_path, packet(Channel.IKE, MAIN_1, client=client, gateway=gateway))
    assert len(tshark(path)) == 1


def test_no_packets_is_still_a_file(tmp_path: Path) -> None:
    assert tshark(saved(tmp_path)) == []
