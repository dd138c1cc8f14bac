"""UDP endpoints over real loopback sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.udp import PortTakenError, UdpEndpoint, family_of, local_address_towards

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the error queue is Linux'")


class Heard:
    """What an endpoint heard, in order."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Endpoint]] = []
        self.notices: list[IcmpNotice] = []
        self._changed = asyncio.Event()

    def datagram(self, payload: bytes, sender: Endpoint) -> None:
        self.datagrams.append((payload, sender))
        self._changed.set()

    def notice(self, notice: IcmpNotice) -> None:
        self.notices.append(notice)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def endpoint(self, remote: Endpoint, *, local: str = "127.0.0.1", source_port: int = 0) -> UdpEndpoint:
        return UdpEndpoint(
            local, remote, source_port=source_port, on_datagram=self.datagram, on_notice=self.notice
        )


@contextmanager
def peer(address: str = "127.0.0.1") -> Iterator[tuple[socket.socket, Endpoint]]:
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.settimeout(5)
        yield sock, Endpoint(address, sock.getsockname()[1])


def closed_port(address: str = "127.0.0.1") -> Endpoint:
    with peer(address) as (_, end):
        return end


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams_go_both_ways(address: str) -> None:
    async def main() -> None:
        heard = Heard()
        with peer(address) as (sock, end), heard.endpoint(end, local=address) as endpoint:
            assert endpoint.send(b"there") is None
            payload, sender = sock.recvfrom(100)
            assert (payload, sender[1]) == (b"there", endpoint.local.port)
            sock.sendto(b"back", (address, endpoint.local.port))
            await heard.until(lambda: bool(heard.datagrams))
            assert heard.datagrams == [(b"back", end)]

    asyncio.run(main())


@linux
def test_an_answer_from_another_address_and_port_is_heard_with_its_sender() -> None:
    async def main() -> None:
        heard = Heard()
        with peer() as (_, end), peer("127.0.0.2") as (other, other_end), heard.endpoint(end) as endpoint:
            other.sendto(b"elsewhere", ("127.0.0.1", endpoint.local.port))
            await heard.until(lambda: bool(heard.datagrams))
            assert heard.datagrams == [(b"elsewhere", other_end)]

    asyncio.run(main())


@linux
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_closed_port_is_told_with_who_said_so_and_what_it_quoted(address: str) -> None:
    async def main() -> None:
        heard = Heard()
        with heard.endpoint(closed_port(address), local=address) as endpoint:
            assert endpoint.send(b"hello?") is None
            await heard.until(lambda: bool(heard.notices))
            assert heard.notices == [IcmpNotice("port-unreachable", address, quoted=b"hello?")]

    asyncio.run(main())


@linux
def test_a_datagram_that_meets_an_earlier_one_s_error_is_sent_all_the_same() -> None:
    async def main() -> None:
        heard = Heard()
        with peer() as (sock, end), heard.endpoint(closed_port()) as endpoint:
            endpoint.send(b"into the void")  # loopback answers before sendto returns
            endpoint.remote = end
            assert endpoint.send(b"must arrive") is None
            assert sock.recv(100) == b"must arrive"
            assert [notice.name for notice in heard.notices] == ["port-unreachable"]

    asyncio.run(main())


def test_the_ttl_of_one_datagram_is_not_the_next_one_s() -> None:
    async def main() -> None:
        heard = Heard()
        for address, level, option in (
            ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TTL),
            ("::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
        ):
            with peer(address) as (sock, end), heard.endpoint(end, local=address) as endpoint:
                inner = endpoint._socket
                before = inner.getsockopt(level, option)
                endpoint.send(b"x", ttl=3)
                assert sock.recv(10) == b"x"
                assert inner.getsockopt(level, option) == before != 3

    asyncio.run(main())


def test_the_ttl_is_restored_when_sending_fails() -> None:
    async def main() -> None:
        heard = Heard()
        with peer() as (_, end), heard.endpoint(end) as endpoint:
            before = endpoint._socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
            notice = endpoint.send(bytes(70_000), ttl=3)  # more than an IPv4 datagram holds
            assert notice is not None
            assert (notice.name, notice.local) == ("fragmentation-needed", True)
            assert endpoint._socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == before

    asyncio.run(main())


def test_a_flood_does_not_starve_timers() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        with peer() as (sock, end):
            sock.setblocking(False)
            count = 0

            def answer(_payload: bytes, _sender: Endpoint) -> None:
                # Each datagram heard brings another one: the socket never runs dry.
                nonlocal count
                count += 1
                sock.sendto(b"flood", ("127.0.0.1", endpoint.local.port))

            with UdpEndpoint("127.0.0.1", end, on_datagram=answer, on_notice=lambda _: None) as endpoint:
                for _ in range(20):
                    sock.sendto(b"flood", ("127.0.0.1", endpoint.local.port))
                due = loop.time() + 0.05
                fired: asyncio.Future[float] = loop.create_future()
                loop.call_at(due, lambda: fired.set_result(loop.time()))
                async with asyncio.timeout(5):
                    late = await fired - due
                assert count > 64  # the flood was on all the time
                return late

    assert asyncio.run(main()) < 0.1


