"""Asking clocks on the loopback interface."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import cast

import pytest

from l2tp_doctor.network import sntp

ADDRESS = "127.0.0.1"
Answer = Callable[[bytes], list[bytes]]


class Clock(asyncio.DatagramProtocol):
    """Answers requests as a function says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        for reply in self._answer(data):
            self._transport.sendto(reply, addr)


def telling(offset: float, request: bytes, *, stratum: int = 2) -> bytes:
    moment = time.time() + offset + 2_208_988_800
    stamp = struct.pack("!II", int(moment), int(moment % 1 * 2**32))
    return bytes([0x24, stratum]) + bytes(22) + request[40:48] + bytes(8) + stamp


def ask(answer: Answer) -> tuple[sntp.ClockReading | None, Clock]:
    async def main() -> tuple[sntp.ClockReading | None, Clock]:
        loop = asyncio.get_running_loop()
        transport, clock = await loop.create_datagram_endpoint(lambda: Clock(answer), (ADDRESS, 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            return await sntp.ask(ADDRESS, ADDRESS, port=port), clock
        finally:
            transport.close()

    return asyncio.run(main())


@pytest.mark.parametrize("offset", [0.0, 86_400.0 * 400, -86_400.0 * 60])
def test_how_far_a_clock_is_from_ours(offset: float) -> None:
    reading, clock = ask(lambda request: [telling(offset, request)])
    assert reading is not None
    assert reading.offset == pytest.approx(offset, abs=1.0)
    assert reading.synchronised
    assert len(clock.asked) == 1


def test_what_is_no_answer_is_passed_over() -> None:
    reading, _ = ask(
        lambda request: [b"", b"noise", telling(99.0, bytes(48)), telling(5.0, request, stratum=0)]
    )
    assert reading is not None
    assert reading.offset == pytest.approx(5.0, abs=1.0)
    assert not reading.synchronised


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sntp, "WAITS", (0.01, 0.01, 0.01))
    reading, clock = ask(lambda _request: [])
    assert reading is None
    assert len(clock.asked) == 3
    assert len({request[40:48] for request in clock.asked}) == 3  # a token each


def test_a_closed_port_says_so_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, (ADDRESS, 0))
        port = transport.get_extra_info("sockname")[1]
        transport.close()
        await asyncio.sleep(0)
        begin = loop.time()
        assert await sntp.ask(ADDRESS, ADDRESS, port=port) is None
        return loop.time() - begin

    assert asyncio.run(main()) < sum(sntp.WAITS)
