"""The lab's cases of ``lab/subset.txt``, run for real: the true cause is named, on every kind of gateway."""

from __future__ import annotations

import json
import os

import pytest

from lab import install
from lab.cases import load_cases, load_subset
from lab.runner import Options, Runner
from lab.scoreboard import Result

SUBSET = load_subset(load_cases())
JOBS = 2


@pytest.fixture(scope="module")
def results(lab_machine: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every case of the subset, in one run: each worker of it starts each gateway once."""
    missing = install.libreswan_problems()
    if missing and os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must run the lab: {'; '.join(missing)}", pytrace=False)
    cases = [case for case in SUBSET if not (missing and case.gateway == "libreswan")]
    output = tmp_path_factory.mktemp("lab")
    found = Runner(cases, Options(JOBS, output), say=lambda _line: None).run()
    return {result.id: result for result in found}


@pytest.mark.gateway
@pytest.mark.parametrize("identifier", [case.id for case in SUBSET])
def test_the_true_answer_is_given(identifier: str, results: dict[str, Result]) -> None:
    if identifier not in results:
        pytest.skip("; ".join(install.libreswan_problems()))
    result = results[identifier]
    row = json.dumps(result.row(), ensure_ascii=False, indent=1)
    assert result.right, row
    assert not result.problems, row
