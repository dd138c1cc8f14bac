"""IPv4, IPv6, UDP and ICMP as far as a tunnel needs them.

Inside the tunnel there is no operating system to make headers, so the echo that
proves the data path, and the UDP header L2TP wears inside ESP, are built here.
Decoders are strict: a value or :class:`~l2tp_doctor.protocol.wire.WireError`.
Header options and extension headers are kept as bytes or refused, never interpreted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from .wire import Reader, WireError, Writer

IpAddress = IPv4Address | IPv6Address

ICMP = 1
UDP = 17
ESP = 50
ICMPV6 = 58

UDP_HEADER_SIZE = 8
IPV6_HEADER_SIZE = 40
_IPV4_MINIMUM_HEADER = 20
_ECHO_TYPES = {4: (8, 0), 6: (128, 129)}  # request, reply: RFC 792, RFC 4443 §4
# RFC 792 (3 unreachable, 4 source quench, 5 redirect, 11 time exceeded, 12 parameter problem);
# RFC 4443 §3 (1 unreachable, 2 packet too big, 3 time exceeded, 4 parameter problem).
_ERROR_TYPES = {4: frozenset({3, 4, 5, 11, 12}), 6: frozenset({1, 2, 3, 4})}


def internet_checksum(data: bytes) -> int:
    """Returns the one's complement of the one's complement sum of 16-bit words (RFC 1071)."""
    if len(data) % 2:
        data += b"\x00"
    # 2^16 ≡ 1 modulo 2^16-1, so the sum of the words is the whole number modulo 2^16-1 …
    total = int.from_bytes(data, "big")
    remainder = total % 0xFFFF
    # … except that a sum which is a multiple of it, but not zero, stays 0xFFFF when carries are added.
    return 0xFFFF ^ (0xFFFF if remainder == 0 and total else remainder)


def pseudo_header(source: IpAddress, destination: IpAddress, protocol: int, length: int) -> bytes:
    """Returns what UDP and ICMPv6 checksums also cover (RFC 768; RFC 8200 §8.1).

    Raises:
        ValueError: the addresses are of different versions.
    """
    if source.version != destination.version:
        raise ValueError("source and destination are of different IP versions")
    addresses = source.packed + destination.packed
    if source.version == 4:
        return addresses + bytes((0, protocol)) + length.to_bytes(2, "big")
    return addresses + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


@dataclass(frozen=True, slots=True)
class Ipv4Packet:
    """An IPv4 packet (RFC 791)."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload: bytes
    ttl: int = 64
    identification: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0
    """In units of 8 bytes."""
    traffic_class: int = 0
    options: bytes = b""
    """A multiple of 4 bytes."""

    @property
    def is_fragment(self) -> bool:
        """Whether ``payload`` is only a part of the datagram."""
        return self.more_fragments or self.fragment_offset > 0


