"""What the last check found, kept for ``guide --last``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from l2tp_doctor.cli.problems import UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.guide.personal import LastCheck
    from l2tp_doctor.report.json import CheckResult

FILE_NAME = "last-check.json"


def _path() -> Path:
    from l2tp_doctor.storage.folder import data_folder

    return data_folder() / FILE_NAME


def remember(result: CheckResult) -> OSError | None:
    """Keeps a report, which holds no secret, in place of the one before; returns why that failed."""
    from l2tp_doctor.cli.files import write_atomically
    from l2tp_doctor.report.json import encode

    path = _path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, encode(result))
    except OSError as error:
        return error
    return None


def recall() -> LastCheck:
    """Returns what is known of the last check.

    Raises:
        UsageProblemError: there was none, or its file is not one of ours.
    """
    from l2tp_doctor.cli.check_reports import decode_report, load, modified_at
    from l2tp_doctor.guide.harmless import one_line
    from l2tp_doctor.guide.personal import LastCheck
    from l2tp_doctor.knowledge import cause_ids

    path = _path()
    try:
        path.stat()
    except FileNotFoundError:
        raise UsageProblemError("guide.no_last") from None
    except OSError:
        pass  # reading it will say why
    result, written = decode_report(path, load(path)), modified_at(path)
    try:
        at = datetime.fromtimestamp(result.started_at or written).astimezone()
    except (OverflowError, ValueError, OSError):  # no time of this calendar
        at = datetime.fromtimestamp(written).astimezone()
    known = set(cause_ids())  # a newer version may have kept one that this one cannot explain
    return LastCheck(
        host=one_line(result.target.host),
        at=f"{at:%Y-%m-%d %H:%M}",
        verdict=result.verdict,
        windows_error=result.windows_error.code if result.windows_error is not None else None,
        causes=tuple(
            (cause.id, min(max(cause.probability, 0.0), 1.0)) for cause in result.causes if cause.id in known
        ),
        warnings=tuple(cause.id for cause in result.warnings if cause.id in known),
        measured=frozenset(row.name for row in result.observations if row.value is not None),
    )
