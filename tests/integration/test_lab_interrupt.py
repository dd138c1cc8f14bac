"""Ctrl-C in the middle of ``python -m lab run``: nothing of the run stays on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import registry
from lab.namespaces import wait_until

ROOT = Path(__file__).resolve().parents[2]
# Both kinds of gateway, and cases that take long enough to be met in the middle.
CASES = ("esp-dropped", "xl2tpd-stopped", "udp-500-dropped-in", "wrong-key-softether")
_END_SECONDS = 60


@pytest.fixture
def run(lab_machine: None, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of a few cases on two workers, in a process group of its own as a terminal's job is."""
    chosen = [word for name in CASES for word in ("--case", name)]
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "run", "--jobs", "2", "--output", str(tmp_path), *chosen],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        yield process
        process.kill()


@pytest.mark.gateway
@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "one-process"])
def test_nothing_is_left_after_ctrl_c(run: subprocess.Popen[str], whole_group: bool, tmp_path: Path) -> None:
    wait_until(lambda: any(tmp_path.glob("*/check*")) or run.poll() is not None, 60, "a dial has ended")
    assert run.poll() is None, "the run ended before it could be interrupted"
    [run_id] = [
        entry.name
        for entry in registry.RUN_ROOT.iterdir()
        if (entry / "owner").read_text().split()[0] == str(run.pid)
    ]
    directory = registry.RUN_ROOT / run_id
    recorded = [int(line.split()[0]) for line in (directory / "processes").read_text().splitlines()]
    assert registry.namespaces_of(run_id)
    if whole_group:
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.send_signal(signal.SIGINT)
    _, complaint = run.communicate(timeout=_END_SECONDS)
    assert run.returncode == 130, complaint
    assert "interrupted" in complaint
    wait_until(lambda: not directory.exists(), 20, "the run's directory is gone")
    assert registry.namespaces_of(run_id) == []
    assert [pid for pid in recorded if registry.start_time(pid) is not None] == []
    assert run_id not in Path("/proc/self/mounts").read_text()
    assert not list(Path("/etc/netns").glob(f"*{run_id}*"))
