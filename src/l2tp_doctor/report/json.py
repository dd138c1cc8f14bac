"""The machine-readable report: one JSON object, stable from the first release.

The types below are the contract; ``docs/check.schema.json`` is generated from them.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from l2tp_doctor.diagnosis import Diagnosis
from l2tp_doctor.diagnosis.verdict import RankedCause
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import Measurement, Stage
from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.report.lookup import CauseLookup, known_cause

SCHEMA_VERSION = 1


class Localized(msgspec.Struct, frozen=True):
    """A text in both languages."""

    ja: str
    en: str


class Target(msgspec.Struct, frozen=True):
    """What was dialled."""

    host: str
    address: str | None


class WindowsError(msgspec.Struct, frozen=True):
    """The code Windows would show."""

    code: int
    name: str


class Cause(msgspec.Struct, frozen=True):
    """A cause or a warning; ``evidence`` holds observation ids."""

    id: str
    probability: float
    title: Localized
    evidence: list[str]
    fixes: list[str]


class ObservationRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One observation; ``value`` null means it could not be measured, because of ``reason``.

    ``packets`` counts from 1 in the order of the packet capture.
    """

    id: str
    name: str
    value: bool | int | float | str | list[str] | None
    at: float
    source: str
    packets: list[int] = []
    reason: str = ""


class TimelineRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message or note; ``dropped`` says why a message was not taken."""

    at: float
    direction: Literal["out", "in", "note"]
    layer: str
    summary: str
    bytes: int
    dropped: str | None = None


class CheckResult(msgspec.Struct, frozen=True):
    """What ``check --json`` prints.

    ``started_at`` is the Unix time at which every ``at`` is 0; null in files of older releases.
    """

    target: Target
    verdict: Literal["healthy", "faulty", "undetermined"]
    stage: Stage
    windows_error: WindowsError | None
    causes: list[Cause]
    observations: list[ObservationRow]
    timeline: list[TimelineRow]
    elapsed_seconds: float
    warnings: list[Cause] = []
    interrupted: bool = False
    started_at: float | None = None
    schema_version: int = SCHEMA_VERSION


def _cause(item: RankedCause, lookup: CauseLookup) -> Cause:
    known = lookup(item.id)
    title = Localized(known.title.ja, known.title.en)
    return Cause(item.id, round(item.probability, 4), title, list(item.evidence), list(known.fixes))


def _observation(item: Observation) -> ObservationRow:
    value = list(item.value) if isinstance(item.value, tuple) else item.value
    at = round(item.at, 6)
    return ObservationRow(item.id, item.name, value, at, item.source, list(item.evidence), item.reason)


def _timeline(event: TraceEvent) -> TimelineRow:
    return TimelineRow(
        round(event.at, 6), event.direction.value, event.layer, event.summary, event.size, event.trigger
    )  # fmt: skip


def check_result(
    measurement: Measurement,
    diagnosis: Diagnosis,
    lookup: CauseLookup = known_cause,
    *,
    observations: Sequence[Observation] | None = None,
    started_at: float | None = None,
) -> CheckResult:
    """Returns the report as the types of the contract.

    Args:
        measurement: of the dial.
        diagnosis: what it means.
        lookup: what is known about a cause.
        observations: those of the dial together with those of other sources; the dial's alone unless given.
        started_at: Unix time when the dial began.
    """
    error = diagnosis.windows_error
    return CheckResult(
        target=Target(measurement.host, measurement.address),
        verdict=diagnosis.verdict,
        stage=measurement.stage,
        windows_error=WindowsError(error.code, error.name) if error is not None else None,
        causes=[_cause(item, lookup) for item in diagnosis.causes],
        observations=[
            _observation(item)
            for item in (measurement.observations if observations is None else observations)
        ],
        timeline=[_timeline(event) for event in measurement.trace],
        elapsed_seconds=round(measurement.elapsed, 3),
        warnings=[_cause(item, lookup) for item in diagnosis.warnings],
        interrupted=measurement.interrupted,
        started_at=round(started_at, 3) if started_at is not None else None,
    )


_ORDER: Sequence[str] = (
    "schema_version", "target", "verdict", "stage", "windows_error", "causes", "warnings",
    "observations", "timeline", "elapsed_seconds", "interrupted", "started_at",
)  # fmt: skip


def encode(result: CheckResult) -> bytes:
    """Returns the object as indented UTF-8 JSON with a line end."""
    plain = msgspec.to_builtins(result)
    ordered = {name: plain[name] for name in _ORDER}
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"


def decode(data: bytes) -> CheckResult:
    """Reads a report of this or an earlier version; unknown members are ignored.

    Raises:
        msgspec.ValidationError: not such a report.
    """
    return msgspec.json.decode(data, type=CheckResult)


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of :class:`CheckResult`."""
    schema = msgspec.json.schema(CheckResult)
    for definition in schema["$defs"].values():
        # Python 3.13 takes the indentation out of docstrings by itself, older versions do not.
        definition["description"] = inspect.cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