def build_ipv4(packet: Ipv4Packet) -> bytes:
    """Returns the packet's bytes with its header checksum.

    Raises:
        ValueError, OverflowError: a field does not fit (a mistake of the caller).
    """
    header_size = _IPV4_MINIMUM_HEADER + len(packet.options)
    if header_size % 4 or header_size > 60:
        raise ValueError("IPv4 options fill 0 to 40 bytes in steps of 4")
    if header_size + len(packet.payload) > 0xFFFF:
        raise ValueError("an IPv4 packet has at most 65535 bytes")
    if not 0 <= packet.fragment_offset < 1 << 13:
        raise ValueError("the fragment offset has 13 bits")
    writer = Writer()
    writer.uint8(4 << 4 | header_size // 4)
    writer.uint8(packet.traffic_class)
    writer.uint16(header_size + len(packet.payload))
    writer.uint16(packet.identification)
    writer.uint16(packet.dont_fragment << 14 | packet.more_fragments << 13 | packet.fragment_offset)
    writer.uint8(packet.ttl)
    writer.uint8(packet.protocol)
    writer.uint16(0)
    writer.raw(packet.source.packed + packet.destination.packed + packet.options)
    writer.patch_uint16(10, internet_checksum(writer.getvalue()))
    writer.raw(packet.payload)
    return writer.getvalue()


def parse_ipv4(data: bytes) -> Ipv4Packet:
    """Reads one IPv4 packet; bytes behind its total length are link padding and are cut off.

    Raises:
        WireError: not IPv4, truncated, impossible lengths, or a wrong header checksum.
    """
    packet, header_size, total = _ipv4_header(data)
    if total > len(data):
        raise WireError(2, "IPv4 total length", f"{total}, but {len(data)} bytes arrived")
    if internet_checksum(data[:header_size]):
        raise WireError(10, "IPv4 header checksum", "wrong")
    return replace(packet, payload=data[header_size:total])


def _ipv4_header(data: bytes) -> tuple[Ipv4Packet, int, int]:
    """Returns the header (with an empty payload), its size and the total length it claims."""
    reader = Reader(data)
    first = reader.uint8("IPv4 version and IHL")
    if first >> 4 != 4:
        raise WireError(0, "IPv4 version", f"{first >> 4}")
    header_size = (first & 0x0F) * 4
    if header_size < _IPV4_MINIMUM_HEADER:
        raise WireError(0, "IPv4 header length", f"{header_size} bytes")
    traffic_class = reader.uint8("IPv4 type of service")
    total = reader.uint16("IPv4 total length")
    if total < header_size:
        raise WireError(2, "IPv4 total length", f"{total}, less than the header's {header_size}")
    identification = reader.uint16("IPv4 identification")
    flags = reader.uint16("IPv4 flags and fragment offset")
    ttl = reader.uint8("IPv4 time to live")
    protocol = reader.uint8("IPv4 protocol")
    reader.uint16("IPv4 header checksum")
    source = IPv4Address(reader.raw(4, "IPv4 source"))
    destination = IPv4Address(reader.raw(4, "IPv4 destination"))
    options = reader.raw(header_size - _IPV4_MINIMUM_HEADER, "IPv4 options")
    packet = Ipv4Packet(
        source=source,
        destination=destination,
        protocol=protocol,
        payload=b"",
        ttl=ttl,
        identification=identification,
        dont_fragment=bool(flags & 0x4000),
        more_fragments=bool(flags & 0x2000),
        fragment_offset=flags & 0x1FFF,
        traffic_class=traffic_class,
        options=options,
    )
    return packet, header_size, total


@dataclass(frozen=True, slots=True)
class Ipv6Packet:
    """An IPv6 packet (RFC 8200 §3); extension headers stay in the payload."""

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    payload: bytes
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0


def build_ipv6(packet: Ipv6Packet) -> bytes:
    """Returns the packet's bytes.

    Raises:
        ValueError, OverflowError: a field does not fit (a mistake of the caller).
    """
    if len(packet.payload) > 0xFFFF:
        raise ValueError("an IPv6 packet without jumbo option carries at most 65535 bytes")
    if not 0 <= packet.traffic_class <= 0xFF or not 0 <= packet.flow_label <= 0xFFFFF:
        raise ValueError("the traffic class has 8 bits, the flow label 20")
    writer = Writer()
    writer.uint32(6 << 28 | packet.traffic_class << 20 | packet.flow_label)
    writer.uint16(len(packet.payload))
    writer.uint8(packet.next_header)
    writer.uint8(packet.hop_limit)
    writer.raw(packet.source.packed + packet.destination.packed + packet.payload)
    return writer.getvalue()


def parse_ipv6(data: bytes) -> Ipv6Packet:
    """Reads one IPv6 packet; bytes behind its payload length are link padding and are cut off.

    Raises:
        WireError: not IPv6, or truncated.
    """
    packet, length = _ipv6_header(data)
    if length > len(data) - IPV6_HEADER_SIZE:
        raise WireError(
            4, "IPv6 payload length", f"{length}, but {len(data) - IPV6_HEADER_SIZE} bytes arrived"
        )
    return replace(packet, payload=data[IPV6_HEADER_SIZE : IPV6_HEADER_SIZE + length])


def _ipv6_header(data: bytes) -> tuple[Ipv6Packet, int]:
    reader = Reader(data)
    first = reader.uint32("IPv6 version, traffic class and flow label")
    if first >> 28 != 6:
        raise WireError(0, "IPv6 version", f"{first >> 28}")
    length = reader.uint16("IPv6 payload length")
    next_header = reader.uint8("IPv6 next header")
    hop_limit = reader.uint8("IPv6 hop limit")
    source = IPv6Address(reader.raw(16, "IPv6 source"))
    destination = IPv6Address(reader.raw(16, "IPv6 destination"))
    packet = Ipv6Packet(
        source=source,
        destination=destination,
        next_header=next_header,
        payload=b"",
        hop_limit=hop_limit,
        traffic_class=first >> 20 & 0xFF,
        flow_label=first & 0xFFFFF,
    )
    return packet, length


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """A UDP datagram (RFC 768)."""

    source_port: int
    destination_port: int
    payload: bytes


def build_udp(datagram: UdpDatagram, source: IpAddress, destination: IpAddress) -> bytes:
    """Returns header and payload with the checksum over the addresses given.

    RFC 768: "If the computed checksum is zero, it is transmitted as all ones".

    Raises:
        ValueError, OverflowError: a field does not fit (a mistake of the caller).
    """
    length = UDP_HEADER_SIZE + len(datagram.payload)
    if length > 0xFFFF:
        raise ValueError("a UDP datagram has at most 65535 bytes")
    writer = Writer()
    writer.uint16(datagram.source_port)
    writer.uint16(datagram.destination_port)
    writer.uint16(length)
    writer.uint16(0)
    writer.raw(datagram.payload)
    checksum = internet_checksum(pseudo_header(source, destination, UDP, length) + writer.getvalue())
    writer.patch_uint16(6, checksum or 0xFFFF)
    return writer.getvalue()


def parse_udp(data: bytes, addresses: tuple[IpAddress, IpAddress] | None = None) -> UdpDatagram:
    """Reads one UDP datagram.

    Args:
        data: from the UDP header on; bytes behind its length are cut off.
        addresses: source and destination to verify the checksum with.  ``None`` for UDP inside
            transport-mode ESP: a NAT has rewritten the addresses the sender summed, and ESP has
            proved integrity already, so a zero or wrong checksum is accepted (RFC 3948 §3.1.2).

    Raises:
        WireError: truncated, impossible length, a wrong checksum, or none over IPv6 (RFC 8200 §8.1).
    """
    reader = Reader(data)
    source_port = reader.uint16("UDP source port")
    destination_port = reader.uint16("UDP destination port")
    length = reader.uint16("UDP length")
    checksum = reader.uint16("UDP checksum")
    if not UDP_HEADER_SIZE <= length <= len(data):
        raise WireError(4, "UDP length", f"{length}, but {len(data)} bytes arrived")
    if addresses is not None:
        if checksum == 0 and addresses[0].version == 6:
            raise WireError(6, "UDP checksum", "zero, which IPv6 does not allow")
        if checksum and internet_checksum(pseudo_header(*addresses, UDP, length) + data[:length]):
            raise WireError(6, "UDP checksum", "wrong")
    return UdpDatagram(source_port, destination_port, data[UDP_HEADER_SIZE:length])


@dataclass(frozen=True, slots=True)
class IcmpEcho:
    """An echo request or reply of either version."""

    reply: bool
    identifier: int
    sequence: int
    data: bytes


def build_icmp_echo(echo: IcmpEcho) -> bytes:
    """Returns an ICMP echo message for IPv4 (RFC 792)."""
    return _build_echo(echo, 4, b"")


def build_icmpv6_echo(echo: IcmpEcho, source: IPv6Address, destination: IPv6Address) -> bytes:
    """Returns an ICMPv6 echo message (RFC 4443 §4)."""
    header = pseudo_header(source, destination, ICMPV6, 8 + len(echo.data))
    return _build_echo(echo, 6, header)


def _build_echo(echo: IcmpEcho, version: int, summed_first: bytes) -> bytes:
    writer = Writer()
    writer.uint8(_ECHO_TYPES[version][echo.reply])
    writer.uint8(0)
    writer.uint16(0)
    writer.uint16(echo.identifier)
    writer.uint16(echo.sequence)
    writer.raw(echo.data)
    writer.patch_uint16(2, internet_checksum(summed_first + writer.getvalue()))
    return writer.getvalue()


def parse_icmp_echo(data: bytes) -> IcmpEcho:
    """Reads an ICMP echo request or reply.

    Raises:
        WireError: another ICMP message, truncated, or a wrong checksum.
    """
    return _parse_echo(data, 4, b"")


def parse_icmpv6_echo(data: bytes, source: IPv6Address, destination: IPv6Address) -> IcmpEcho:
    """Reads an ICMPv6 echo request or reply.

    Raises:
        WireError: another ICMPv6 message, truncated, or a wrong checksum.
    """
    return _parse_echo(data, 6, pseudo_header(source, destination, ICMPV6, len(data)))


def _parse_echo(data: bytes, version: int, summed_first: bytes) -> IcmpEcho:
    reader = Reader(data)
    kind = reader.uint8("ICMP type")
    code = reader.uint8("ICMP code")
    reader.uint16("ICMP checksum")
    identifier = reader.uint16("ICMP echo identifier")
    sequence = reader.uint16("ICMP echo sequence number")
    if kind not in _ECHO_TYPES[version] or code:
        raise WireError(0, "ICMP type", f"{kind} code {code} is no echo")
    if internet_checksum(summed_first + data):
        raise WireError(2, "ICMP checksum", "wrong")
    return IcmpEcho(kind == _ECHO_TYPES[version][1], identifier, sequence, reader.rest())


@dataclass(frozen=True, slots=True)
class QuotedPacket:
    """The beginning of our own packet as an ICMP error quotes it."""

    source: IpAddress
    destination: IpAddress
    protocol: int
    source_port: int | None
    """UDP or TCP source port, if the quotation reaches that far."""
    destination_port: int | None
    spi: int | None
    """SPI, if the quoted protocol is ESP."""


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP or ICMPv6 error message."""

    version: int
    """IP version: 4 or 6; the meaning of ``type`` depends on it."""
    type: int
    code: int
    mtu: int | None
    """Next-hop MTU of "fragmentation needed" (RFC 1191 §4; 0 from old routers) or "packet too big"."""
    quoted: QuotedPacket


def parse_icmp_error(data: bytes) -> IcmpError:
    """Reads an ICMP error for IPv4.

    Raises:
        WireError: no error message, truncated, a wrong checksum, or nothing usable quoted.
    """
    if internet_checksum(data):
        raise WireError(2, "ICMP checksum", "wrong")
    return _parse_error(data, 4)


def parse_icmpv6_error(
    data: bytes, source: IPv6Address | None = None, destination: IPv6Address | None = None
) -> IcmpError:
    """Reads an ICMPv6 error; the checksum is verified when both addresses are known.

    Raises:
        WireError: no error message, truncated, a wrong checksum, or nothing usable quoted.
    """
    if source is not None and destination is not None:
        header = pseudo_header(source, destination, ICMPV6, len(data))
        if internet_checksum(header + data):
            raise WireError(2, "ICMP checksum", "wrong")
    return _parse_error(data, 6)


def _parse_error(data: bytes, version: int) -> IcmpError:
    reader = Reader(data)
    kind = reader.uint8("ICMP type")
    code = reader.uint8("ICMP code")
    reader.uint16("ICMP checksum")
    rest_of_header = reader.uint32("ICMP rest of header")
    if kind not in _ERROR_TYPES[version]:
        raise WireError(0, "ICMP type", f"{kind} is no error message")
    mtu: int | None = None
    if version == 4 and (kind, code) == (3, 4):
        mtu = rest_of_header & 0xFFFF
    elif version == 6 and kind == 2:
        mtu = rest_of_header
    return IcmpError(version, kind, code, mtu, _quoted(reader.rest(), version))


def _quoted(data: bytes, version: int) -> QuotedPacket:
    """Reads the quotation: cut short by the router, so lengths and checksums say nothing here."""
    if version == 4:
        packet, header_size, _ = _ipv4_header(data)
        first_part = packet.fragment_offset == 0
        return _quoted_ports(packet, packet.protocol, data[header_size:] if first_part else b"")
    packet6, _ = _ipv6_header(data)
    return _quoted_ports(packet6, packet6.next_header, data[IPV6_HEADER_SIZE:])


def _quoted_ports(packet: Ipv4Packet | Ipv6Packet, protocol: int, data: bytes) -> QuotedPacket:
    readable = len(data) >= 4
    ports = readable and protocol in (6, UDP)
    return QuotedPacket(
        source=packet.source,
        destination=packet.destination,
        protocol=protocol,
        source_port=int.from_bytes(data[:2], "big") if ports else None,
        destination_port=int.from_bytes(data[2:4], "big") if ports else None,
        spi=int.from_bytes(data[:4], "big") if readable and protocol == ESP else None,
    )
