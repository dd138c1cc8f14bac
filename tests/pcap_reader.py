"""A small reader for capture files in tests: classic pcap and simple pcapng, UDP over IPv4 and IPv6.

It reads what it can: a file cut in mid-packet ends there, packets of other kinds, fragments
and those cut short by the snap length are left out.  Names in it follow the pcap documentation.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_CLASSIC = {
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
}
_SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_ETHERNET, _NULL, _LINUX_SLL, _LINUX_SLL2 = 1, 0, 113, 276
_RAW_IP = {12, 14, 101, 228, 229}
_ETHERTYPES = {0x0800, 0x86DD}
_VLANS = {0x8100, 0x88A8}
_UDP = 17


@dataclass(frozen=True, slots=True)
class UdpPacket:
    """One UDP datagram; ``time`` in seconds since 1970 as the capture has it."""

    time: float
    source_port: int
    destination_port: int
    payload: bytes


def data_directory() -> Path:
    """Returns the directory of recorded evidence, or skips the test; in CI its absence is a failure."""
    configured = os.environ.get("L2TP_DOCTOR_DATA")
    path = Path(configured) if configured else Path(__file__).parents[1] / ".." / "shared" / "data"
    if not (path / "MANIFEST.tsv").is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"recorded evidence is missing in CI: {path}")
        pytest.skip(f"no recorded evidence at {path} (set L2TP_DOCTOR_DATA)")
    return path.resolve()


def capture_files() -> list[Path]:
    """Returns every capture file of the recorded evidence, in a fixed order."""
    suffixes = {".pcap", ".pcapng", ".cap"}
    return sorted(path for path in data_directory().rglob("*") if path.suffix in suffixes and path.is_file())


def read_udp(path: Path) -> Iterator[UdpPacket]:
    """Yields the whole, unfragmented UDP datagrams of a capture file."""
    for time, link_type, frame in read_frames(path.read_bytes()):
        packet = _ip_packet(link_type, frame)
        udp = _udp_datagram(packet) if packet else None
        if udp is None:
            continue
        source, destination, length = struct.unpack_from(">HHH", udp)
        if 8 <= length <= len(udp):
            yield UdpPacket(time, source, destination, udp[8:length])


def read_frames(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    """Yields time, link type and bytes of each frame; nothing for a file of another format."""
    if data[:4] in _CLASSIC:
        yield from _classic(data)
    elif data[:4] == _SECTION_HEADER:
        yield from _pcapng(data)


def _classic(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    order, ticks = _CLASSIC[data[:4]]
    if len(data) < 24:
        return
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    position = 24
    while position + 16 <= len(data):
        seconds, fraction, size, _original = struct.unpack_from(order + "IIII", data, position)
        position += 16
        if position + size > len(data):
            return
        yield seconds + fraction / ticks, link_type, data[position : position + size]
        position += size


def _pcapng(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    order, position = "<", 0
    link_types: list[int] = []
    while position + 12 <= len(data):
        if data[position : position + 4] == _SECTION_HEADER:
            order = ">" if data[position + 8 : position + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            link_types = []
        kind, total = struct.unpack_from(order + "II", data, position)
        if total < 12 or position + total > len(data):
            return
        body = data[position + 8 : position + total - 4]
        if kind == _INTERFACE and len(body) >= 8:
            link_types.append(struct.unpack_from(order + "H", body)[0])
        elif kind == _ENHANCED and len(body) >= 20:
            interface, high, low, size = struct.unpack_from(order + "IIII", body)
            if interface < len(link_types):
                # The default resolution; the option for another one is not looked at.
                yield (high << 32 | low) / 1e6, link_types[interface], body[20 : 20 + size]
        elif kind == _SIMPLE and len(body) >= 4 and link_types:
            size = struct.unpack_from(order + "I", body)[0]
            yield 0.0, link_types[0], body[4 : 4 + size]
        position += total


def _ip_packet(link_type: int, frame: bytes) -> bytes | None:
    """Returns the IP packet in a frame, ``None`` when there is none."""
    if link_type in _RAW_IP:
        return frame
    if link_type == _NULL:
        return frame[4:]
    if link_type == _LINUX_SLL2:
        return frame[20:] if int.from_bytes(frame[:2], "big") in _ETHERTYPES else None
    position = {_ETHERNET: 12, _LINUX_SLL: 14}.get(link_type)
    if position is None:
        return None
    while int.from_bytes(frame[position : position + 2], "big") in _VLANS:
        position += 4
    return (
        frame[position + 2 :]
        if int.from_bytes(frame[position : position + 2], "big") in _ETHERTYPES
        else None
    )


def _udp_datagram(packet: bytes) -> bytes | None:
    """Returns the UDP header and what follows, ``None`` for fragments and other protocols."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        header_size, total = (packet[0] & 0x0F) * 4, int.from_bytes(packet[2:4], "big")
        fragmented = int.from_bytes(packet[6:8], "big") & 0x3FFF
        if packet[9] != _UDP or fragmented:
            return None
        packet = packet[: total or len(packet)]
        return packet[header_size:] if len(packet) >= header_size + 8 else None
    if len(packet) >= 48 and packet[0] >> 4 == 6 and packet[6] == _UDP:
        return packet[40:]
    return None
