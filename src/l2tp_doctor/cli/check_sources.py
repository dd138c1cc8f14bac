"""What ``check`` knows besides its own dial: earlier reports (``--with``) and a reflector (``--reflect``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2tp_doctor.cli.problems import UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.cli.check_reports import Report
    from l2tp_doctor.diagnosis.sources import SourceLog
    from l2tp_doctor.probes.interface import CheckRequest, Measurement
    from l2tp_doctor.probes.reflect import ReflectMeasurement, ReflectRequest

MAX_SOURCES = 50
"""Reports in one command."""
_LEAST_BUDGET = 2.0
"""Seconds below which a reflector is not asked: it would only seem silent."""


@dataclass
class Sources:
    """Everything beside the dial.

    Attributes:
        reports: earlier reports, in the order given.
        reflector: whom to ask, or ``None``.
    """

    reports: Sequence[Report] = ()
    reflector: ReflectRequest | None = None
    asked: list[SourceLog] = field(default_factory=list)

    def logs(self) -> list[SourceLog]:
        """Returns every log but the dial's own."""
        return [*(report.log for report in self.reports), *self.asked]


# -- options ------------------------------------------------------------------------------------


def read_sources(given: dict[str, Any], request: CheckRequest) -> Sources:
    """Reads what the options name, before anything is dialled.

    Raises:
        UsageProblemError: an option or file that cannot be used.
    """
    names: tuple[str, ...] = given["with"]
    if len(names) > MAX_SOURCES:
        raise UsageProblemError("check.with_many", limit=MAX_SOURCES)
    reports = tuple(_named(name, request.host) for name in names)
    return Sources(reports, _reflector(given, request))


def _reflector(given: dict[str, Any], request: CheckRequest) -> ReflectRequest | None:
    host, token = given["reflect"], given["reflect_token_file"]
    if (host is None) != (token is None):
        raise UsageProblemError("check.reflect_without_token")
    if host is None:
        if given["reflect_control_port"] is not None:
            raise UsageProblemError("check.reflect_without_token")
        return None
    from l2tp_doctor.cli.reflect import read_token
    from l2tp_doctor.cli.target import parse_gateway
    from l2tp_doctor.probes.reflect import ReflectRequest

    target = parse_gateway(host)
    return ReflectRequest(
        target,
        read_token(token),
        request.ike_port,
        request.nat_t_port,
        given["reflect_control_port"],
        None if _is_literal(target) else request.family,
    )


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _named(text: str, host: str) -> Report:
    """Reads ``FILE`` or ``PLACE=FILE``; a file's own name may hold the sign as well."""
    from l2tp_doctor.cli.check_reports import load, modified_at, read_report
    from l2tp_doctor.diagnosis.sources import label

    place, sign, name = text.partition("=")
    if not sign or Path(text).exists():
        place, name = "", text
    elif not label(place):
        raise UsageProblemError("check.with_place", text=text)
    path = Path(name)
    report = read_report(path, load(path), modified=modified_at(path), now=time.time())
    if place:
        return replace(report, log=replace(report.log, place=label(place)))
    if host.casefold().rstrip(".") not in (report.host.casefold().rstrip("."), report.address):
        raise UsageProblemError("check.with_other_target", path=path, host=report.host)
    return report


# -- the reflector ------------------------------------------------------------------------------


def ask_reflector(
    sources: Sources, request: CheckRequest, measurement: Measurement
) -> ReflectMeasurement | None:
    """Asks the reflector once the dial is over (both leave from UDP 500), within what is left of its budget.

    Returns:
        What it found, also added to ``sources``; ``None`` when there is none, or no time for it.

    Raises:
        OSError: this machine cannot make the sockets.
        KeyboardInterrupt, asyncio.CancelledError: the user does not want to wait.
    """
    left = request.budget - measurement.elapsed
    if sources.reflector is None or left < _LEAST_BUDGET:
        return None
    from l2tp_doctor.cli.reflect_test import ask
    from l2tp_doctor.diagnosis.sources import SourceLog

    wanted = replace(
        sources.reflector, budget=min(sources.reflector.budget, left), gateway=measurement.address or ""
    )
    began = time.time()
    found = ask(wanted)
    sources.asked.append(SourceLog(found.observations, began))
    return found
