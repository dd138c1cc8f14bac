"""Reads an earlier ``check --json``, whoever may have written the file."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.diagnosis.sources import SourceLog, label, origin
from l2tp_doctor.observations import Observation
from l2tp_doctor.observations.vocabulary import VOCABULARY
from l2tp_doctor.report.json import SCHEMA_VERSION, CheckResult, ObservationRow
from l2tp_doctor.report.printable import printable

MAX_REPORT = 16 * 1024 * 1024
"""Bytes of a report; a dial's own limit on its timeline keeps ours below 4 MB.  More is another file."""
MAX_OBSERVATIONS = 5000
"""A dial makes about a hundred; each is shown to a person."""
_FURTHEST = 1e9
"""Seconds, some thirty years: no ``at`` of ours lies beyond, nor any number we observe."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # what `>` of Windows PowerShell writes
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class _Head(msgspec.Struct):
    """What tells a report of any version from another file."""

    schema_version: int
    stage: str
    observations: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Report:
    """An earlier ``check --json``.

    Attributes:
        path: where it was read.
        host: what was dialled.
        address: its address, or ``None``.
        log: its observations.
    """

    path: Path
    host: str
    address: str | None
    log: SourceLog


def load(path: Path) -> bytes:
    """Returns a file's content, up to one byte more than a report may have.

    Raises:
        UsageProblemError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_REPORT + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageProblemError("report.unreadable", path=path, reason=reason) from None


def modified_at(path: Path) -> float:
    """Returns the Unix time at which a file was written; 0 where nobody can say."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def read_report(path: Path, data: bytes, *, modified: float, now: float) -> Report:
    """Reads an earlier report.

    Args:
        path: for what is said about it.
        data: its content, whatever that is.
        modified: Unix time at which the file was written; counts where the report does not say when.
        now: Unix time.  What is in a file happened before it was read, whatever another machine's clock says.

    Raises:
        UsageProblemError: not a report of ours, of another version, or with content that no dial gives.
    """
    found = decode_report(path, data)
    items = _observations(path, found.observations)
    span = max((item.at for item in items), default=0.0)
    said = found.started_at if found.started_at is not None else modified - found.elapsed_seconds
    if not -_FURTHEST <= said <= 100 * _FURTHEST:
        raise _malformed(path, "started_at")
    log = SourceLog(items, min(said, now - span), label=label(path.stem) or "report")
    return Report(path, printable(found.target.host), found.target.address, log)


def decode_report(path: Path, data: bytes) -> CheckResult:
    """Reads a report, as it stands: what is in it may be anybody's words.

    Raises:
        UsageProblemError: not a report of ours, or of another version.
    """
    if len(data) > MAX_REPORT:
        raise UsageProblemError("report.long", path=path, limit=MAX_REPORT)
    try:
        text = _as_utf8(data)
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UsageProblemError("report.not_ours", path=path) from None
    if head.schema_version != SCHEMA_VERSION:
        version = head.schema_version
        raise UsageProblemError("report.version", path=path, version=version, known=SCHEMA_VERSION)
    if len(head.observations) > MAX_OBSERVATIONS:
        raise _malformed(path, "observations")
    try:
        return msgspec.json.decode(text, type=CheckResult)
    except msgspec.ValidationError as error:
        raise _malformed(path, printable(str(error))) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UsageProblemError("report.not_ours", path=path) from None


def _as_utf8(data: bytes) -> bytes:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data.decode(codec).encode()
    return data


def _malformed(path: Path, where: str) -> UsageProblemError:
    return UsageProblemError("report.malformed", path=path, reason=where)


def _observations(path: Path, rows: Sequence[ObservationRow]) -> tuple[Observation, ...]:
    """Returns the observations; names that this release does not know are left out."""
    if len({row.id for row in rows}) != len(rows):
        raise _malformed(path, "observations: id")
    return tuple(_observation(path, row) for row in rows if row.name in VOCABULARY)


def _observation(path: Path, row: ObservationRow) -> Observation:
    # Whoever wrote the file: its words are shown on this terminal.
    shown = printable(row.id, 20)
    value: Any = row.value
    if isinstance(value, list):
        value = tuple(printable(item, 200) for item in value)
    elif isinstance(value, str):
        value = printable(value, 200)
    elif isinstance(value, (int, float)) and not -_FURTHEST <= value <= _FURTHEST:
        raise _malformed(path, f"{shown}: value")
    elif type(value) is int and VOCABULARY[row.name].type is float:
        value = float(value)  # a tool that wrote the file anew may have made 1.0 a 1
    try:
        VOCABULARY[row.name].check(value)
    except TypeError:
        raise _malformed(path, f"{shown}: value") from None
    if not -_FURTHEST <= row.at <= _FURTHEST:
        raise _malformed(path, f"{shown}: at")
    if not origin(row.source).kind or printable(row.source) != row.source:
        raise _malformed(path, f"{shown}: source")
    return Observation(shown, row.name, value, row.at, row.source, reason=printable(row.reason, 200))
