"""Runs ``l2tp-doctor check --json`` as a process of its own and keeps what it printed and cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.timeline import observed
from lab.gateway import DEFAULT_PSK, User
from lab.topologies import Topology

DOCTOR = str(Path(sys.executable).with_name("l2tp-doctor"))
NAME = "vpn.example"
"""What is dialled: a name, so that resolving it is part of what is measured."""
_LIMIT = 75.0


class BenchError(RuntimeError):
    """The bench itself cannot go on."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a client is given.  ``options`` are further command-line options."""

    psk: str = DEFAULT_PSK
    user: str = User().name
    password: str = User().password
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """One ``check``.

    Attributes:
        report: its JSON.
        wall: seconds from the start of the process to its end, interpreter included.
        pcapng: the packets, where they were asked for.
    """

    report: Mapping[str, Any]
    wall: float
    pcapng: bytes | None = field(default=None, repr=False)

    @property
    def verdict(self) -> str:
        """healthy, faulty or undetermined."""
        return str(self.report["verdict"])

    @property
    def cause(self) -> str:
        """The first cause, or the empty string."""
        return str(self.report["causes"][0]["id"]) if self.report["causes"] else ""

    @property
    def measured(self) -> float:
        """Seconds from the start of the measurement to its end, teardown included."""
        return float(self.report["elapsed_seconds"])

    def at(self, name: str) -> float | None:
        """When an observation was made; see :func:`~bench.timeline.observed`."""
        return observed(self.report, name)


def arguments(address: str, account: Account) -> list[str]:
    """Returns the command line of a check."""
    return [
        *(DOCTOR, "check", address, "--json", "--lang", "en"),
        *("--psk-env", "BENCH_PSK", "--user", account.user, "--password-env", "BENCH_PASSWORD"),
        *account.options,
    ]


def environment(account: Account) -> dict[str, str]:
    """Returns the environment that carries the secrets."""
    return {**os.environ, "BENCH_PSK": account.psk, "BENCH_PASSWORD": account.password}


def check(path: Topology, account: Account, *, capture: bool = False, address: str = NAME) -> Done:
    """Dials from a topology's client.

    Raises:
        BenchError: the program printed no report.
    """
    with tempfile.TemporaryDirectory(prefix="l2tp-bench-") as directory:
        file = Path(directory, "dial.pcapng")
        command = arguments(address, account)
        if capture:
            command += ["--pcap", str(file)]
        begin = time.perf_counter()
        done = run(path.client.command(command), environment(account))
        wall = time.perf_counter() - begin
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"no report, exit status {done.returncode}:\n{done.stderr[-2000:]}") from None
        return Done(report, wall, file.read_bytes() if capture and file.exists() else None)


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end with captured output.

    Raises:
        BenchError: it did not end in time.
    """
    try:
        return subprocess.run(
            argv, env=env, capture_output=True, text=True, errors="replace", check=False, timeout=_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(argv)}: no end after {_LIMIT:.0f} s") from None
