"""Runs a sans-IO engine over sockets: the whole adapter, for every engine alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from l2tp_doctor.protocol.engine import Datagram, Engine

Event = TypeVar("Event")


class Driver(Generic[Event]):
    """Carries datagrams and time to an engine and its datagrams and events away.

    Args:
        engine: what to run.
        send: takes each datagram the engine wants to send.
        on_event: takes each event.
        started: the loop time that the engine's clock counts from.
    """

    def __init__(
        self,
        engine: Engine[Datagram, Event],
        send: Callable[[Datagram], None],
        on_event: Callable[[Event], None],
        started: float,
    ) -> None:
        self._engine = engine
        self._send = send
        self._on_event = on_event
        self._started = started
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def now(self) -> float:
        """Seconds on the engine's clock."""
        return self._loop.time() - self._started

    def start(self) -> None:
        """Starts the engine."""
        self._engine.start(self.now)
        self.pump()

    def receive(self, datagram: Datagram) -> None:
        """Hands one datagram to the engine."""
        if self._stopped:
            return
        self._engine.receive(datagram, self.now)
        self.pump()

    def pump(self) -> None:
        """Sends what is waiting, delivers events, sets the next timer."""
        if self._is_over():
            return
        for datagram in self._engine.datagrams_to_send(self.now):
            self._send(datagram)
        while (event := self._engine.next_event()) is not None:
            self._on_event(event)
            if self._is_over():  # whoever took the event may have stopped us
                return
            for datagram in self._engine.datagrams_to_send(self.now):
                self._send(datagram)
        self._arm()

    def _is_over(self) -> bool:
        return self._stopped

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._engine.get_timer()
        if when is not None and not self._stopped:
            self._timer = self._loop.call_at(self._started + when, self._due)

    def _due(self) -> None:
        self._timer = None
        self._engine.handle_timer(self.now)
        self.pump()

    def stop(self) -> None:
        """Does nothing any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
