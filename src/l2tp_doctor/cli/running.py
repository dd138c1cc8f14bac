"""Runs a measurement in an event loop, with a Ctrl-C that tears down first."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass

from l2tp_doctor.cli import interrupts
from l2tp_doctor.cli.loop import run as run_in_loop
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import CheckRequest, Listener, Measurement
from l2tp_doctor.protocol.engine import TraceEvent


@dataclass
class GuardedListener:
    """Passes everything on to a face; a face that fails is left out and the dial goes on.

    Attributes:
        face: who listens.
        failure: the first error of the face.
    """

    face: Listener
    failure: Exception | None = None

    def _call(self, call: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            call()
        except Exception as error:
            self.failure = error

    def on_trace(self, event: TraceEvent) -> None:
        """Passes on a message."""
        self._call(lambda: self.face.on_trace(event))

    def on_observation(self, observation: Observation) -> None:
        """Passes on a fact."""
        self._call(lambda: self.face.on_observation(observation))

    def on_experiment(self, name: str, running: bool) -> None:
        """Passes on an experiment."""
        self._call(lambda: self.face.on_experiment(name, running))


@dataclass
class Run:
    """How a measurement ended.

    Attributes:
        measurement: ``None`` when it was stopped before it began.
        stopped: a signal asked for the end.
        terminated: and it was SIGTERM.
    """

    measurement: Measurement | None = None
    stopped: bool = False
    terminated: bool = False


def run_measurement(request: CheckRequest, listener: Listener, on_stop: Callable[[], None]) -> Run:
    """Measures; Ctrl-C and SIGTERM end it early, after its teardown.

    Args:
        request: what to dial.
        listener: hears of things while they happen.
        on_stop: called once when the user asks to stop.

    Raises:
        OSError: this machine cannot make the sockets that a dial needs.
    """
    from l2tp_doctor.knowledge import profile
    from l2tp_doctor.probes.check import measure

    run = Run()
    client = profile(request.profile)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(measure(request, client, listener))

        def stop(number: int) -> None:
            run.terminated = run.terminated or number == signal.SIGTERM
            if not run.stopped:
                run.stopped = True
                on_stop()
            task.cancel()  # a second time gives up on the teardown

        caught = []
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows' loop has no signal handlers: there the runner's own turns Ctrl-C into a cancel.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop, number)
                caught.append(number)
        interrupts.release()
        try:
            run.measurement = await task
        except asyncio.CancelledError:
            run.measurement = await _late_result(task)
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    run_in_loop(main())
    return run


async def _late_result(task: asyncio.Future[Measurement]) -> Measurement | None:
    """Gives a cancelled measurement the time its teardown takes."""
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return None