def test_a_port_in_use_cannot_be_had_and_a_free_one_can() -> None:
    async def main() -> None:
        heard = Heard()
        with peer() as (_, end), pytest.raises(PortTakenError, match=str(end.port)):
            heard.endpoint(end, source_port=end.port)
        with heard.endpoint(end, source_port=end.port) as endpoint:
            assert endpoint.local == end

    asyncio.run(main())


def test_an_address_that_is_not_ours_is_no_taken_port() -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            Heard().endpoint(Endpoint("127.0.0.1", 9), local="192.0.2.1")
        assert not isinstance(caught.value, PortTakenError)

    asyncio.run(main())


def test_after_close_nothing_is_sent_heard_or_complained_about() -> None:
    async def main() -> None:
        heard = Heard()
        with peer() as (sock, end):
            endpoint = heard.endpoint(end)
            sock.sendto(b"late", ("127.0.0.1", endpoint.local.port))
            endpoint.close()
            endpoint.close()
            assert endpoint.send(b"too late") is None
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(10)
        assert heard.datagrams == []
        assert heard.notices == []

    asyncio.run(main())


def test_whoever_takes_a_datagram_may_close_the_endpoint() -> None:
    async def main() -> None:
        taken: list[bytes] = []
        with peer() as (sock, end):

            def take(payload: bytes, _sender: Endpoint) -> None:
                taken.append(payload)
                endpoint.close()

            endpoint = UdpEndpoint("127.0.0.1", end, on_datagram=take, on_notice=lambda _: None)
            for payload in (b"1", b"2"):
                sock.sendto(payload, ("127.0.0.1", endpoint.local.port))
            async with asyncio.timeout(5):
                while not taken:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert taken == [b"1"]

    asyncio.run(main())


class Scripted:
    """A socket whose calls end as a script says: an exception is raised, anything else returned."""

    family = socket.AF_INET

    def __init__(self, **script: list[Any]) -> None:
        self._script = script
        self.sent: list[bytes] = []

    def _next(self, call: str) -> Any:
        step = self._script[call].pop(0) if self._script.get(call) else BlockingIOError()
        if isinstance(step, BaseException):
            raise step
        return step

    def fileno(self) -> int:
        return 99

    def sendto(self, payload: bytes, _address: object) -> None:
        if self._script.get("sendto"):
            self._next("sendto")
        self.sent.append(payload)

    def recvfrom(self, _size: int) -> Any:
        return self._next("recvfrom")


@contextmanager
def scripted(monkeypatch: pytest.MonkeyPatch, heard: Heard, sock: Scripted) -> Iterator[UdpEndpoint]:
    """An endpoint on a system without an error queue, with its socket replaced."""
    monkeypatch.setattr(icmp_errors, "available", lambda: False)
    endpoint = heard.endpoint(Endpoint("127.0.0.1", 9))
    real = endpoint._socket
    monkeypatch.setattr(endpoint, "_socket", sock)
    try:
        yield endpoint
    finally:
        monkeypatch.setattr(endpoint, "_socket", real)
        endpoint.close()


def windows_reset() -> OSError:
    """WSAECONNRESET as Windows raises it from recvfrom after a port unreachable."""
    error = ConnectionResetError(errno.ECONNRESET, "An existing connection was forcibly closed")
    error.winerror = 10054  # type: ignore[attr-defined]  # exists on Windows only
    return error


def test_windows_connection_reset_is_a_port_unreachable_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        heard = Heard()
        sock = Scripted(recvfrom=[windows_reset(), (b"alive", ("127.0.0.1", 9))])
        with scripted(monkeypatch, heard, sock) as endpoint:
            endpoint._readable()
        assert heard.notices == [IcmpNotice("port-unreachable", "")]
        assert heard.datagrams == [(b"alive", Endpoint("127.0.0.1", 9))]

    asyncio.run(main())


def test_without_an_error_queue_a_refused_send_is_told_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        heard = Heard()
        sock = Scripted(sendto=[ConnectionRefusedError(errno.ECONNREFUSED, "refused")])
        with scripted(monkeypatch, heard, sock) as endpoint:
            assert endpoint.send(b"again") is None
        assert sock.sent == [b"again"]
        assert heard.notices == [IcmpNotice("port-unreachable", "")]

    asyncio.run(main())


def test_what_our_own_system_says_is_returned_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        heard = Heard()
        sock = Scripted(sendto=[OSError(errno.ENETUNREACH, "no route")])
        with scripted(monkeypatch, heard, sock) as endpoint:
            assert endpoint.send(b"x") == IcmpNotice("network-unreachable", "", local=True)
        assert sock.sent == []
        assert heard.notices == []

    asyncio.run(main())


def test_the_address_towards_a_gateway() -> None:
    assert local_address_towards(Endpoint("127.0.0.1", 0), socket.AF_INET) == "127.0.0.1"
    assert local_address_towards(Endpoint("::1", 500), socket.AF_INET6) == "::1"
    assert family_of("fe80::1%eth0") == socket.AF_INET6
    assert family_of("192.0.2.1") == socket.AF_INET
