"""``python -m bench [--quick] [--only SECTION] [--dials N] [--output DIRECTORY]``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import faults, guide, healthy, lint, startup, throughput
from bench.gateways import NAMES, SOFTETHER, STRONGSWAN, lab_is_possible
from bench.report import Report, Section, section_text

SECTIONS = ("healthy", "reference", "faults", "startup", "guide", "throughput", "lint")
OUTPUT = Path(__file__).resolve().parents[1] / "build" / "bench"
_RTTS = (0.0, 0.02, 0.05, 0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the bench.  The exit status is 0 whatever was measured; 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    chosen = tuple(options.only or SECTIONS)
    begin = time.perf_counter()
    report = Report(_machine())
    missing = lab_is_possible()
    if missing:
        print("without the lab (see lab/README.md): " + "; ".join(missing), file=sys.stderr)
    for section in _sections(chosen, options.quick, options.dials, not missing):
        print(section_text(section) + "\n", flush=True)
        report.sections.append(section)
        report.sections.sort(key=lambda item: SECTIONS.index(item.name))
        report.seconds = time.perf_counter() - begin
        report.write(options.output)  # after each: a bench that fails later has not measured in vain
    print(report.targets().text())
    print(f"\n{report.seconds:.0f} s; report.json, report.txt and report.md are in {options.output}")
    return 0


def _sections(chosen: Sequence[str], quick: bool, dials: int | None, lab: bool) -> Iterator[Section]:
    """Measures one section after another, the quickest first."""
    if "throughput" in chosen:
        yield throughput.measure(budget=0.1 if quick else 0.5, say=_say)
    if "lint" in chosen:
        yield lint.measure(repeats=3 if quick else 9, say=_say)
    if "startup" in chosen:
        yield startup.measure(repeats=3 if quick else 15, with_lab=lab, say=_say)
    if "guide" in chosen:
        yield guide.measure(repeats=3 if quick else 9, say=_say)
    if lab and ("healthy" in chosen or "reference" in chosen):
        plan = _plan(quick, dials, with_reference="reference" in chosen)
        yield from (section for section in healthy.measure(plan, _say) if section.name in chosen)
    if lab and "faults" in chosen:
        yield faults.measure(quick=quick, say=_say)


def _plan(quick: bool, dials: int | None, *, with_reference: bool) -> healthy.Plan:
    rtts = (healthy.TARGET_RTT,) if quick else _RTTS
    reference: tuple[tuple[str, float], ...] = ()
    if with_reference:
        both = [(name, rtt) for name in (STRONGSWAN, SOFTETHER) for rtt in (0.0, healthy.TARGET_RTT)]
        reference = ((STRONGSWAN, healthy.TARGET_RTT),) if quick else tuple(both)
    return healthy.Plan(rtts, dials or (2 if quick else 5), NAMES, reference, 1 if quick else 2)


def _machine() -> dict[str, str]:
    return {
        "CPUs": str(os.cpu_count()),
        "Python": platform.python_version(),
        "Linux": platform.release(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures l2tp-doctor against the promises made for it, in one run on one machine.",
    )
    parser.add_argument("--quick", action="store_true", help="a short run: one delay, fewer faults")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section (repeatable)")
    parser.add_argument("--dials", type=_positive, help="healthy dials per gateway and delay")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"where reports go (default: {OUTPUT})")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
