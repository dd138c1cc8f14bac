"""Runs the product's command inside a client's namespace and reads what it printed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from l2tp_doctor.report.json import CheckResult, decode
from l2tp_doctor.storage.folder import HOME_VARIABLE
from lab.cases import Dial
from lab.gateway import Gateway
from lab.install import FAKETIME
from lab.namespaces import Namespace
from lab.topologies import CLIENT_ROUTER

COMMAND = Path(sys.executable).with_name("l2tp-doctor")
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
"""Root without a single capability is an ordinary user to the kernel."""
TIMED_OUT = 124


@dataclass(frozen=True)
class Checked:
    """What one run of the command gave back.

    Attributes:
        exit_code: its exit status; :data:`TIMED_OUT` when it had to be killed.
        stdout: the JSON report.
        stderr: progress.
        seconds: wall-clock time, start of the interpreter included.
    """

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @cached_property
    def result(self) -> CheckResult | None:
        """The report, or None when there is none."""
        try:
            return decode(self.stdout.encode())
        except msgspec.DecodeError:
            return None

    @property
    def healthy(self) -> bool:
        """Whether the VPN worked."""
        return self.result is not None and self.result.verdict == "healthy"


def command_line(
    host: str, dial: Dial, gateway: Gateway, folder: Path, pcap: Path | None, more: Sequence[str] = ()
) -> list[str]:
    """Return the command for a dial; secrets go through files in ``folder``, ``more`` options follow."""
    user = gateway.users[0]
    key, word = folder / "psk", folder / "password"
    key.write_text(dial.psk or gateway.psk)
    word.write_text(dial.password or user.password)
    argv = [str(COMMAND), "check", host, "--json", "--lang", "en", "--profile", dial.profile]
    argv += ["--nat-t", dial.nat_t, "--user", dial.user or user.name, "--password-file", str(word)]
    argv += ["--psk-file", str(key)]
    if dial.certificate is not None:
        argv += ["--cert", str(folder / "cert.pem")]
        if dial.key:
            argv += ["--key", str(folder / "key.pem")]
        if dial.trust:
            argv += ["--ca", str(folder / "ca.pem")]
        if dial.crl is not None:
            argv += ["--crl", str(folder / "crl.pem")]
    if dial.auth != "auto":
        argv += ["--auth", dial.auth]
    if dial.ntp:
        argv += ["--ntp", CLIENT_ROUTER]
    if dial.aggressive:
        argv.append("--aggressive")
    if pcap is not None:
        argv += ["--pcap", str(pcap)]
    argv += more
    if dial.clock_days:
        # Timers keep their own time, as they do when a real machine's clock is wrong.
        shift = f"FAKETIME={'-' if dial.clock_behind else '+'}{dial.clock_days:g}d"
        argv = ["env", f"LD_PRELOAD={FAKETIME}", shift, "FAKETIME_DONT_FAKE_MONOTONIC=1", *argv]
    return argv if dial.privileged else [*UNPRIVILEGED, *argv]


def check(
    client: Namespace,
    host: str,
    dial: Dial,
    gateway: Gateway,
    folder: Path,
    *,
    limit: float,
    pcap: Path | None = None,
    more: Sequence[str] = (),
) -> Checked:
    """Dial once; the secrets' files are gone afterwards.

    Args:
        client: where.
        host: what.
        dial: how.
        gateway: whose account and key are the right ones.
        folder: for the files with the secrets.
        limit: seconds after which it is killed.
        pcap: file for the packets, or None.
        more: further options.
    """
    argv = client.command(command_line(host, dial, gateway, folder, pcap, more))
    # What the program remembers of a case is none of the developer's.
    environment = {**os.environ, HOME_VARIABLE: str(folder)}
    begin = time.monotonic()
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
            env=environment,
        )
        code, stdout, stderr = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as expired:
        code, stdout = TIMED_OUT, ""
        stderr = f"killed after {limit:.0f} s\n{_text(expired.stderr)}"
    seconds = time.monotonic() - begin
    for name in ("psk", "password", "key.pem"):
        (folder / name).unlink(missing_ok=True)
    return Checked(code, stdout, stderr, seconds)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
