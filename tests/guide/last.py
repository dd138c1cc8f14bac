"""Last checks made from what real gateways were observed to do: measured, diagnosed, kept and read back."""

from __future__ import annotations

import json

import pytest

from l2tp_doctor.cli.last_check import recall, remember
from l2tp_doctor.diagnosis import diagnose
from l2tp_doctor.guide.personal import LastCheck
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.report.json import CheckResult, check_result
from l2tp_doctor.storage.folder import HOME_VARIABLE
from lab.replay import FIXTURES, observations

HOST = "vpn.kyoto.example"
STARTED = 1_795_000_000.0


def recorded(name: str, *, until: int | None = None) -> CheckResult:
    """Returns the report of a recorded dial; ``until`` interrupts it after so many observations."""
    step = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))["steps"][-1]
    seen = observations(step)[:until]
    measurement = Measurement(HOST, "203.0.113.1", step["stage"], seen, (), (), 1.0, until is not None)
    return check_result(measurement, diagnose(seen, stage=step["stage"]), started_at=STARTED)


def kept(monkeypatch: pytest.MonkeyPatch, folder: object, result: CheckResult) -> LastCheck:
    """Keeps a report in ``folder`` as a check does, and reads it as the guide does."""
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    assert remember(result) is None
    return recall()
