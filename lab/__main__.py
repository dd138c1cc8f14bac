"""``python -m lab install | check | list | clean | run | fixtures | report``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import install, registry, scoreboard
from lab.cases import GROUPS, Case, load_cases, load_subset
from lab.namespaces import LabError
from lab.replay import FIXTURES, write_fixtures
from lab.runner import OUTPUT, Options, Runner
from lab.strict_yaml import CaseError

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "lab.md"
_BEGIN, _END = "<!-- scoreboard -->", "<!-- end of scoreboard -->"

_USAGE = (
    "usage: python -m lab install [--peers] | check | list | clean | fixtures | report\n"
    "       python -m lab run [--case ID]… [--group GROUP]… [--subset] [--jobs N] [--pcap] [--peers some|all]"
    " [--keep]"
)


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status (0 done, 1 not possible here, 2 usage)."""
    if arguments and arguments[0] == "run":
        return _run(arguments[1:])
    if list(arguments) == ["install", "--peers"]:
        return _install(peers=True)
    commands = {
        "fixtures": _fixtures,
        "report": _report,
        "install": _install,
        "check": _check,
        "list": _list,
        "clean": _clean,
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        print(_USAGE, file=sys.stderr)
        return 2
    return commands[arguments[0]]()


def _install(*, peers: bool = False) -> int:
    try:
        brought = install.install(peers=peers)
    except install.InstallError as error:
        print(f"the lab cannot run here: {error}", file=sys.stderr)
        return 1
    print(f"installed: {' '.join(brought)}" if brought else "everything is there")
    return 0


def _check() -> int:
    found = install.problems() + install.libreswan_problems()
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


def _list() -> int:
    runs = sorted(entry.name for entry in registry.RUN_ROOT.iterdir()) if registry.RUN_ROOT.is_dir() else []
    for run_id in runs:
        state = "running" if registry.owner_lives(run_id) else "dead"
        print(f"{run_id}\t{state}\t{len(registry.namespaces_of(run_id))} namespaces")
    return 0


def _clean() -> int:
    for run_id in registry.clean_dead_runs():
        print(f"removed what {run_id} had left")
    return 0


def _run(arguments: Sequence[str]) -> int:
    """Run cases; 0 only when each got the true answer and nothing else was wrong."""
    parser = argparse.ArgumentParser(prog="python -m lab run")
    parser.add_argument("--case", action="append", default=[], metavar="ID", help="only this one")
    parser.add_argument("--group", action="append", default=[], choices=GROUPS, help="only this group")
    parser.add_argument("--subset", action="store_true", help="only those of subset.txt")
    parser.add_argument("--jobs", type=int, default=_jobs(), metavar="N", help="workers")
    parser.add_argument("--pcap", action="store_true", help="keep a capture of each dial")
    parser.add_argument("--peers", choices=("none", "some", "all"), default="none", help="ask other tools")
    parser.add_argument("--keep", action="store_true", help="keep the last run's other results")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIRECTORY")
    given = parser.parse_args(arguments)
    try:
        cases = load_cases()
    except CaseError as error:
        print(error, file=sys.stderr)
        return 2
    unknown = set(given.case) - {case.id for case in cases}
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    listed = load_subset(cases) if given.subset else cases
    chosen = [
        case
        for case in listed
        if (not given.case or case.id in given.case) and (not given.group or case.group in given.group)
    ]
    begin = time.monotonic()
    runner = Runner(chosen, Options(given.jobs, given.output, given.pcap, given.peers, given.keep), say=_say)
    try:
        results = runner.run()
    except LabError as error:
        print(f"the lab failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    board = scoreboard.scoreboard(results, runner.kept)
    print(scoreboard.table(board))
    complete = {case.id for case in cases} <= {row["id"] for row in board["results"]}
    if complete and given.output == OUTPUT:
        _write_page(board, cases)
    print(f"{time.monotonic() - begin:.0f} s with {given.jobs} jobs; details in {given.output}")
    return 0 if all(item.right and not item.problems for item in results) else 1


def _jobs() -> int:
    """One worker more than there are cores: most of a case is waiting for what does not come."""
    return min(4, len(os.sched_getaffinity(0)) + 1)


def _say(line: str) -> None:
    print(line, flush=True)


def _fixtures() -> int:
    """Turn the last run into fixtures."""
    written = write_fixtures(OUTPUT)
    print(f"{len(written)} fixtures in {FIXTURES}")
    return 0


def _report() -> int:
    """Write the last run into the documents."""
    _write_page(json.loads((OUTPUT / "scoreboard.json").read_text(encoding="utf-8")), load_cases())
    return 0


def _write_page(board: Mapping[str, Any], cases: Sequence[Case]) -> None:
    if not scoreboard.peer_names(board):
        # A page without the other tools' columns would say less than the one that is there.
        print(f"{_PAGE} stays as it is: no other tool was asked (--peers some)")
        return
    titles = {case.id: case.what.en for case in cases}
    text = _PAGE.read_text(encoding="utf-8")
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    _PAGE.write_text(text[:begin] + "\n" + scoreboard.markdown(board, titles) + text[end:], encoding="utf-8")
    print(f"wrote {_PAGE}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
