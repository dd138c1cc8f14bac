"""``reflect serve`` and ``reflect test`` as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from l2tp_doctor.cli.commands import root
from l2tp_doctor.observations import ObservationLog, Value
from l2tp_doctor.probes.reflect import ChannelResult, ReflectMeasurement, SizeResult
from l2tp_doctor.report import reflect as report
from l2tp_doctor.report.drawing import ASCII, UNICODE
from l2tp_doctor.report.words import Language, Words

TOKEN = "0123456789abcdef0123456789abcdef"
PROGRAM = [sys.executable, "-m", "l2tp_doctor"]
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8"}


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"  {TOKEN}\r\n")
    return path


@pytest.fixture
def served(token_file: Path) -> Iterator[list[str]]:
    """A running reflector; gives the options that reach it."""
    process = subprocess.Popen(
        [*PROGRAM, "reflect", "serve", "--token-file", str(token_file), "--bind", "127.0.0.1", "--ike-port",
         "0", "--nat-t-port", "0", "--seconds", "60", "--lang", "en"],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ports = re.search(r"UDP (\d+) and (\d+)", process.stdout.readline())
        assert ports is not None
        yield ["--ike-port", ports[1], "--nat-t-port", ports[2]]
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=10)
        assert TOKEN not in said


def test_both_ends_over_loopback(served: list[str], token_file: Path) -> None:
    command = [*PROGRAM, "reflect", "test", "127.0.0.1", "--token-file", str(token_file), *served]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, env=ENVIRONMENT, timeout=40, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["schema_version"], result["verdict"]) == (1, "passes")
    assert report.decode(done.stdout.encode()).channels[0].sizes[0].size == 200
    assert TOKEN not in done.stdout + done.stderr
    done = subprocess.run(
        [*command, "--lang", "ja"], capture_output=True, text=True, env=ENVIRONMENT, timeout=40, check=False
    )
    assert done.returncode == 0
    assert "すべての経路" in done.stdout


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("verb", [[], ["serve"], ["test"]])
def test_help(language: str, verb: list[str]) -> None:
    result = CliRunner().invoke(root, ["reflect", *verb, "--help", "--lang", language])
    assert result.exit_code == 0
    assert ".help" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["reflect"], "serve or test"),
        (["reflect", "sing"], "no command “sing”"),
        (["reflect", "test", "--token-file", "TOKEN"], "l2tp-doctor reflect test"),
        (["reflect", "test", "192.0.2.1"], "--token-file"),
        (["reflect", "test", "192.0.2.1", "--token-file", "no-such-file"], "no-such-file"),
        (["reflect", "test", "192.0.2.1", "--token-file", "SHORT"], "too short"),
        (["reflect", "test", "192.0.2.1", "--token-file", "TOKEN", "-4", "-6"], "exclude"),
        (["reflect", "test", "192.0.2.1", "--token-file", "TOKEN", "--ike-port", "4500"], "same"),
        (["reflect", "serve", "--token-file", "TOKEN", "--bind", "vpn"], "not an IP address"),
        (["reflect", "serve", "--token-file", "TOKEN", "--ike-port", "4500"], "same"),
    ],
)
def test_usage_errors_are_one_line(
    arguments: list[str], expected: str, token_file: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_text("guessable")
    files = {"TOKEN": str(token_file), "SHORT": str(short)}
    given = [files.get(argument, argument) for argument in arguments]
    result = CliRunner().invoke(root, [*given, "--lang", "en"])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert expected in result.stderr
    assert "guessable" not in result.stderr


# -- the report ---------------------------------------------------------------------------------


def size(octets: int, arrived: int, returned: int, *, changed: bool = False) -> SizeResult:
    return SizeResult(octets, 5, arrived, returned, False, changed)


def sample() -> ReflectMeasurement:
    log = ObservationLog()
    facts: list[tuple[str, Value]] = [
        ("reflect.answered", True),
        ("reflect.udp500.arrived", True),
        ("reflect.udp500.returned", False),
        ("reflect.udp4500.arrived", False),
        ("reflect.udp4500.returned", False),
        ("reflect.esp_udp.arrived", True),
        ("reflect.esp_udp.returned", True),
        ("reflect.largest_arrived", 1400),
        ("reflect.nat.address_seen", "192.0.2.1"),
        ("reflect.nat.address_rewritten", True),
        ("reflect.payload_changed", True),
    ]
    for name, value in facts:
        log.add(name, value, at=1.0, source="probe:reflect")
    channels = (
        ChannelResult("udp500", True, False, sizes=(size(200, 5, 0), size(1600, 0, 0))),
        ChannelResult("udp4500", False, False, sizes=(size(412, 0, 0),)),
        ChannelResult("esp_udp", True, True, rtt=0.02, sizes=(size(200, 1, 1, changed=True),)),
        ChannelResult("esp", None, None, "no permission for raw sockets"),
    )
    return ReflectMeasurement("vpn.example.com", "203.0.113.1", "impaired", channels, tuple(log), (), (), 3.0)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [50, 80, 110])
def test_the_table_fits_and_tells_the_directions_apart(language: Language, width: int) -> None:
    ports = {"udp500": 500, "udp4500": 4500, "esp_udp": 4500}
    shown = report.lines(sample(), ports, Words(language), UNICODE, width)
    assert all(cell_len(line) <= width for line in shown)
    text = "\n".join(shown)
    for mark in ("200→", "1600✗", "412✗", "200✓!", "192.0.2.1", "1400"):
        assert mark in text


def test_what_is_wrong_is_said_in_words_and_only_that() -> None:
    shown = " ".join(report.lines(sample(), {"udp500": 500, "udp4500": 4500}, Words("en"), ASCII, 200))
    assert "Questions to the IKE port arrive, but answers are lost on the way back." in shown
    assert "IKE to the NAT-T port does not arrive" in shown
    assert "IKE to the NAT-T port arrives, but" not in shown
    assert "altered on the way: suspect an ALG" in shown
    assert "native ESP could not be tested: no permission for raw sockets" in shown
    assert "ESP in UDP" not in shown


def test_without_any_answer_nothing_is_said_to_have_been_lost_outbound() -> None:
    channels = (ChannelResult("udp500", None, False, sizes=(size(408, 0, 0),)),)
    silent = ReflectMeasurement("h", "192.0.2.1", "undetermined", channels, (), (), (), 4.5)
    shown = report.lines(silent, {"udp500": 500}, Words("en"), UNICODE, 80)
    assert "408?" in shown[1]
    assert "408✗" not in shown[1]
    assert "cannot be told from" in " ".join(shown)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_ctrl_c_ends_it_with_its_own_code(token_file: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = str(silent.getsockname()[1])
        process = subprocess.Popen(
            [*PROGRAM, "reflect", "test", "127.0.0.1", "--token-file", str(token_file), "--ike-port", port,
             "--nat-t-port", "9"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        silent.settimeout(20)
        silent.recv(4096)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_json_has_every_channel_and_comes_back() -> None:
    decoded = report.decode(report.encode(sample()))
    assert [channel.name for channel in decoded.channels] == ["udp500", "udp4500", "esp_udp", "esp"]
    assert decoded.channels[3].returned is None
    assert decoded.verdict == "impaired"
