"""Start-up: ``--version``, the first line of ``check``, imports, and the memory of a whole check."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.dialer import DOCTOR, Account, BenchError, arguments, environment, run
from bench.gateways import SHAPES, STRONGSWAN, account_of, path_to, started
from bench.report import Section, Table, Target, milliseconds, times

TARGET_VERSION = 0.15
TARGET_FIRST_LINE = 0.3
TARGET_MEMORY = 80.0
_MODULES = ("l2tp_doctor.protocol.dial", "l2tp_doctor.probes.check", "l2tp_doctor.diagnosis")

# A process that starts another from a large one begins with the large one's peak; so a small one does it.
_MEMORY = """
import os, sys
pid = os.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
sys.stderr.write(f"\\npeak {usage.ru_maxrss} status {os.waitstatus_to_exitcode(status)}\\n")
"""
_IMPORT = """
import sys, time
begin = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - begin)
"""

Say = Callable[[str], None]


def measure(*, repeats: int, with_lab: bool, say: Say) -> Section:
    """Measures everything; the memory of a check needs the lab."""
    section = Section("startup", f"Start-up and memory, median of {repeats}")
    section.data.update(_processes(section, repeats, say))
    section.data.update(_imports(section, repeats))
    section.data.update(_memory(section, say) if with_lab else {})
    return section


def _median(repeats: int, call: Callable[[], float]) -> float:
    call()  # the first one reads files from the disk
    return statistics.median(call() for _ in range(repeats))


def _wall(argv: Sequence[str]) -> float:
    begin = time.perf_counter()
    if run(argv).returncode != 0:
        raise BenchError(f"{' '.join(argv)} failed")
    return time.perf_counter() - begin


def _first_line(argv: Sequence[str], env: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        if process.stderr is None:
            raise BenchError("no standard error")
        line = process.stderr.readline()
        took = time.perf_counter() - begin
        process.terminate()
        process.stderr.read()
    if not line:
        raise BenchError("check printed nothing on standard error")
    return took


def _processes(section: Section, repeats: int, say: Say) -> dict[str, Any]:
    say("start-up")
    bare = _median(repeats, lambda: _wall([sys.executable, "-c", "pass"]))
    version = _median(repeats, lambda: _wall([DOCTOR, "--version"]))
    account = Account(options=("--budget", "1"))
    # Port 9 of the loopback interface: nobody is dialled.
    command = [*arguments("127.0.0.1", account), "--ike-port", "9", "--nat-t-port", "9"]
    first = _median(repeats, lambda: _first_line(command, environment(account)))
    table = Table("Processes", ("what", "seconds", "against `python -c pass`"))
    for name, value in (("`python -c pass`", bare), ("--version", version), ("check: first line", first)):
        table.rows.append((name, milliseconds(value), times(value / bare)))
    section.tables.append(table)
    section.targets += [
        Target(
            "`--version`",
            f"≤ {TARGET_VERSION:g} s",
            f"{version:.3f} s ({times(version / bare)} `python -c pass`)",
            version <= TARGET_VERSION,
        ),
        Target(
            "first line of `check`",
            f"≤ {TARGET_FIRST_LINE:g} s",
            f"{first:.3f} s ({times(first / bare)} `python -c pass`)",
            first <= TARGET_FIRST_LINE,
        ),
    ]
    return {"bare_python": bare, "version": version, "first_line": first}


def _imports(section: Section, repeats: int) -> dict[str, Any]:
    def imported(module: str) -> float:
        done = run([sys.executable, "-c", _IMPORT, module])
        if done.returncode != 0:
            raise BenchError(done.stderr)
        return float(done.stdout)

    table = Table("Imports in a fresh interpreter", ("module", "seconds", "against `import asyncio`"))
    reference = _median(repeats, lambda: imported("asyncio"))
    found = {"asyncio": reference}
    for module in _MODULES:
        found[module] = _median(repeats, lambda module=module: imported(module))  # type: ignore[misc]  # a default argument binds the loop's variable
    for module, value in found.items():
        table.rows.append((module, milliseconds(value), times(value / reference)))
    section.tables.append(table)
    return {"imports": found}


def _peak(argv: Sequence[str], env: Mapping[str, str]) -> tuple[float, str]:
    done = run([sys.executable, "-I", "-S", "-c", _MEMORY, *argv], env)
    words = done.stderr.split()
    if "peak" not in words:
        raise BenchError(done.stderr[-2000:])
    # Linux counts ru_maxrss in KiB.
    return int(words[words.index("peak") + 1]) / 1024, done.stdout


def _memory(section: Section, say: Say) -> dict[str, Any]:
    say("memory of a check")
    bare, _ = _peak([sys.executable, "-c", "pass"], dict(os.environ))
    table = Table("Peak resident memory", ("what", "MB", "against `python -c pass`"))
    table.rows.append(("`python -c pass`", f"{bare:.1f}", times(1.0)))
    found: dict[str, Any] = {"bare_python_mb": bare}
    with started(STRONGSWAN) as gateway:
        account = account_of(gateway)
        wrong = Account(psk="not-this", user=account.user, password=account.password)
        with path_to(gateway, SHAPES[STRONGSWAN]) as path:
            for name, given in (("healthy check", account), ("check with a wrong key", wrong)):
                command = path.client.command(arguments(path.dial_address, given))
                peak, output = _peak(command, environment(given))
                verdict = json.loads(output)["verdict"]
                table.rows.append((f"{name} ({verdict})", f"{peak:.1f}", times(peak / bare)))
                found[name] = peak
    worst = max(found["healthy check"], found["check with a wrong key"])
    section.tables.append(table)
    section.targets.append(
        Target(
            "peak memory of `check`",
            f"≤ {TARGET_MEMORY:g} MB",
            f"{worst:.1f} MB ({times(worst / bare)} `python -c pass`)",
            worst <= TARGET_MEMORY,
        )
    )
    return found
