"""The healthy dial at several round-trip times, and the reference client's dial on the same paths."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.dialer import Account, BenchError, Done, check
from bench.gateways import (
    PRACTICE,
    SHAPES,
    SOFTETHER,
    STRONGSWAN,
    account_of,
    path_to,
    rest,
    rest_note,
    round_trip,
    started,
)
from bench.report import Section, Table, Target, milliseconds, spread, times
from bench.timeline import Breakdown, critical_path
from lab.gateway import Gateway
from lab.namespaces import LabError
from lab.reference_client import ReferenceClient
from lab.topologies import Topology

IPCP, ECHO = "ppp.ipcp.opened", "tunnel.echo_reply"
TARGET_RTT = 0.05
TARGET_RATIO = 1.25
TARGET_REFERENCE = 8.0
_TITLES = {STRONGSWAN: "strongSwan", SOFTETHER: "SoftEther", PRACTICE: "practice gateway"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        rtts: added round-trip times in seconds.
        dials: how many dials each median is of.
        gateways: which gateways.
        reference: (gateway, round-trip time) pairs that the reference client dials as well.
        reference_dials: how often it does.
    """

    rtts: tuple[float, ...]
    dials: int
    gateways: tuple[str, ...]
    reference: tuple[tuple[str, float], ...]
    reference_dials: int


