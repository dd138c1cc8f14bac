"""Writes what crossed the sockets as pcapng, with IP and UDP headers built around each payload.

Format: draft-ietf-opsawg-pcapng.  One section, one interface of link type RAW (101), whose
packets begin with the IPv4 or IPv6 header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from l2tp_doctor.network.capture import CapturedPacket, Endpoint
from l2tp_doctor.protocol.engine import Channel, Direction
from l2tp_doctor.protocol.ip import (
    ESP,
    UDP,
    IpAddress,
    Ipv4Packet,
    Ipv6Packet,
    UdpDatagram,
    build_ipv4,
    build_ipv6,
    build_udp,
)

LINKTYPE_RAW = 101
_NON_ESP_MARKER = bytes(4)

_OPT_END, _OPT_COMMENT = 0, 1
_SHB_USERAPPL = 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_EPB_FLAGS = 2
_INBOUND, _OUTBOUND = 1, 2


def _addresses(source: Endpoint, destination: Endpoint) -> tuple[IpAddress, IpAddress]:
    """Parses both; a side that is unknown or of the other family becomes the unspecified address."""

    def parse(text: str) -> IpAddress | None:
        try:
            return ip_address(text.partition("%")[0])
        except ValueError:
            return None

    first, second = parse(source.address), parse(destination.address)
    version = max(
        (address.version for address in (first, second) if address and not address.is_unspecified),
        default=4,
    )
    nowhere: IpAddress = IPv4Address(0) if version == 4 else IPv6Address(0)

    def settle(address: IpAddress | None) -> IpAddress:
        return address if address is not None and address.version == version else nowhere

    return settle(first), settle(second)


def _ip_packet(source: IpAddress, destination: IpAddress, protocol: int, payload: bytes) -> bytes:
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        return build_ipv6(Ipv6Packet(source, destination, protocol, payload))
    if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
        return build_ipv4(Ipv4Packet(source, destination, protocol, payload))
    raise ValueError("source and destination are of different IP versions")


def _outer(packet: CapturedPacket, payload: bytes) -> bytes:
    source, destination = _addresses(packet.source, packet.destination)
    if packet.channel is Channel.ESP:
        return _ip_packet(source, destination, ESP, payload)
    ports = (packet.source.port, packet.destination.port)
    segment = build_udp(UdpDatagram(*ports, payload), source, destination)
    return _ip_packet(source, destination, UDP, segment)


def _in_clear(packet: CapturedPacket, inner: bytes) -> bytes:
    """Returns the packet that would have crossed the wire without encryption."""
    is_isakmp = packet.channel is Channel.IKE or (
        packet.channel is Channel.NAT_T and packet.payload.startswith(_NON_ESP_MARKER)
    )
    if is_isakmp:
        marked = packet.channel is Channel.NAT_T and not inner.startswith(_NON_ESP_MARKER)
        return _outer(packet, _NON_ESP_MARKER + inner if marked else inner)
    if inner[:1] and inner[0] >> 4 in (4, 6):
        return inner
    source, destination = _addresses(packet.source, packet.destination)
    return _ip_packet(source, destination, UDP, inner)  # transport mode gives the UDP segment itself


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _decode_as(packets: Iterable[CapturedPacket]) -> dict[Channel, str]:
    """Returns, for each channel on a port Wireshark does not know, how to tell it."""
    notes: dict[Channel, str] = {}
    known = {Channel.IKE: (500, "isakmp"), Channel.NAT_T: (4500, "udpencap")}
    for packet in packets:
        if packet.channel in notes or packet.channel not in known:
            continue
        usual, dissector = known[packet.channel]
        gateway = packet.destination if packet.direction is Direction.OUT else packet.source
        if gateway.port != usual:
            notes[packet.channel] = (
                f"Gateway port {gateway.port} stands in for UDP {usual}: "
                f"decode as -d udp.port=={gateway.port},{dissector}"
            )
    return notes


def pcapng_blocks(
    packets: Iterable[CapturedPacket], *, epoch: float, application: str, decrypted: bool = False
) -> Iterator[bytes]:
    """Yields the blocks of one pcapng section.

    Args:
        packets: in the order they crossed the sockets.
        epoch: wall-clock time of the run's second 0, in seconds since 1970 (UTC).
        application: name and version of the writer.
        decrypted: writes the clear text where there is one, else the packet as it was.
    """
    rows = tuple(packets)
    notes = _decode_as(rows)
    options = [_option(_SHB_USERAPPL, application.encode())]
    options += [_option(_OPT_COMMENT, note.encode()) for note in notes.values()]
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    yield _block(0x0A0D0D0A, section + b"".join(options) + _option(_OPT_END, b""))
    label = b"clear text of encrypted packets" if decrypted else b"rebuilt from socket payloads"
    options = [_option(_IF_NAME, b"l2tp-doctor"), _option(_IF_DESCRIPTION, label)]
    options += [_option(_IF_TSRESOL, b"\x06"), _option(_OPT_END, b"")]
    yield _block(1, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + b"".join(options))
    for packet in rows:
        clear = packet.decrypted if decrypted else None
        data = _outer(packet, packet.payload) if clear is None else _in_clear(packet, clear)
        ticks = max(0, round((epoch + packet.at) * 1_000_000))
        flags = _INBOUND if packet.direction is Direction.IN else _OUTBOUND
        options = [_option(_EPB_FLAGS, struct.pack("<I", flags))]
        if packet.channel in notes:
            options.append(_option(_OPT_COMMENT, notes.pop(packet.channel).encode()))
        fixed = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        yield _block(6, fixed + data + bytes(-len(data) % 4) + b"".join(options) + _option(_OPT_END, b""))


def pcapng(
    packets: Iterable[CapturedPacket], *, epoch: float, application: str, decrypted: bool = False
) -> bytes:
    """Returns a whole pcapng file; see :func:`pcapng_blocks`."""
    return b"".join(pcapng_blocks(packets, epoch=epoch, application=application, decrypted=decrypted))
