"""``practice`` and ``demo``: the whole program against its own gateway, on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from l2tp_doctor.cli.commands import root
from l2tp_doctor.cli.demo import SCENES
from l2tp_doctor.practice.faults import FAULTS
from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER

ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C.UTF-8",
    "PRACTICE_PSK": PRACTICE_PSK,
    "PRACTICE_PASSWORD": PRACTICE_PASSWORD,
}
PROGRAM = [sys.executable, "-m", "l2tp_doctor"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_fault_is_listed_with_its_words(language: str) -> None:
    result = CliRunner().invoke(root, ["practice", "--list-faults", "--lang", language])
    assert result.exit_code == 0
    listed = [line.split("  ")[0].strip() for line in result.stdout.splitlines()]
    assert listed == list(FAULTS)


def test_an_unknown_fault_is_one_line() -> None:
    result = CliRunner().invoke(root, ["practice", "--fault", "gremlins", "--lang", "en"])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "gremlins" in result.stderr


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("name", ["practice", "demo"])
def test_help(language: str, name: str) -> None:
    result = CliRunner().invoke(root, [name, "--help", "--lang", language])
    assert result.exit_code == 0
    assert ".help" not in result.stdout


def test_check_dials_the_practice_gateway(tmp_path: Path) -> None:
    gateway = subprocess.Popen(
        [*PROGRAM, "practice", "--seconds", "60", "--lang", "en"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert gateway.stdout is not None
        ports = re.search(r"UDP (\d+) and (\d+)", gateway.stdout.readline())
        assert ports is not None
        capture = tmp_path / "dial.pcapng"
        result = subprocess.run(
            [
                *PROGRAM, "check", "127.0.0.1", "--ike-port", ports[1], "--nat-t-port", ports[2],
                "--nat-t", "forced", "--psk-env", "PRACTICE_PSK", "--user", PRACTICE_USER,
                "--password-env", "PRACTICE_PASSWORD", "--json", "--pcap", str(capture),
            ],
            capture_output=True, text=True, env=ENVIRONMENT, timeout=30,
        )  # fmt: skip
        report = json.loads(result.stdout)
        assert (result.returncode, report["verdict"]) == (0, "healthy"), result.stderr
        assert report["causes"] == []
        assert capture.stat().st_size > 1000
        for secret in (PRACTICE_PSK, PRACTICE_PASSWORD):
            assert secret not in result.stdout + result.stderr
    finally:
        if sys.platform == "win32":
            gateway.terminate()
        else:
            gateway.send_signal(signal.SIGINT)
        out, error = gateway.communicate(timeout=20)
    if sys.platform != "win32":
        assert gateway.returncode == 0, error
        assert "stopped" in out


def test_the_demo_names_every_cause() -> None:
    result = subprocess.run(
        [*PROGRAM, "demo", "--lang", "en"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    assert result.returncode == 0, result.stdout
    assert f"{len(SCENES)} of {len(SCENES)} as expected" in result.stdout
    seconds = float(re.findall(r"([\d.]+) s\.", result.stdout)[-1])
    assert seconds < 30
    for scene in SCENES[1:]:
        assert scene.expected in result.stdout


def test_a_wrong_verdict_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tuple(scene for scene in SCENES if scene.id == "healthy")
    monkeypatch.setattr("l2tp_doctor.cli.demo.SCENES", wrong)
    monkeypatch.setattr("l2tp_doctor.cli.demo.verdict_of", lambda _diagnosis: "undetermined")
    result = CliRunner().invoke(root, ["demo", "--lang", "en"])
    assert result.exit_code == 1
    assert "Expected healthy, got undetermined." in result.stdout