@dataclass(slots=True)
class Cell:
    """One gateway at one round-trip time."""

    gateway: str
    added: float
    rtt: float
    dials: list[tuple[Done, Breakdown, Breakdown]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    reference_start: list[float] = field(default_factory=list)
    reference_failure: str = ""

    def median(self, value: Callable[[Done, Breakdown, Breakdown], float]) -> float:
        """The median of something over all dials."""
        return statistics.median(value(*dial) for dial in self.dials)

    @property
    def typical(self) -> tuple[Done, Breakdown, Breakdown]:
        """The dial whose time to the address is the (upper) median: what the parts are shown of."""
        return sorted(self.dials, key=lambda dial: dial[1].elapsed)[len(self.dials) // 2]

    def to_address(self) -> float:
        """Seconds from DNS to IPCP."""
        return self.median(lambda _done, ipcp, _echo: ipcp.elapsed)


def measure(plan: Plan, say: Say) -> list[Section]:
    """Runs everything; returns the sections ``healthy`` and ``reference``."""
    cells: list[Cell] = []
    failures: list[str] = []
    for name in plan.gateways:
        try:
            _gateway(plan, name, cells, say)
        except (BenchError, LabError) as error:  # the other gateways are measured all the same
            failures.append(f"{_TITLES[name]}: not measured to the end: {error}")
    healthy = _healthy_section(plan, cells)
    healthy.notes[:0] = failures
    return [healthy, *([_reference_section(plan, cells)] if plan.reference else [])]


def _gateway(plan: Plan, name: str, cells: list[Cell], say: Say) -> None:
    """Measures one gateway at every round-trip time."""
    with started(name) as gateway:
        account = account_of(gateway)
        _warm_up(gateway, name, account)
        for rtt in plan.rtts:
            say(f"healthy dial: {_TITLES[name]} at {rtt * 1000:.0f} ms")
            with path_to(gateway, SHAPES[name], rtt) as path:
                cell = _dial(path, gateway, account, name, rtt, plan.dials)
                cells.append(cell)
                if (name, rtt) in plan.reference:
                    say(f"reference client: {_TITLES[name]} at {rtt * 1000:.0f} ms")
                    _reference(path, gateway, name, cell, plan.reference_dials)


def _warm_up(gateway: Gateway, name: str, account: Account) -> None:
    """A gateway's very first client waits for its programs to be read from the disk; that is not ours."""
    with path_to(gateway, SHAPES[name]) as path:
        check(path, account)
    rest(gateway, name)


def _dial(path: Topology, gateway: Gateway, account: Account, name: str, added: float, count: int) -> Cell:
    cell = Cell(name, added, round_trip(path))
    for _ in range(count):
        try:
            done = check(path, account, capture=True)
        except BenchError as error:
            cell.failures.append(str(error))
            continue
        ipcp = critical_path(done.report, cell.rtt, IPCP, done.pcapng)
        echo = critical_path(done.report, cell.rtt, ECHO, done.pcapng)
        if done.verdict != "healthy" or ipcp is None or echo is None:
            cell.failures.append(f"{done.verdict}: {done.cause or 'no cause'}")
        else:
            cell.dials.append((done, ipcp, echo))
        rest(gateway, name)
    return cell


def _reference(path: Topology, gateway: Gateway, name: str, cell: Cell, count: int) -> None:
    try:
        with ReferenceClient(path) as client:
            for _ in range(count):
                dial = client.dial(gateway.psk, gateway.users[0])
                cell.reference.append(dial.total_seconds - dial.start_seconds)
                cell.reference_start.append(dial.start_seconds)
                client.hang_up()
                rest(gateway, name)
    except LabError as error:
        cell.reference_failure = str(error).partition("\n")[0]


# -- what is shown ---------------------------------------------------------------------------------


def _healthy_section(plan: Plan, cells: Sequence[Cell]) -> Section:
    section = Section("healthy", f"Healthy dial, `check --json`, median of {plan.dials}")
    main = Table(
        "From DNS to an IP address (IPCP), to the echo through the tunnel, and with the teardown",
        (
            *("gateway, RTT", "ping", "to address", "min–max ms", "to echo", "with teardown", "process"),
            *("round trips", "elapsed/(RTs×RTT)", "without server"),
        ),
    )
    parts = Table(
        "Where the time to the address went (the median dial)",
        (
            "gateway, RTT",
            "RTs×RTT",
            "server",
            "our timers",
            "our computing",
            "before 1st packet",
            "ours, all",
        ),
    )
    slow = Table(
        "The server's longest thoughts, and waits of our timers (the median dial)",
        ("gateway, RTT", "we sent", "it answered", "server took", "our timer"),
    )
    for cell in cells:
        label = f"{_TITLES[cell.gateway]}, {cell.added * 1000:.0f} ms"
        section.notes += [f"{label}: a dial failed ({reason})" for reason in cell.failures]
        if cell.dials:
            main.rows.append(_main_row(label, cell))
            parts.rows.append(_parts_row(label, cell.typical[1]))
            slow.rows += _slow_rows(label, cell.typical[1])
    section.tables += [main, parts, slow]
    section.targets += [_target(cell) for cell in cells if cell.added == TARGET_RTT]
    section.data["cells"] = [_cell_data(cell) for cell in cells]
    section.notes += [
        (
            "round trips: strictly sequential request → reply steps on the dial's critical path, see "
            "bench/timeline.py; RTT: median of ten pings on the same path before the dials"
        ),
        "process: wall clock of the whole program, interpreter and teardown included",
        (
            "ours, all = our timers + our computing + before the first packet; "
            "to address = RTs×RTT + server + ours, all"
        ),
        "each gateway served one dial before; between two dials it rests until it holds nothing, and "
        + rest_note(),
    ]
    return section


def _main_row(label: str, cell: Cell) -> tuple[str, ...]:
    return (
        label,
        milliseconds(cell.rtt),
        milliseconds(cell.to_address()),
        spread([ipcp.elapsed for _done, ipcp, _echo in cell.dials]),
        milliseconds(cell.median(lambda _done, _ipcp, echo: echo.elapsed)),
        milliseconds(cell.median(lambda done, _ipcp, _echo: done.measured)),
        milliseconds(cell.median(lambda done, _ipcp, _echo: done.wall)),
        str(cell.typical[1].round_trips),
        # On a path of a fraction of a millisecond round trips take no time, and a ratio to them says nothing.
        times(cell.median(lambda _done, ipcp, _echo: ipcp.ratio) if cell.added else None),
        times(cell.median(lambda _done, ipcp, _echo: ipcp.own_ratio) if cell.added else None),
    )


def _parts_row(label: str, found: Breakdown) -> tuple[str, ...]:
    ours = found.timers + found.ours + found.before
    values = (found.round_trips * found.rtt, found.server, found.timers, found.ours, found.before, ours)
    return (label, *(milliseconds(value) for value in values))


def _slow_rows(label: str, found: Breakdown) -> list[tuple[str, ...]]:
    longest = sorted(found.steps, key=lambda step: max(step.server, step.timer), reverse=True)[:3]
    return [
        (label, _short(step.request), _short(step.reply), milliseconds(step.server), milliseconds(step.timer))
        for step in found.steps
        if step in longest
    ]


def _short(summary: str) -> str:
    return summary.partition(":")[0].partition(" tunnel ")[0]


def _target(cell: Cell) -> Target:
    what = f"healthy dial at {cell.added * 1000:.0f} ms, {_TITLES[cell.gateway]}: elapsed / (RTs × RTT)"
    if not cell.dials:
        return Target(what, f"≤ {TARGET_RATIO}", "-", None)
    ratio = cell.median(lambda _done, ipcp, _echo: ipcp.ratio)
    own = cell.median(lambda _done, ipcp, _echo: ipcp.own_ratio)
    return Target(
        what, f"≤ {TARGET_RATIO}", f"{times(ratio)} ({times(own)} without server)", ratio <= TARGET_RATIO
    )


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {
        "gateway": cell.gateway,
        "added_rtt": cell.added,
        "ping_rtt": cell.rtt,
        "failures": cell.failures,
        "reference_seconds": cell.reference,
        "reference_start_seconds": cell.reference_start,
        "dials": [
            {
                "to_address": ipcp.elapsed,
                "to_echo": echo.elapsed,
                "with_teardown": done.measured,
                "process": done.wall,
                "round_trips": ipcp.round_trips,
                "round_trips_to_echo": echo.round_trips,
                "ratio": ipcp.ratio,
                "ratio_without_server": ipcp.own_ratio,
                "ratio_to_echo": echo.ratio,
                "server": ipcp.server,
                "timers": ipcp.timers,
                "computing": ipcp.ours,
                "before_first_packet": ipcp.before,
                "steps": [
                    {
                        "request": step.request,
                        "reply": step.reply,
                        "elapsed": step.elapsed,
                        "server": step.server,
                        "timer": step.timer,
                        "computing": step.ours,
                    }
                    for step in ipcp.steps
                ],
            }
            for done, ipcp, echo in cell.dials
        ],
    }


def _reference_section(plan: Plan, cells: Sequence[Cell]) -> Section:
    section = Section("reference", "The same dial by strongSwan + xl2tpd + pppd on the same path")
    table = Table(
        f"To an IP address; reference: median of {plan.reference_dials}",
        (
            *("gateway, RTT", "reference client", "ours", "reference / ours"),
            *("with its daemons' start", "ours from exec", "reference / ours"),
        ),
    )
    for cell in cells:
        if (cell.gateway, cell.added) not in plan.reference:
            continue
        label = f"{_TITLES[cell.gateway]}, {cell.added * 1000:.0f} ms"
        what = f"faster than strongSwan + xl2tpd, {label}"
        if not cell.reference or not cell.dials:
            section.targets.append(Target(what, f"≥ {TARGET_REFERENCE:g}×", "-", None))
            section.notes.append(f"{label}: no comparison: {cell.reference_failure or 'we did not connect'}")
            continue
        theirs, ours = statistics.median(cell.reference), cell.to_address()
        start = statistics.median(cell.reference_start)
        ratio = theirs / ours
        from_exec = cell.median(lambda done, ipcp, _echo: done.wall - done.measured + ipcp.elapsed)
        whole = theirs + start
        table.rows.append(
            (
                *(label, f"{theirs:.2f} s", f"{ours:.2f} s", times(ratio)),
                *(f"{whole:.2f} s", f"{from_exec:.2f} s", times(whole / from_exec)),
            )
        )
        section.targets.append(
            Target(what, f"≥ {TARGET_REFERENCE:g}×", times(ratio), ratio >= TARGET_REFERENCE)
        )
    section.tables.append(table)
    section.notes.append(
        "both from the first act of dialling (reference: `ipsec up` with charon already running; ours: name "
        "resolution) to an assigned address; the right half counts starting charon on the one side, and the "
        "interpreter, imports and the report after the teardown on the other"
    )
    return section
