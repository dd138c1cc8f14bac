"""IP, UDP and ICMP against published packets and a word-by-word checksum."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.ip import (
    IcmpEcho,
    IpAddress,
    Ipv4Packet,
    Ipv6Packet,
    UdpDatagram,
    build_icmp_echo,
    build_icmpv6_echo,
    build_ipv4,
    build_ipv6,
    build_udp,
    internet_checksum,
    parse_icmp_echo,
    parse_icmp_error,
    parse_icmpv6_echo,
    parse_icmpv6_error,
    parse_ipv4,
    parse_ipv6,
    parse_udp,
    pseudo_header,
)
from l2tp_doctor.protocol.wire import WireError

A4, B4 = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.2")
A6, B6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")


def word_sum(data: bytes) -> int:
    """RFC 1071 §4.1, done the slow way."""
    total = 0
    for index in range(0, len(data) - 1, 2):
        total += data[index] << 8 | data[index + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_rfc1071_example() -> None:
    # RFC 1071 §3: the sum of these words is ddf2.
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from([0, 0xFF])).map(bytes)))
def test_checksum_equals_the_slow_way(data: bytes) -> None:
    assert internet_checksum(data) == word_sum(data)


def test_pseudo_headers() -> None:
    # RFC 768 and RFC 8200 §8.1.
    assert pseudo_header(A4, B4, 17, 9).hex() == "c0000201c633640200110009"
    assert pseudo_header(A6, B6, 58, 9) == A6.packed + B6.packed + bytes.fromhex("000000090000003a")
    with pytest.raises(ValueError):
        pseudo_header(A4, B6, 17, 9)


# RFC 3602 §4 case 7 and 8 carry whole IPv4 packets with an ICMP echo request.
PING = bytes.fromhex(
    "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b"
    "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
)


def test_a_published_ping() -> None:
    packet = parse_ipv4(PING)
    assert (str(packet.source), str(packet.destination)) == ("192.168.123.3", "192.168.123.200")
    assert (packet.protocol, packet.ttl, packet.identification) == (1, 64, 0x0904)
    assert build_ipv4(packet) == PING
    echo = parse_icmp_echo(packet.payload)
    assert (echo.reply, echo.identifier, echo.sequence, len(echo.data)) == (False, 0xA90A, 0x0100, 56)
    assert build_icmp_echo(echo) == packet.payload


ipv4_packets = st.builds(
    Ipv4Packet,
    source=st.integers(0, 2**32 - 1).map(IPv4Address),
    destination=st.integers(0, 2**32 - 1).map(IPv4Address),
    protocol=st.integers(0, 255),
    payload=st.binary(max_size=60),
    ttl=st.integers(0, 255),
    identification=st.integers(0, 65535),
    dont_fragment=st.booleans(),
    more_fragments=st.booleans(),
    fragment_offset=st.integers(0, 8191),
    traffic_class=st.integers(0, 255),
    options=st.sampled_from([b"", b"\x94\x04\x00\x00", bytes(40)]),
)
ipv6_packets = st.builds(
    Ipv6Packet,
    source=st.integers(0, 2**128 - 1).map(IPv6Address),
    destination=st.integers(0, 2**128 - 1).map(IPv6Address),
    next_header=st.integers(0, 255),
    payload=st.binary(max_size=60),
    hop_limit=st.integers(0, 255),
    traffic_class=st.integers(0, 255),
    flow_label=st.integers(0, 0xFFFFF),
)


@given(ipv4_packets, st.binary(max_size=4))
def test_ipv4_round_trip_with_link_padding(packet: Ipv4Packet, padding: bytes) -> None:
    built = build_ipv4(packet)
    assert word_sum(built[: 20 + len(packet.options)]) == 0
    assert parse_ipv4(built + padding) == packet
    assert packet.is_fragment == (packet.more_fragments or packet.fragment_offset > 0)


@given(ipv6_packets, st.binary(max_size=4))
def test_ipv6_round_trip_with_link_padding(packet: Ipv6Packet, padding: bytes) -> None:
    assert parse_ipv6(build_ipv6(packet) + padding) == packet


def test_ipv6_layout() -> None:
    # RFC 8200 §3.
    built = build_ipv6(Ipv6Packet(A6, B6, 17, b"x", hop_limit=255, traffic_class=0xB8, flow_label=0x12345))
    assert built == bytes.fromhex("6b812345000111ff") + A6.packed + B6.packed + b"x"


def test_truncation_and_damage() -> None:
    built6 = build_ipv6(Ipv6Packet(A6, B6, 17, b"payload"))
    for size in range(len(PING)):
        with pytest.raises(WireError):
            parse_ipv4(PING[:size])
    for size in range(len(built6)):
        with pytest.raises(WireError):
            parse_ipv6(built6[:size])
    for position in range(20):
        damaged = bytearray(PING)
        damaged[position] ^= 0x10
        with pytest.raises(WireError):
            parse_ipv4(bytes(damaged))


def test_fields_that_do_not_fit() -> None:
    for packet in (
        Ipv4Packet(A4, B4, 17, bytes(65516)),
        Ipv4Packet(A4, B4, 17, b"", options=b"abc"),
        Ipv4Packet(A4, B4, 17, b"", options=bytes(44)),
        Ipv4Packet(A4, B4, 17, b"", fragment_offset=8192),
    ):
        with pytest.raises(ValueError):
            build_ipv4(packet)
    for packet6 in (Ipv6Packet(A6, B6, 17, bytes(65536)), Ipv6Packet(A6, B6, 17, b"", flow_label=1 << 20)):
        with pytest.raises(ValueError):
            build_ipv6(packet6)
    with pytest.raises(ValueError):
        build_udp(UdpDatagram(1, 2, bytes(65528)), A4, B4)


@given(st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=50), st.booleans())
def test_udp_round_trip(source_port: int, destination_port: int, payload: bytes, six: bool) -> None:
    datagram = UdpDatagram(source_port, destination_port, payload)
    pair: tuple[IpAddress, IpAddress] = (A6, B6) if six else (A4, B4)
    built = build_udp(datagram, *pair)
    assert word_sum(pseudo_header(*pair, 17, len(built)) + built) == 0
    assert built[6:8] != b"\x00\x00"
    assert parse_udp(built, pair) == parse_udp(built + b"\x00") == datagram


def test_a_checksum_of_zero_is_sent_as_all_ones() -> None:
    # RFC 768; the payload is chosen so that the sum over everything else is ffff.
    probe = build_udp(UdpDatagram(1701, 1701, b"\x00\x00"), A4, B4)
    built = build_udp(UdpDatagram(1701, 1701, probe[6:8]), A4, B4)
    assert built[6:8] == b"\xff\xff"
    assert parse_udp(built, (A4, B4)).payload == probe[6:8]


def test_udp_checksum_rules() -> None:
    built = build_udp(UdpDatagram(1701, 1701, b"SCCRQ"), A4, B4)
    wrong = built[:6] + bytes((built[6] ^ 1, built[7])) + built[8:]
    absent = built[:6] + b"\x00\x00" + built[8:]
    with pytest.raises(WireError):
        parse_udp(wrong, (A4, B4))
    # A NAT changed the addresses underneath: RFC 3948 §3.1.2.
    with pytest.raises(WireError):
        parse_udp(built, (IPv4Address("10.0.0.1"), B4))
    assert parse_udp(wrong) == parse_udp(absent) == parse_udp(absent, (A4, B4)) == parse_udp(built)
    with pytest.raises(WireError):
        parse_udp(absent, (A6, B6))  # RFC 8200 §8.1


def test_udp_lengths() -> None:
    for data in (
        b"",
        bytes(7),
        bytes(8),
        bytes.fromhex("06a506a500070000"),
        bytes.fromhex("06a506a500090000"),
    ):
        with pytest.raises(WireError):
            parse_udp(data)
    assert parse_udp(bytes.fromhex("06a506a500080000")) == UdpDatagram(1701, 1701, b"")


@given(st.booleans(), st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=60))
def test_echo_round_trip(reply: bool, identifier: int, sequence: int, data: bytes) -> None:
    echo = IcmpEcho(reply, identifier, sequence, data)
    built, built6 = build_icmp_echo(echo), build_icmpv6_echo(echo, A6, B6)
    assert built[0] == (0 if reply else 8)  # RFC 792
    assert built6[0] == (129 if reply else 128)  # RFC 4443 §4
    assert word_sum(built) == word_sum(pseudo_header(A6, B6, 58, len(built6)) + built6) == 0
    assert parse_icmp_echo(built) == parse_icmpv6_echo(built6, A6, B6) == echo


def test_damaged_echo() -> None:
    built = build_icmp_echo(IcmpEcho(False, 1, 2, b"x"))
    for bad in (built[:7], built[:-1] + b"y", b"\x03" + built[1:], built[:1] + b"\x01" + built[2:]):
        with pytest.raises(WireError):
            parse_icmp_echo(bad)
    with pytest.raises(WireError):
        parse_icmpv6_echo(build_icmpv6_echo(IcmpEcho(False, 1, 2, b""), A6, B6), A6, A6)


def icmp_error(kind: int, code: int, rest: int, quoted: bytes) -> bytes:
    body = bytes((kind, code, 0, 0)) + rest.to_bytes(4, "big") + quoted
    return body[:2] + word_sum(body).to_bytes(2, "big") + body[4:]


def test_port_unreachable_names_the_port() -> None:
    ours = build_ipv4(Ipv4Packet(A4, B4, 17, build_udp(UdpDatagram(40500, 500, bytes(400)), A4, B4)))
    for size in (28, 24, len(ours)):  # RFC 792: header and 64 bits; some routers quote more
        error = parse_icmp_error(icmp_error(3, 3, 0, ours[:size]))
        assert (error.version, error.type, error.code, error.mtu) == (4, 3, 3, None)
        assert (error.quoted.source, error.quoted.destination, error.quoted.protocol) == (A4, B4, 17)
        assert (error.quoted.source_port, error.quoted.destination_port) == (40500, 500)
        assert error.quoted.spi is None


def test_quotations_without_ports() -> None:
    short = parse_icmp_error(icmp_error(11, 0, 0, build_ipv4(Ipv4Packet(A4, B4, 17, b"\x01\x02"))))
    assert (short.quoted.source_port, short.quoted.destination_port) == (None, None)
    later = build_ipv4(Ipv4Packet(A4, B4, 17, bytes(8), fragment_offset=185))
    assert parse_icmp_error(icmp_error(11, 1, 0, later)).quoted.destination_port is None
    esp = parse_icmp_error(
        icmp_error(3, 2, 0, build_ipv4(Ipv4Packet(A4, B4, 50, b"\x12\x34\x56\x78" + bytes(4))))
    )
    assert (esp.code, esp.quoted.protocol, esp.quoted.spi) == (2, 50, 0x12345678)
    assert esp.quoted.source_port is None


def test_next_hop_mtu() -> None:
    # RFC 1191 §4 and RFC 4443 §3.2.
    quoted = build_ipv4(Ipv4Packet(A4, B4, 17, bytes(8), dont_fragment=True))
    assert parse_icmp_error(icmp_error(3, 4, 1400, quoted)).mtu == 1400
    quoted6 = build_ipv6(Ipv6Packet(A6, B6, 17, build_udp(UdpDatagram(4500, 4500, b""), A6, B6)))
    error = parse_icmpv6_error(bytes((2, 0, 0, 0)) + (1280).to_bytes(4, "big") + quoted6)
    assert (error.version, error.mtu, error.quoted.destination_port) == (6, 1280, 4500)


def test_icmpv6_checksum_is_verified_when_it_can_be() -> None:
    quoted = build_ipv6(Ipv6Packet(A6, B6, 17, build_udp(UdpDatagram(1, 500, b""), A6, B6)))
    body = bytes((1, 4, 0, 0, 0, 0, 0, 0)) + quoted
    right = body[:2] + word_sum(pseudo_header(B6, A6, 58, len(body)) + body).to_bytes(2, "big") + body[4:]
    assert parse_icmpv6_error(right, B6, A6).quoted.destination_port == 500
    with pytest.raises(WireError):
        parse_icmpv6_error(body, B6, A6)


@pytest.mark.parametrize("kind", [0, 8, 13, 255])
def test_other_icmp_messages_are_no_errors(kind: int) -> None:
    with pytest.raises(WireError):
        parse_icmp_error(icmp_error(kind, 0, 0, PING))


def test_unusable_errors() -> None:
    for bad in (
        b"",
        bytes(3),
        icmp_error(3, 3, 0, b""),
        icmp_error(3, 3, 0, PING[:19]),
        icmp_error(3, 3, 0, bytes(28)),
    ):
        with pytest.raises(WireError):
            parse_icmp_error(bad)
    with pytest.raises(WireError):
        parse_icmp_error(icmp_error(3, 3, 0, PING)[:-1])


@given(
    st.binary(max_size=120), st.sampled_from([b"", b"\x45", b"\x60", b"\x03\x03", b"\x01\x04", b"\x08\x00"])
)
def test_every_decoder_gives_a_value_or_a_wire_error(tail: bytes, start: bytes) -> None:
    data = start + tail
    summed = data[:2] + word_sum(data[:2] + b"\x00\x00" + data[4:]).to_bytes(2, "big") + data[4:]
    for sample in (data, summed):
        for decode in (
            parse_ipv4,
            parse_ipv6,
            parse_udp,
            lambda raw: parse_udp(raw, (A4, B4)),
            lambda raw: parse_udp(raw, (A6, B6)),
            parse_icmp_echo,
            lambda raw: parse_icmpv6_echo(raw, A6, B6),
            parse_icmp_error,
            parse_icmpv6_error,
        ):
            try:
                decode(sample)
            except WireError:
                continue
