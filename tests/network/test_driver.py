"""The driver: datagrams, events and time between an engine and the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from l2tp_doctor.network.driver import Driver
from l2tp_doctor.protocol.engine import Channel, Datagram


def datagram(data: bytes) -> Datagram:
    return Datagram(Channel.IKE, data)


class Script:
    """An engine that does what it is told and notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []
        self.outgoing: list[Datagram] = []
        self.events: deque[str] = deque()
        self.timer: float | None = None
        self.on_timer: Callable[[float], None] = lambda now: None

    def start(self, now: float) -> None:
        self.calls.append(("start", now))

    def receive(self, data: Datagram, now: float) -> None:
        self.calls.append((f"receive {data.data.decode()}", now))

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        del now
        waiting, self.outgoing = self.outgoing, []
        return waiting

    def get_timer(self) -> float | None:
        return self.timer

    def handle_timer(self, now: float) -> None:
        self.calls.append(("timer", now))
        self.timer = None
        self.on_timer(now)

    def next_event(self) -> str | None:
        return self.events.popleft() if self.events else None

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class FakeTime:
    """Replaces the loop's clock; timers fire as soon as the clock is set beyond them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.loop = asyncio.get_running_loop()
        self.loop.time = lambda: self.now  # type: ignore[method-assign]  # this loop's clock only

    async def advance(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(3):
            await asyncio.sleep(0)


def run(body: Callable[[Script, FakeTime, list[str]], asyncio.Future[None] | object]) -> None:
    async def main() -> None:
        result = body(Script(), FakeTime(), [])
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(main())


def make(engine: Script, log: list[str], on_event: Callable[[str], None] | None = None) -> Driver[str]:
    return Driver(
        engine,
        lambda item: log.append(f"sent {item.data.decode()}"),
        on_event or (lambda event: log.append(f"event {event}")),
        started=1000.0,
    )


def test_the_engine_s_clock_counts_from_the_start() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        driver = make(engine, log)
        time.now = 1002.5
        assert driver.now == 2.5
        driver.start()
        assert engine.calls == [("start", 2.5)]

    run(body)


def test_datagrams_leave_before_events_and_again_after_each() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.outgoing = [datagram(b"1")]
        engine.events.extend(["a", "b"])

        def on_event(event: str) -> None:
            log.append(f"event {event}")
            engine.outgoing.append(datagram(f"after-{event}".encode()))

        make(engine, log, on_event).start()
        assert log == ["sent 1", "event a", "sent after-a", "event b", "sent after-b"]

    run(body)


def test_a_timer_fires_when_due_and_is_armed_anew() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.timer = 1.0
        driver = make(engine, log)

        def again(now: float) -> None:
            engine.timer = now + 1.0 if now < 3.5 else None

        engine.on_timer = again
        driver.start()
        await time.advance(0.9)
        assert engine.names() == ["start"]
        for expected in (1, 2, 3):
            await time.advance(1.0)
            assert engine.names().count("timer") == expected
        await time.advance(100.0)
        assert engine.names().count("timer") == 3

    run(body)


def test_a_datagram_moves_the_timer() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.timer = 1.0
        driver = make(engine, log)
        driver.start()
        engine.timer = 5.0  # the answer came: no retransmission any more
        driver.receive(datagram(b"x"))
        await time.advance(2.0)
        assert engine.names() == ["start", "receive x"]
        await time.advance(3.0)
        assert engine.names()[-1] == "timer"

    run(body)


def test_events_are_delivered_before_the_next_timer() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.timer = 1.0

        def due(now: float) -> None:
            log.append("timer")
            if log.count("timer") == 1:
                engine.events.append("of the first timer")
                engine.timer = now  # due at once

        engine.on_timer = due
        make(engine, log).start()
        await time.advance(1.0)
        await time.advance(0.0)
        assert log == ["timer", "event of the first timer", "timer"]

    run(body)


def test_after_stop_the_engine_is_left_alone() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.timer = 1.0
        driver = make(engine, log)
        driver.start()
        driver.stop()
        driver.stop()
        await time.advance(10.0)
        driver.receive(datagram(b"late"))
        engine.events.append("late")
        driver.pump()
        assert engine.names() == ["start"]
        assert log == []

    run(body)


def test_whoever_takes_an_event_may_stop_it() -> None:
    async def body(engine: Script, time: FakeTime, log: list[str]) -> None:
        engine.events.extend(["a", "b"])
        engine.timer = 1.0

        def on_event(event: str) -> None:
            log.append(event)
            engine.outgoing.append(datagram(b"never"))
            driver.stop()

        driver = make(engine, log, on_event)
        driver.start()
        await time.advance(5.0)
        assert log == ["a"]
        assert engine.names() == ["start"]

    run(body)
