"""All sockets of one flow, and the record of what crossed them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from l2tp_doctor.network import path as module
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.path import GatewayPath, Recorder, packed
from l2tp_doctor.protocol.engine import Channel, Datagram, Direction

HERE, THERE = Endpoint("192.0.2.1", 500), Endpoint("198.51.100.1", 500)


def add(recorder: Recorder, payload: bytes, at: float = 0.0) -> None:
    recorder.add(at, Direction.OUT, Channel.IKE, (HERE, THERE), payload)


def test_packets_keep_their_order_and_count_from_the_start() -> None:
    recorder = Recorder(100.0)
    add(recorder, b"a", 100.0)
    recorder.add(100.25, Direction.IN, Channel.ESP, (THERE, HERE), b"b")
    first, second = recorder.packets()
    assert (first.at, first.direction, first.channel, first.payload) == (
        0.0,
        Direction.OUT,
        Channel.IKE,
        b"a",
    )
    assert (second.at, second.source, second.destination) == (0.25, THERE, HERE)


def test_a_clear_copy_goes_to_every_packet_with_those_bytes_and_to_no_other() -> None:
    recorder = Recorder(0.0)
    for payload in (b"one", b"two", b"one"):  # a retransmission is the same bytes again
        add(recorder, payload)
    recorder.clear_copy(b"one", b"clear")
    assert [packet.decrypted for packet in recorder.packets()] == [b"clear", None, b"clear"]


def test_a_clear_copy_may_come_before_its_packet() -> None:
    recorder = Recorder(0.0)
    recorder.clear_copy(b"one", b"clear")
    add(recorder, b"one")
    assert recorder.packets()[0].decrypted == b"clear"


def test_a_flood_is_recorded_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PACKETS", 10)
    recorder = Recorder(0.0)
    for number in range(25):
        add(recorder, bytes([number]))
        recorder.clear_copy(bytes([number]), b"clear")
    assert [packet.payload[0] for packet in recorder.packets()] == list(range(10))
    assert recorder.left_out == 15


def test_large_datagrams_are_recorded_up_to_a_limit() -> None:
    recorder = Recorder(0.0)
    for _ in range(700):
        add(recorder, bytes(65_507))
    kept = sum(len(packet.payload) for packet in recorder.packets())
    assert module.MAX_RECORDED - 65_507 < kept <= module.MAX_RECORDED
    add(recorder, b"small ones still fit")
    assert recorder.packets()[-1].payload == b"small ones still fit"


def ignore(_datagram: Datagram, _sender: Endpoint) -> None:
    """Takes what arrives."""


def open_path(source_ports: tuple[int, int], notices: list[tuple[Channel, IcmpNotice]]) -> GatewayPath:
    return GatewayPath(
        "127.0.0.1",
        "127.0.0.1",
        (9, 10),
        source_ports=source_ports,
        recorder=Recorder(0.0),
        on_datagram=ignore,
        on_notice=lambda channel, notice: notices.append((channel, notice)),
    )


def test_a_source_port_that_is_taken_falls_back_to_any_for_that_channel_only() -> None:
    async def main() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            taken.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            free = other.getsockname()[1]
            other.close()
            path = open_path((taken.getsockname()[1], free), [])
            try:
                ike, nat_t = path.local_ports
                assert ike not in (0, taken.getsockname()[1])
                assert nat_t == free
            finally:
                path.close()

    asyncio.run(main())


def test_esp_without_a_raw_socket_is_neither_sent_nor_recorded() -> None:
    async def main() -> None:
        recorder = Recorder(0.0)
        path = GatewayPath(
            "127.0.0.1", "127.0.0.1", (9, 10),
            recorder=recorder, on_datagram=ignore, on_notice=lambda _channel, _notice: None,
        )  # fmt: skip
        path.send(Datagram(Channel.ESP, b"\x01" * 64))
        path.close()
        assert recorder.packets() == ()

    asyncio.run(main())


def test_sending_on_a_closed_path_is_no_news_of_the_network() -> None:
    async def main() -> None:
        notices: list[tuple[Channel, IcmpNotice]] = []
        path = open_path((0, 0), notices)
        path.close()
        path.send(Datagram(Channel.IKE, b"late"))
        assert notices == []

    asyncio.run(main())


def test_a_second_socket_that_cannot_be_made_closes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        def fail(*_: object) -> None:
            raise PermissionError(1, "raw sockets")

        monkeypatch.setattr(module, "RawEsp", fail)
        with pytest.raises(PermissionError):
            GatewayPath(
                "127.0.0.1", "127.0.0.1", (9, 10), native_esp=True,
                recorder=Recorder(0.0), on_datagram=ignore, on_notice=lambda _channel, _notice: None,
            )  # fmt: skip

    asyncio.run(main())  # a socket left open would be a ResourceWarning, which is an error here


def test_addresses_in_network_order() -> None:
    assert packed("192.0.2.1") == bytes([192, 0, 2, 1])
    assert packed("fe80::1%eth0") == bytes.fromhex("fe80000000000000") + bytes(7) + b"\x01"
