"""Signs of life on loopback, as a process with and without the right to send ICMP."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from l2tp_doctor.network import icmp_errors, liveness
from l2tp_doctor.network.liveness import PingUnavailableError, control_port, ping, ping_series
from l2tp_doctor.protocol.ip import IcmpEcho, build_icmp_echo, build_icmpv6_echo
from tests.network.limited import LimitedSockets


def may_ping(kind: int) -> bool:
    try:
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP):
            return True
    except OSError:
        return False


needs_ping = pytest.mark.skipif(
    not (may_ping(socket.SOCK_DGRAM) or may_ping(socket.SOCK_RAW)), reason="this process may not send ICMP"
)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_RAW])
def test_ping_with_each_kind_of_socket(monkeypatch: pytest.MonkeyPatch, kind: int, address: str) -> None:
    if not may_ping(kind):
        pytest.skip("this process may not open such a socket")
    other_kind = PermissionError(1, "not this kind")
    limited = LimitedSockets(lambda _family, wanted, _protocol: None if wanted == kind else other_kind)
    monkeypatch.setattr(liveness, "socket", limited)
    rtt = asyncio.run(ping(address, address))
    assert rtt is not None
    assert 0 < rtt < 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_without_the_right_ping_says_why_for_each_kind(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    refusal = PermissionError(1, "Operation not permitted")
    monkeypatch.setattr(liveness, "socket", LimitedSockets(lambda *_: refusal))
    with pytest.raises(PingUnavailableError, match=r"Operation not permitted; Operation not permitted"):
        asyncio.run(ping(address, address))


@needs_ping
def test_an_answer_to_somebody_else_s_ping_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    other = IcmpEcho(True, 7, 1, b"another token")
    monkeypatch.setattr(liveness, "_parse", lambda *_: other)
    assert asyncio.run(ping("127.0.0.1", "127.0.0.1", attempts=2, interval=0.02)) is None


@needs_ping
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("lost", [(), (2, 3, 6)])
def test_a_row_of_pings_counts_the_answers(
    monkeypatch: pytest.MonkeyPatch, lost: tuple[int, ...], address: str
) -> None:
    parse = liveness._parse

    def over_a_lossy_path(*arguments: Any) -> IcmpEcho | None:
        echo = parse(*arguments)
        return None if echo is not None and echo.sequence in lost else echo

    monkeypatch.setattr(liveness, "_parse", over_a_lossy_path)
    answered = asyncio.run(ping_series(address, address, count=8, interval=0.01, settling=0.3))
    assert answered == 8 - len(lost)


REPLY = IcmpEcho(True, 7, 1, b"token")


@pytest.mark.parametrize("raw", [True, False])
def test_replies_with_and_without_ip_header(raw: bool) -> None:
    """Linux' raw sockets and macOS' unprivileged ones put the IPv4 header in front."""
    message = build_icmp_echo(REPLY)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 0, 0, 64, 1, 0, bytes(4), bytes(4))
    assert liveness._parse(header + message, socket.AF_INET, raw, "127.0.0.1", "127.0.0.1") == REPLY
    assert liveness._parse(message, socket.AF_INET, False, "127.0.0.1", "127.0.0.1") == REPLY


def test_icmpv6_replies_and_garbage() -> None:
    here, there = ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("2001:db8::2")
    message = build_icmpv6_echo(REPLY, there, here)
    assert liveness._parse(message, socket.AF_INET6, False, str(there), str(here)) == REPLY
    for garbage in (b"", b"\x00", b"\x45" * 30, bytes(64)):
        assert liveness._parse(garbage, socket.AF_INET, True, "192.0.2.1", "192.0.2.2") is None
        assert liveness._parse(garbage, socket.AF_INET6, False, str(there), str(here)) is None


@contextmanager
def listener() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def closed_port() -> int:
    with listener() as port:
        return port


def test_an_open_and_a_refused_tcp_port_both_show_a_live_host() -> None:
    async def main() -> None:
        with listener() as port:
            name = await control_port("127.0.0.1", "127.0.0.1", ports=(port,))
            assert name in (f"tcp/{port}", f"udp/{liveness.CLOSED_UDP_PORT}")
        shut = closed_port()
        name = await control_port("127.0.0.1", "127.0.0.1", ports=(shut,))
        assert name in (f"tcp/{shut}", f"udp/{liveness.CLOSED_UDP_PORT}")

    asyncio.run(main())


@pytest.mark.parametrize("queue", [True, False])
def test_a_closed_udp_port_shows_a_live_host(monkeypatch: pytest.MonkeyPatch, queue: bool) -> None:
    if queue and not icmp_errors.available():
        pytest.skip("no error queue on this system")
    if not queue:
        monkeypatch.setattr(icmp_errors, "available", lambda: False)
    name = asyncio.run(control_port("127.0.0.1", "127.0.0.1", ports=(), timeout=0.2))
    # Without the queue an unconnected socket hears of nothing; then there is no sign, and no lie.
    assert name == (f"udp/{liveness.CLOSED_UDP_PORT}" if queue else None)


class Silent:
    """A UDP endpoint towards an address where nobody is."""

    def __init__(self, *_: object, **__: object) -> None:
        self.sent = 0

    def send(self, _payload: bytes) -> None:
        self.sent += 1

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.sent >= 3  # UDP may lose a datagram or two


def test_an_address_where_nobody_is_gives_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_remote: str, _port: int) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(liveness, "UdpEndpoint", Silent)
    monkeypatch.setattr(liveness, "_tcp_alive", hang)
    assert asyncio.run(control_port("127.0.0.1", "192.0.2.1", timeout=0.06)) is None
    assert asyncio.run(liveness._udp_alive("127.0.0.1", "192.0.2.1", 0.03)) is None


def test_another_host_s_word_about_a_closed_port_is_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lying:
        def __init__(self, *_: object, on_notice: object, **__: object) -> None:
            self.on_notice = on_notice

        def send(self, _payload: bytes) -> None:
            assert callable(self.on_notice)
            self.on_notice(icmp_errors.IcmpNotice("port-unreachable", "198.51.100.9"))

        def __enter__(self) -> Lying:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing was opened."""

    monkeypatch.setattr(liveness, "UdpEndpoint", Lying)
    assert asyncio.run(liveness._udp_alive("127.0.0.1", "192.0.2.1", 0.06)) is None
