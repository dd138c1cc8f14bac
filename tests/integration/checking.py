"""Runs the real command inside a lab client and reads what it printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2tp_doctor.report.json import CheckResult, decode
from lab import faults
from lab.gateway import Gateway
from lab.namespaces import Namespace
from lab.topologies import Topology

COMMAND = Path(sys.executable).with_name("l2tp-doctor")
# Root without a single capability is an ordinary user to the kernel: no raw sockets, no port below 1024.  (A
# real other user could not even read a Python that is installed below /root.)
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
HEALTHY, FAULTY, USAGE, UNDETERMINED = 0, 1, 2, 3
PLAINTEXT_L2TP = "meta l4proto udp th dport 1701"
TIMEOUT = 90.0
"""Beyond the product's own limit of 60 s, so that a run that ignores it shows itself."""


@dataclass(frozen=True)
class Checked:
    """What one run of the command gave back."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> CheckResult:
        """The JSON report; there is nothing else on stdout."""
        try:
            json.loads(self.stdout)
        except ValueError:
            raise AssertionError(f"not one JSON object: {self.stdout!r}\n{self.stderr}") from None
        return decode(self.stdout.encode())

    @property
    def causes(self) -> list[str]:
        """Causes, likeliest first."""
        return [cause.id for cause in self.result.causes]

    @property
    def warnings(self) -> set[str]:
        """What a dial that worked still warns of."""
        return {warning.id for warning in self.result.warnings}

    def value(self, name: str) -> Any:
        """Return the last observation of that name; None when it is absent or could not be measured."""
        return self.values().get(name)

    def values(self) -> dict[str, Any]:
        """Return the last value of every observation."""
        return {item.name: item.value for item in self.result.observations}

    def reason(self, name: str) -> str:
        """Return why an observation could not be measured."""
        return next((item.reason for item in self.result.observations if item.name == name), "")

    def explain(self) -> str:
        """Return all that a reader of a failed test needs."""
        found = self.result
        shown = [
            f"{item.name}={item.value!r}{' ' + item.reason if item.reason else ''}"
            for item in found.observations
        ]
        drops = [
            f"{line.at:.3f} {line.layer} {line.summary}: {line.dropped}"
            for line in found.timeline
            if line.dropped
        ]
        return "\n".join(
            [
                f"exit {self.exit_code}, {found.verdict} at {found.stage}, {found.elapsed_seconds} s",
                f"causes {[(cause.id, cause.probability) for cause in found.causes]}",
                f"warnings {sorted(self.warnings)}",
                *shown,
                *drops,
            ]
        )


def arguments(
    gateway: Gateway, directory: Path, *options: str, psk: str = "", password: str = ""
) -> list[str]:
    """Return the command line for a gateway's first account; secrets go through files in ``directory``."""
    key, word = directory / "psk", directory / "password"
    key.write_text(psk or gateway.psk)
    word.write_text(password or gateway.users[0].password)
    return [
        *("--json", "--lang", "en", "--user", gateway.users[0].name),
        *("--psk-file", str(key), "--password-file", str(word), *options),
    ]


def run(client: Namespace, argv: Sequence[str], *, prefix: Sequence[str] = ()) -> Checked:
    """Run ``l2tp-doctor`` in a namespace to its end."""
    done = client.run([*prefix, str(COMMAND), *argv], check=False, timeout=TIMEOUT)
    return Checked(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Doctor:
    """A gateway, a path to it and a place for secrets: everything a check needs.

    Attributes:
        gateway: the real gateway.
        path: the path to it.
        directory: for the files with the secrets.
    """

    gateway: Gateway
    path: Topology
    directory: Path

    def check(
        self, *options: str, host: str = "", psk: str = "", password: str = "", prefix: Sequence[str] = ()
    ) -> Checked:
        """Dial as Windows does, with the right credentials unless others are given.

        Whatever comes of it, not one L2TP packet may leave the client outside ESP.
        """
        argv = arguments(self.gateway, self.directory, *options, psk=psk, password=password)
        with faults.rule(
            self.path.nodes[0], PLAINTEXT_L2TP, direction="out", verdict="accept", hook="prerouting"
        ) as plaintext:
            checked = run(self.path.client, ["check", host or self.path.dial_address, *argv], prefix=prefix)
        assert plaintext.packets == 0
        return checked

    def healthy(self, *options: str, host: str = "", prefix: Sequence[str] = ()) -> Checked:
        """Dial; insist on a working VPN and on a gateway that keeps nothing of it."""
        checked = self.check(*options, host=host, prefix=prefix)
        found = checked.result
        assert (checked.exit_code, found.verdict, found.stage) == (HEALTHY, "healthy", "connected"), (
            checked.explain()
        )
        assert found.causes == []
        assert found.windows_error is None
        assert checked.value("ppp.ipcp.address"), checked.explain()
        assert checked.value("tunnel.echo_reply") is True, checked.explain()
        assert checked.value("dial.clean_teardown") is True, checked.explain()
        left = self.gateway.wait_clean()
        assert left.clean, left.text
        # What a gateway says after its SAs are gone, or before they are up, is its own affair.
        assert self.path.plaintext_l2tp_packets("client") == 0
        return checked

    def faulty(self, cause: str, *options: str, host: str = "", psk: str = "", password: str = "") -> Checked:
        """Dial; insist that the cause is named first."""
        checked = self.check(*options, host=host, psk=psk, password=password)
        found = checked.result
        assert checked.causes[:1] == [cause], checked.explain()
        assert (checked.exit_code, found.verdict) == (FAULTY, "faulty"), checked.explain()
        assert found.causes[0].evidence, checked.explain()
        known = {item.id for item in found.observations}
        assert set(found.causes[0].evidence) <= known
        assert found.elapsed_seconds < 60
        return checked
