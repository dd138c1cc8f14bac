"""What this process has made on the machine, written down so that it is always removed again.

Every lab process owns one *run*: a directory below ``/run/l2tp-lab`` named after it.  A resource is
written down there before it is made.  Removal happens three times over, each one idempotent:

1. context managers close what they opened;
2. ``atexit`` removes the whole run;
3. a *reaper*, a small child process that only waits for its standard input to end, removes the run when
   its owner died without doing so (``SIGKILL``, a crash).

``python -m lab clean`` removes the runs whose owner no longer lives.  Nothing is ever killed by name: a
process is recorded by pid *and* start time, so a recycled pid is never hit.

This file imports the standard library only and can be executed as a script: that is how the reaper runs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

RUN_ROOT = Path("/run/l2tp-lab")
PREFIX = "lab-"
_KILL_ROUNDS = 50
_KILL_PAUSE = 0.02


def start_time(pid: int) -> int | None:
    """Return when process ``pid`` started (clock ticks since boot), or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name may hold spaces and brackets, so fields are counted after the last one.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return int(fields[19])


def namespaces_of(run_id: str) -> list[str]:
    """Return the names of the network namespaces of one run that exist now."""
    directory = Path("/run/netns")
    if not directory.is_dir():
        return []
    return sorted(entry.name for entry in directory.iterdir() if entry.name.startswith(f"{PREFIX}{run_id}-"))


def kill_recorded(pid: int, started: int) -> None:
    """Kill one process if it is still the one that was recorded, and wait until it is gone."""
    for _ in range(_KILL_ROUNDS):
        if start_time(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(_KILL_PAUSE)


def _kill_members(namespace: str) -> None:
    """Kill what still runs inside a network namespace of ours: only the lab can have put it there."""
    listing = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False, timeout=30
    )
    for word in listing.stdout.split():
        pid = int(word)
        started = start_time(pid)
        # A Python thread of the owner that is inside the namespace shows its own pid: never kill oneself.
        if started is not None and pid != os.getpid():
            kill_recorded(pid, started)


def remove_namespace(namespace: str) -> None:
    """Remove one network namespace with everything that runs in it.  Absent is fine."""
    if not Path("/run/netns", namespace).exists():
        return
    _kill_members(namespace)
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False, timeout=30)
    shutil.rmtree(Path("/etc/netns", namespace), ignore_errors=True)


def remove_run(run_id: str) -> None:
    """Kill the recorded processes of a run, remove its namespaces and its directory."""
    directory = RUN_ROOT / run_id
    with contextlib.suppress(OSError):
        for line in (directory / "processes").read_text().splitlines():
            pid, started = (int(word) for word in line.split()[:2])
            kill_recorded(pid, started)
    for namespace in namespaces_of(run_id):
        remove_namespace(namespace)
    shutil.rmtree(directory, ignore_errors=True)


def owner_lives(run_id: str) -> bool:
    """Return whether the process that made a run still lives."""
    try:
        pid, started = (int(word) for word in (RUN_ROOT / run_id / "owner").read_text().split())
    except (OSError, ValueError):
        return False
    return start_time(pid) == started


def clean_dead_runs() -> list[str]:
    """Remove every run whose owner is dead; return their ids."""
    if not RUN_ROOT.is_dir():
        return []
    dead = [entry.name for entry in RUN_ROOT.iterdir() if entry.is_dir() and not owner_lives(entry.name)]
    for run_id in dead:
        remove_run(run_id)
    return dead


class Run:
    """The resources of this process.  Obtain it with :func:`current_run`.

    Attributes:
        run_id: unique on this machine, short enough for names.
        directory: private scratch directory; removed at the end.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.run_id = f"{self.pid:x}{secrets.token_hex(2)}"
        self.directory = RUN_ROOT / self.run_id
        self._lock = threading.Lock()
        self._count = 0
        RUN_ROOT.mkdir(mode=0o711, exist_ok=True)
        # The owner file comes first, under another name: a half-made run must not look dead to a cleaner.
        fresh = RUN_ROOT.parent / f"{RUN_ROOT.name}.{self.run_id}"
        fresh.mkdir(mode=0o711)
        (fresh / "owner").write_text(f"{self.pid} {start_time(self.pid)}")
        fresh.rename(self.directory)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).resolve()), self.run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.close)
        _exit_on_sigterm()

    def name(self, role: str) -> str:
        """Return a new name for a network namespace, unique on this machine."""
        return f"{PREFIX}{self.run_id}-{self._next()}-{role}"

    def scratch(self, role: str) -> Path:
        """Make and return a new directory inside the run's own."""
        path = self.directory / f"{self._next()}-{role}"
        path.mkdir(mode=0o700)
        return path

    def record_process(self, pid: int) -> None:
        """Write down a process that this run started."""
        started = start_time(pid)
        if started is None:
            return
        with self._lock, (self.directory / "processes").open("a") as stream:
            stream.write(f"{pid} {started}\n")

    def close(self) -> None:
        """Remove everything.  Does nothing in a forked child or when called again."""
        if os.getpid() != self.pid or self._reaper.stdin is None or self._reaper.stdin.closed:
            return
        remove_run(self.run_id)
        self._reaper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._reaper.wait(timeout=30)

    def _next(self) -> int:
        with self._lock:
            self._count += 1
            return self._count


def _exit_on_sigterm() -> None:
    """Turn SIGTERM into an ordinary exit, so that context managers and atexit run."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


_current: Run | None = None
_current_lock = threading.Lock()


def current_run() -> Run:
    """Return the run of this process, made at the first call; dead runs of others are removed then."""
    global _current
    with _current_lock:
        if _current is None or _current.pid != os.getpid():
            clean_dead_runs()
            _current = Run()
        return _current


def _reap(run_id: str) -> None:
    """Wait until the owner closes our standard input (or dies), then remove its run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    remove_run(run_id)


if __name__ == "__main__":
    _reap(sys.argv[1])
