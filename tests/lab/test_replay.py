"""What real gateways were observed to do, diagnosed again: needs neither root nor a network."""

from __future__ import annotations

import json

import pytest

from l2tp_doctor.diagnosis import diagnose
from lab.cases import Case, load_cases
from lab.replay import FIXTURES, observations

CASES = {case.id: case for case in load_cases()}
RECORDED = sorted(path.stem for path in FIXTURES.glob("*.json"))


def test_every_recording_belongs_to_a_case() -> None:
    assert set(RECORDED) <= set(CASES)


def test_nearly_every_case_was_recorded() -> None:
    assert len(RECORDED) >= 0.9 * len(CASES)


@pytest.mark.parametrize("identifier", RECORDED)
def test_the_verdict_is_still_the_true_one(identifier: str) -> None:
    case: Case = CASES[identifier]
    recorded = json.loads((FIXTURES / f"{identifier}.json").read_text(encoding="utf-8"))
    assert recorded["id"] == identifier
    assert len(recorded["steps"]) == len(case.steps)
    for step, run in zip(case.steps, recorded["steps"], strict=True):
        found = diagnose(observations(run), stage=run["stage"])
        assert found.verdict == step.expect.verdict, found.causes
        named = [cause.id for cause in found.causes[:1]]
        if step.expect.causes:
            assert named[0] in step.expect.causes
        else:
            assert named == []
        warned = {item.id for item in found.warnings}
        assert set(step.expect.warnings) <= warned
        assert warned <= {*step.expect.warnings, *step.expect.may_warn}
