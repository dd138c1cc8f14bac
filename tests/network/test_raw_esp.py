"""Native ESP through raw sockets; without the right to open one, the reason."""

from __future__ import annotations

import asyncio
import errno

import pytest

from l2tp_doctor.network import icmp_errors, raw_esp
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.raw_esp import RawEsp, unavailable_because
from tests.network.limited import LimitedSockets

needs_raw = pytest.mark.skipif(bool(unavailable_because()), reason=unavailable_because() or "available")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), "no permission for raw sockets"),
        (OSError(errno.EPROTONOSUPPORT, "Protocol not supported"), "Protocol not supported"),
        (OSError("bare"), "bare"),
    ],
)
def test_why_it_is_not_available(monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    monkeypatch.setattr(raw_esp, "socket", LimitedSockets(lambda *_: error))
    assert words in unavailable_because()


@needs_raw
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_packets_arrive_without_their_ip_header(address: str) -> None:
    async def main() -> None:
        heard: asyncio.Future[tuple[bytes, Endpoint]] = asyncio.get_running_loop().create_future()

        def take(packet: bytes, sender: Endpoint) -> None:
            if not heard.done():
                heard.set_result((packet, sender))

        esp = RawEsp(address, address, take, lambda _notice: None)
        try:
            packet = bytes.fromhex("00001234 00000001") + bytes(range(64))
            esp.send(packet)
            async with asyncio.timeout(5):
                assert await heard == (packet, Endpoint(address, 0))
        finally:
            esp.close()
            esp.close()

    asyncio.run(main())


@needs_raw
def test_what_the_system_refuses_is_lost_as_on_any_path() -> None:
    async def main() -> None:
        esp = RawEsp("127.0.0.1", "127.0.0.1", lambda _packet, _sender: None, lambda _notice: None)
        esp.send(bytes(70_000))
        esp.close()
        esp.send(b"after close")

    asyncio.run(main())


@needs_raw
def test_errors_for_our_own_packets_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket hears the errors for every ESP packet of this machine; SPI and sequence number tell ours."""
    ours = bytes.fromhex("00001234 00000001") + bytes(64)
    theirs = bytes.fromhex("00004321 00000001") + bytes(64)
    waiting = [
        IcmpNotice("admin-prohibited", "192.0.2.1", quoted=ours[:8]),
        IcmpNotice("port-unreachable", "192.0.2.2", quoted=theirs),
        IcmpNotice("host-unreachable", "192.0.2.3"),
        IcmpNotice("fragmentation-needed", "", local=True, quoted=ours),
    ]
    monkeypatch.setattr(icmp_errors, "read_all", lambda _socket: iter(waiting))

    async def main() -> list[IcmpNotice]:
        told: list[IcmpNotice] = []
        arrived = asyncio.Event()
        esp = RawEsp("127.0.0.1", "127.0.0.1", lambda _packet, _sender: arrived.set(), told.append)
        try:
            esp.send(ours)
            async with asyncio.timeout(5):
                await arrived.wait()
        finally:
            esp.close()
        return told

    assert set(asyncio.run(main())) == {waiting[0]}


@needs_raw
def test_a_socket_that_cannot_be_bound_is_closed() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=r"(?i)assign"):
            RawEsp("192.0.2.77", "127.0.0.1", lambda _packet, _sender: None, lambda _notice: None)

    asyncio.run(main())
