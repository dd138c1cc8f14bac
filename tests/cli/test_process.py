"""The command line as a process: start-up, signals, pipes, what is imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "COV"))},
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(ROOT),
}
# Replays a sample in place of a dial, in a process of its own.
PRELUDE = """
import sys
from types import ModuleType
from tests.cli.fake import FakeDial
from tests.report import samples
measurement, diagnosis = getattr(samples, sys.argv.pop(1))()
module = ModuleType("l2tp_doctor.probes.check")
module.measure = FakeDial(measurement, hang=sys.argv.pop(1) == "hang").measure
sys.modules[module.__name__] = module
import l2tp_doctor.diagnosis
l2tp_doctor.diagnosis.diagnose = lambda observations, stage: diagnosis
from l2tp_doctor.cli.main import run
run()
"""


def start(*arguments: str, hang: bool = False, sample: str = "blocked_4500") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE, sample, "hang" if hang else "end", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    return set(result.stdout.split())


HEAVY = {"cryptography", "rich", "yaml", "asyncio", "Crypto", "msgspec", "ssl"}


@pytest.mark.parametrize(
    "statement",
    [
        "import l2tp_doctor.cli.main",
        "import l2tp_doctor.cli.commands",
        "import l2tp_doctor.cli.check, l2tp_doctor.cli.secrets, l2tp_doctor.cli.files",
    ],
)
def test_starting_imports_nothing_heavy(statement: str) -> None:
    assert imported_by(statement) & HEAVY == set()


def test_version_needs_no_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "l2tp_doctor", "--version"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (result.returncode, result.stdout.split()[0]) == (0, "l2tp-doctor")


def test_the_first_line_comes_before_the_dial_is_over() -> None:
    """The command answers at once; how quickly in seconds is measured by ``make bench``."""
    process = start("check", "vpn.example.com", hang=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Dialling")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_tears_down_reports_and_exits(number: signal.Signals, code: int) -> None:
    process = start("check", "vpn.example.com", "--json", hang=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "retransmission 3" in line:
            break
    process.send_signal(number)
    out, error = process.communicate(timeout=20)
    assert process.returncode == code
    assert json.loads(out)["interrupted"] is True
    assert "closing what was opened" in error
    assert "Traceback" not in error


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_makes_no_noise() -> None:
    process = start("check", "vpn.example.com", "--json", "--lang", "en")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=20)
    assert "Traceback" not in error
    assert "Exception" not in error


def test_a_narrow_encoding_loses_characters_and_not_the_report() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PRELUDE, "blocked_4500", "end", "check", "vpn.example.com", "--lang", "ja"],
        capture_output=True, env=ENVIRONMENT | {"PYTHONIOENCODING": "cp932"}, cwd=ROOT, timeout=20,
    )  # fmt: skip
    assert process.returncode == 1, process.stderr.decode("cp932")
    assert "接続できない" in process.stdout.decode("cp932")
