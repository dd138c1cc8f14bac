"""Runs the fuzz targets one after another, each in a process of its own.

``python -m fuzz.run --seconds 30`` gives each target 30 seconds; ``--target`` picks some.
Needs atheris (the ``fuzz`` extra).  Inputs that broke a rule are kept in ``--artifacts``.
Ends with 0 when nothing broke, 1 when something did, 2 when it could not run.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # so that `python fuzz/run.py` works like `python -m fuzz.run`
    sys.path.insert(0, str(ROOT))

NOT_RUN = 2
GRACE_SECONDS = 60
"""What a process may take beyond its time to import, to instrument and to end."""


def fuzz_here(name: str, arguments: list[str]) -> None:
    """Fuzzes one target in this process; libFuzzer ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["l2tp_doctor"]):
        from fuzz.targets import TARGETS

    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


def fuzz_in_child(name: str, seconds: int, artifacts: Path) -> bool:
    """Fuzzes one target in a child process; returns whether nothing broke."""
    from fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for index, seed in enumerate(TARGETS[name].seeds):
            (Path(corpus) / f"seed-{index}").write_bytes(seed)
        command = [sys.executable, "-m", "fuzz.run", "--child", name, "--", corpus]
        command += [f"-max_total_time={seconds}", "-max_len=2048", "-timeout=10", "-rss_limit_mb=1024"]
        command += [f"-artifact_prefix={artifacts}/{name}-", "-print_final_stats=1"]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + GRACE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            print(f"{name:18} did not end {GRACE_SECONDS} s after its time", flush=True)
            return False
    executed = next(
        (
            line.split(":")[-1].strip()
            for line in done.stderr.splitlines()
            if "number_of_executed_units" in line
        ),
        "?",
    )
    print(f"{name:18} {'ok' if done.returncode == 0 else 'BROKEN'}  {executed} inputs", flush=True)
    if done.returncode != 0:
        print("\n".join((done.stdout + done.stderr).splitlines()[-40:]), flush=True)
    return done.returncode == 0


def main() -> int:
    """Reads the command line and runs."""
    parser = argparse.ArgumentParser(description="Fuzz every decoder.")
    parser.add_argument("--seconds", type=int, default=30, help="time for each target (default 30)")
    parser.add_argument("--target", action="append", help="only this target; may be repeated")
    parser.add_argument("--artifacts", type=Path, default=Path(tempfile.gettempdir()) / "l2tp-doctor-fuzz")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install 'l2tp-doctor[fuzz]'", file=sys.stderr)
        return NOT_RUN
    if options.child:
        fuzz_here(options.child, options.arguments)
        return 0
    from fuzz.targets import TARGETS

    names = options.target or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        print(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}", file=sys.stderr
        )
        return NOT_RUN
    options.artifacts.mkdir(parents=True, exist_ok=True)
    results = [fuzz_in_child(name, options.seconds, options.artifacts) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
