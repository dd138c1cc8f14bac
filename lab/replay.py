"""Observations of real runs, freed of what differs from run to run, to be diagnosed again without a lab."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from l2tp_doctor.observations import Observation
from l2tp_doctor.report.json import CheckResult, ObservationRow, decode

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "data" / "lab"

_LONG_HEX = re.compile(r"\b(?:0x)?[0-9A-Fa-f]{16,}\b")
_SHORTEST = 0.001
"""Round-trip times on a path without delay differ in the microseconds; no rule looks there."""


def sanitized(found: CheckResult) -> dict[str, Any]:
    """Return what a diagnosis needs of one dial: the stage and the observations in their order."""
    return {"stage": found.stage, "observations": [_row(item) for item in found.observations]}


def _row(item: ObservationRow) -> dict[str, Any]:
    value = item.value
    if isinstance(value, float) and item.name.endswith("rtt"):
        value = max(_SHORTEST, round(value, 2))
    # Challenges in failure messages; vendor IDs are the gateway's own and stay.
    if isinstance(value, str):
        value = _LONG_HEX.sub("0", value)
    row: dict[str, Any] = {"name": item.name, "value": value, "source": item.source}
    if item.reason:
        row["reason"] = item.reason
    return row


def observations(step: dict[str, Any]) -> tuple[Observation, ...]:
    """Return the observations of one dial in a fixture."""
    return tuple(
        Observation(
            f"obs-{number}",
            row["name"],
            tuple(row["value"]) if isinstance(row["value"], list) else row["value"],
            0.0,
            row["source"],
            reason=row.get("reason", ""),
        )
        for number, row in enumerate(step["observations"], 1)
    )


def write_fixtures(runs: Path, fixtures: Path = FIXTURES) -> list[str]:
    """Turn each right run below ``runs`` into a fixture; return the ids.

    Args:
        runs: what ``python -m lab run`` wrote.
        fixtures: where they go.
    """
    board = json.loads((runs / "scoreboard.json").read_text())
    right = [item["id"] for item in board["results"] if item["right"] and not item["problems"]]
    fixtures.mkdir(parents=True, exist_ok=True)
    for identifier in right:
        files = sorted((runs / identifier).glob("check*.json"), key=lambda path: (len(path.name), path.name))
        steps = [sanitized(decode(path.read_bytes())) for path in files]
        text = json.dumps({"id": identifier, "steps": steps}, ensure_ascii=False, indent=1)
        (fixtures / f"{identifier}.json").write_text(text + "\n", encoding="utf-8")
    return right
