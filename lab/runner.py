"""Runs the cases: several workers, each with gateways of its own, one case after another."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab import faults, install, peers, scoreboard
from lab.cases import IPV6, Case, Expected, FaultSpec, Step
from lab.checking import Checked, check
from lab.faults import Fault
from lab.namespaces import LabError, Namespace
from lab.netem import Netem
from lab.pki import Pki
from lab.reflector import reflector
from lab.registry import current_run
from lab.scoreboard import Outcome, PeerAnswer, Result
from lab.stations import MAKERS, Station, fault_of
from lab.topologies import Topology

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "lab"
_PLAINTEXT_L2TP = "meta l4proto udp th dport 1701"
_BOARD = "scoreboard.json"
_CLEAN_SECONDS = 15.0
_LEAVE_STATE = frozenset({"loss", "netem", "other-client"})
"""Faults after which a gateway may keep something of a client that no status shows: its farewell got lost."""
_JOIN_SECONDS = 120.0


@dataclass(frozen=True)
class Options:
    """What a run is to do.

    Attributes:
        jobs: workers.
        output: where everything goes.
        pcap: keep a capture of each dial.
        peers: ``none``, ``some`` (quick ones everywhere, slow ones where a case asks) or ``all``.
        keep: leave the last run's results of other cases in the scoreboard.
    """

    jobs: int
    output: Path = OUTPUT
    pcap: bool = False
    peers: str = "none"
    keep: bool = False


class Runner:
    """One run over a list of cases.

    Args:
        cases: what to run.
        options: how.
        say: gets one line after each case.
    """

    def __init__(self, cases: Sequence[Case], options: Options, say: Callable[[str], None] = print) -> None:
        self._options = options
        self._say = say
        self._waiting = list(cases)
        self._total = len(self._waiting)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pki = Pki()
        self.kept: list[dict[str, Any]] = []
        if (options.output / _BOARD).exists():
            ours = {case.id for case in self._waiting}
            rows = json.loads((options.output / _BOARD).read_text(encoding="utf-8"))["results"]
            # Of a case that is run again only what other tools said is kept.
            self.kept = [row for row in rows if options.keep or row["id"] in ours]
        self.results: list[Result] = []
        self.failure: BaseException | None = None

    def run(self) -> list[Result]:
        """Run everything and return the results.

        Raises:
            LabError: the lab itself failed; what was found until then is in :attr:`results`.
        """
        found = install.problems()
        if found:
            raise LabError("; ".join(found))
        current_run()  # in the main thread: it hears SIGTERM
        self._options.output.mkdir(parents=True, exist_ok=True)
        threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(max(1, min(self._options.jobs, self._total)))
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.1)
        finally:
            # After Ctrl-C each worker ends its case and takes its gateways down; atexit removes the rest.
            self._stop.set()
            for thread in threads:
                thread.join(_JOIN_SECONDS)
        if self.failure is not None:
            raise self.failure
        return self.results

    # -- one worker --------------------------------------------------------------------------------

    def _work(self) -> None:
        stations: dict[str, Station] = {}
        try:
            with contextlib.ExitStack() as stack:
                while (case := self._next(stations)) is not None:
                    if case.gateway not in stations:
                        made = MAKERS[case.gateway](self._pki)
                        stack.callback(made.close)
                        stations[case.gateway] = made
                    self._report(self._case(stations[case.gateway], case))
        except BaseException as error:  # it belongs to the caller of run
            self.failure = self.failure or error
            self._stop.set()

    def _next(self, stations: Mapping[str, Station]) -> Case | None:
        """Return a case for a gateway that this worker has, else for the one with most left to do."""
        with self._lock:
            if self._stop.is_set() or not self._waiting:
                return None
            mine = [case for case in self._waiting if case.gateway in stations]
            if not mine:
                left = [case.gateway for case in self._waiting]
                kind = max(dict.fromkeys(left), key=left.count)
                mine = [case for case in self._waiting if case.gateway == kind]
            self._waiting.remove(mine[0])
            return mine[0]

    def _report(self, result: Result) -> None:
        with self._lock:
            self.results.append(result)
            state = "ok " if result.right and not result.problems else "BAD"
            answers = " → ".join(item.got for item in result.outcomes)
            seconds = sum(item.seconds for item in result.outcomes)
            self._say(f"[{len(self.results)}/{self._total}] {state} {result.id}: {answers} ({seconds:.1f} s)")
            scoreboard.write(self.results, self._options.output / _BOARD, self.kept)

    # -- one case ----------------------------------------------------------------------------------

    def _case(self, station: Station, case: Case) -> Result:
        folder = self._options.output / case.id
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        outcomes: list[Outcome] = []
        answers: dict[str, PeerAnswer] = {}
        try:
            station.prepare(case.certificate, case.steps[0].options)
            before = station.gateway.log()
            with contextlib.closing(Topology(station.gateway.site, case.shape)) as path:
                try:
                    for number, step in enumerate(case.steps):
                        if number:
                            station.change(case.certificate, step.options)
                        one = _Step(case, step, station, path, folder, f"-then{number}" if number else "")
                        outcomes.append(one.run(self._options, answers if number == 0 else None))
                finally:
                    (folder / "gateway.log").write_text(since(before, station.gateway.log()))
        except LabError as error:
            (folder / "lab-error.txt").write_text(str(error))
            expected = case.steps[min(len(outcomes), len(case.steps) - 1)].expect.answer
            sentence = f"the lab failed: {str(error).splitlines()[0]}"
            outcomes.append(Outcome(expected, "not measured", False, 0.0, problems=(sentence,)))
        if any(spec.kind in _LEAVE_STATE for step in case.steps for spec in step.faults):
            station.distrust()
        return Result(case.id, case.group, case.gateway, tuple(outcomes), answers)


@dataclass
class _Step:
    """One dial of a case."""

    case: Case
    step: Step
    station: Station
    path: Topology
    folder: Path
    suffix: str
    _struck: list[tuple[FaultSpec, Fault | Netem]] = field(default_factory=list)

    def run(self, options: Options, answers: dict[str, PeerAnswer] | None) -> Outcome:
        """Put the faults in force, dial, compare."""
        beside = reflector(self.station.gateway.site, self.folder) if self.case.reflect else _alone()
        with beside as more, self._in_force(), self._plaintext() as plaintext:
            checked = self._dial(options, more)
            if answers is not None and options.peers != "none":
                slow = options.peers == "all" or self.case.peers
                answers.update(peers.ask(self.case, self.step, self.path, self.station.gateway, slow=slow))
        problems = [
            f"the fault {spec.kind} caught nothing"
            for spec, fault in self._struck
            if spec.strikes and not fault.packets
        ]
        if plaintext.packets:
            problems.append(f"{plaintext.packets} packets of L2TP left the client outside ESP")
        if self.step.expect.verdict == "healthy" and checked.healthy:
            problems += self._left()
        outcome = compare(self.step.expect, checked)
        return replace(outcome, problems=(*outcome.problems, *problems))

    @contextlib.contextmanager
    def _in_force(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            # Faults of the gateway come first: some need a clear path to it, and most of them a service.
            for spec in sorted(self.step.faults, key=_order):
                if spec.on_path:
                    self._struck.append((spec, stack.enter_context(path_fault(self.path, spec))))
                else:
                    made = stack.enter_context(fault_of(self.station, self.path, spec))
                    if isinstance(made, Netem):
                        self._struck.append((spec, made))
            yield

    def _plaintext(self) -> contextlib.AbstractContextManager[Fault]:
        return faults.rule(
            self.path.nodes[0], _PLAINTEXT_L2TP, direction="out", verdict="accept", hook="prerouting"
        )

    def _dial(self, options: Options, more: Sequence[str]) -> Checked:
        dial, client = self.step.dial, self.path.client
        if dial.names:
            client.set_hosts(dict.fromkeys(dial.names, self.path.dial_address))
        if dial.certificate is not None:
            self.station.client_certificate(dial, self.case.certificate, self.folder)
        pcap = self.folder / f"check{self.suffix}.pcapng" if options.pcap else None
        host = {"": self.path.dial_address, IPV6: self.path.dial_address6 or ""}.get(dial.host, dial.host)
        checked = check(
            client, host, dial, self.station.gateway, self.folder,
            limit=self.case.limit, pcap=pcap, more=more,
        )  # fmt: skip
        (self.folder / f"check{self.suffix}.json").write_text(checked.stdout)
        (self.folder / f"check{self.suffix}.stderr").write_text(checked.stderr)
        return checked

    def _left(self) -> list[str]:
        """A dial that worked leaves nothing behind; where packets get lost, its Delete may be one of them."""
        if any(spec.kind in ("other-client", "loss", "netem") for spec in self.step.faults):
            return []
        try:
            self.station.gateway.wait_clean(_CLEAN_SECONDS)
        except LabError:
            return ["the gateway still holds something of the dial"]
        return []


@contextlib.contextmanager
def _alone() -> Iterator[tuple[str, ...]]:
    """No reflector: no further options."""
    yield ()


def since(before: str, now: str) -> str:
    """Return what a log has more than before; a log of several files has a line ``== NAME`` before each."""
    old = dict(_sections(before))
    found = []
    for name, text in _sections(now):
        known = old.get(name, "")
        found.append(f"== {name}\n" + (text[len(known) :] if text.startswith(known) else text))
    return "".join(found)


def _sections(log: str) -> list[tuple[str, str]]:
    parts = [part.partition("\n") for part in f"\n{log}".split("\n== ")]
    return [(name, text) for name, _, text in parts if name or text]


def _order(spec: FaultSpec) -> tuple[bool, bool]:
    return spec.on_path, spec.kind in ("stopped", "paused")


def path_fault(path: Topology, spec: FaultSpec) -> contextlib.AbstractContextManager[Fault]:
    """Return the context manager for a fault on the path."""
    arguments = dict(spec.arguments)
    node = _node(path, spec.where)
    make: Callable[..., contextlib.AbstractContextManager[Fault]] = getattr(
        faults, spec.kind.replace("-", "_")
    )
    names = ("port", "to", "percent", "octets", "match")
    positional = [arguments.pop(name) for name in names if name in arguments]
    if spec.kind == "loss":
        match = str(spec.arguments.get("match", ""))
        return faults.loss(
            node, float(spec.arguments["percent"]), match=match,
            direction=arguments.get("direction", "both"),  # type: ignore[arg-type]  # checked by the loader
        )  # fmt: skip
    return make(node, *positional, **arguments)


def _node(path: Topology, where: str) -> Namespace:
    if where == "path":
        return path.path
    if where.startswith("router "):
        number = int(where.removeprefix("router "))
        if number > len(path.routers):
            raise LabError(f"there is no router {number} on this path")
        return path.routers[number - 1]
    node = path.client_nat if where == "client-nat" else path.server_nat
    if node is None:
        raise LabError(f"there is no {where} on this path")
    return node


def compare(expected: Expected, checked: Checked) -> Outcome:
    """Judge one dial."""
    found = checked.result
    if found is None:
        sentence = f"no report (exit status {checked.exit_code}): {checked.stderr.strip()[-200:]}"
        return Outcome(expected.answer, "no report", False, checked.seconds, problems=(sentence,))
    causes = [cause.id for cause in found.causes]
    named = causes[0] if found.verdict == "faulty" else found.verdict
    right = named in expected.causes if expected.causes else named == "healthy" and not causes
    warned = {item.id for item in found.warnings}
    problems = []
    if expected.stages and found.stage not in expected.stages:
        problems.append(f"stage {found.stage}, not {' or '.join(expected.stages)}")
    if missing := set(expected.warnings) - warned:
        problems.append(f"no warning {', '.join(sorted(missing))}")
    if surplus := warned - {*expected.warnings, *expected.may_warn}:
        problems.append(f"warns of {', '.join(sorted(surplus))}")
    values = {item.name: item.value for item in found.observations}
    for name, value in expected.present.items():
        if values.get(name) is None or (value is not None and values[name] != value):
            problems.append(f"{name} is {values.get(name)!r}, not {'any' if value is None else repr(value)}")
    problems += [f"{name} was measured" for name in expected.absent if values.get(name) is not None]
    if checked.exit_code != {"healthy": 0, "faulty": 1}.get(found.verdict, 3):
        problems.append(f"exit status {checked.exit_code} for {found.verdict}")
    return Outcome(
        expected.answer,
        named,
        right,
        checked.seconds,
        found.stage,
        found.causes[0].probability if causes else None,
        found.windows_error.code if found.windows_error is not None else None,
        tuple(sorted(warned)),
        tuple(problems),
    )
