"""A measurement that dials nothing, put in place of the real one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import ModuleType

import pytest

from l2tp_doctor.diagnosis import Diagnosis
from l2tp_doctor.knowledge import Profile
from l2tp_doctor.probes.interface import CheckRequest, Listener, Measurement

Measure = Callable[[CheckRequest, Profile, Listener], Awaitable[Measurement]]


class FakeDial:
    """Replays a sample and keeps the request it was given.

    Attributes:
        requests: what the command asked for, oldest first.
    """

    def __init__(self, sample: Measurement, *, pause: float = 0.0, hang: bool = False) -> None:
        self._sample = sample
        self._pause = pause
        self._hang = hang
        self.requests: list[CheckRequest] = []

    async def measure(self, request: CheckRequest, _profile: Profile, listener: Listener) -> Measurement:
        """Plays the trace and the observations in the order of their times."""
        self.requests.append(request)
        stream = [(event.at, 0, event) for event in self._sample.trace]
        try:
            for item in self._sample.observations:
                if item.source != "probe:dial":
                    listener.on_experiment(item.source.removeprefix("probe:"), True)
            for _, _, event in stream:
                listener.on_trace(event)
                await asyncio.sleep(self._pause)
            for item in self._sample.observations:
                listener.on_observation(item)
                if item.source != "probe:dial":
                    await asyncio.sleep(self._pause)
                    listener.on_experiment(item.source.removeprefix("probe:"), False)
            if self._hang:
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)  # the teardown
            return replace(self._sample, interrupted=True)
        return self._sample


def install(monkeypatch: pytest.MonkeyPatch, measure: Measure, diagnosis: Diagnosis | None = None) -> None:
    """Puts ``measure`` in place of the real measurement, and a fixed diagnosis if given."""
    module = ModuleType("l2tp_doctor.probes.check")
    vars(module)["measure"] = measure
    monkeypatch.setitem(sys.modules, "l2tp_doctor.probes.check", module)
    if diagnosis is not None:
        monkeypatch.setattr("l2tp_doctor.diagnosis.diagnose", lambda observations, stage: diagnosis)
