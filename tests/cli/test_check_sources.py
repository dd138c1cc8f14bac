"""``check --with`` and ``check --reflect`` as a user meets them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from l2tp_doctor.cli.check_reports import MAX_OBSERVATIONS, MAX_REPORT, read_report
from l2tp_doctor.cli.check_sources import MAX_SOURCES
from l2tp_doctor.cli.commands import root
from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.diagnosis import FRESH, combine
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import Measurement
from tests.cli.fake import FakeDial, install
from tests.diagnosis.sets import ALIVE, DEAD, MAIN_UP, SILENT_1, SILENT_4500, Facts, observe

GATEWAY = "vpn.example.com"
TOKEN = "0123456789abcdef0123456789abcdef"
PROGRAM = [sys.executable, "-m", "l2tp_doctor"]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.delenv("L2TP_DOCTOR_TRACEBACK", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, list(arguments), prog_name="l2tp-doctor", env={"COLUMNS": "100"})


def dial(monkeypatch: pytest.MonkeyPatch, facts: Facts) -> None:
    seen = tuple(observe(facts))
    measured = Measurement(GATEWAY, "192.0.2.1", "reach", seen, (), (), 3.0)
    install(monkeypatch, FakeDial(measured).measure)


def row(number: int, name: str, value: object, **more: Any) -> dict[str, Any]:
    return {"id": f"obs-{number}", "name": name, "value": value, "at": 0.5, "source": "probe:dial", **more}


def report(facts: Mapping[str, object] | None = None, **more: Any) -> dict[str, Any]:
    rows = [row(number, *fact) for number, fact in enumerate((facts or MAIN_UP).items(), 1)]
    return {
        "schema_version": 1, "target": {"host": GATEWAY, "address": "192.0.2.1"}, "verdict": "faulty",
        "stage": "reach", "windows_error": None, "causes": [], "observations": rows, "timeline": [],
        "elapsed_seconds": 3.0, "started_at": time.time() - 7200, **more,
    }  # fmt: skip


def written(folder: Path, content: dict[str, Any] | bytes, name: str = "before.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


# -- --with -------------------------------------------------------------------------------------


def test_another_places_report_is_weighed_and_can_be_traced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dial(monkeypatch, {**SILENT_1, **DEAD, **SILENT_4500})
    assert json.loads(run("check", GATEWAY, "--json").stdout)["causes"][0]["id"] == "gateway-unreachable"
    office = written(tmp_path, report({**MAIN_UP, "host.alive": True}))
    found = json.loads(run("check", GATEWAY, "--json", "--with", f"office={office}").stdout)
    assert found["causes"][0]["id"] == "udp-500-blocked"
    rows = {item["id"]: item for item in found["observations"]}
    assert len(rows) == len(found["observations"])
    sources = {rows[identifier]["source"] for identifier in found["causes"][0]["evidence"]}
    assert sources == {"probe:test", "probe:dial@office"}
    assert {item["at"] < 0 for item in rows.values() if item["source"] == "probe:dial@office"} == {True}
    assert abs(found["started_at"] - time.time()) < 60


@pytest.mark.parametrize(
    ("language", "place", "sources"),
    [("en", "From office", "What was weighed"), ("ja", "office からは", "判断に使った記録")],
)
def test_the_words_say_which_source_each_piece_of_evidence_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str, place: str, sources: str
) -> None:
    dial(monkeypatch, {**SILENT_1, **DEAD, **SILENT_4500})
    office = written(tmp_path, report({**MAIN_UP, "host.alive": True}))
    older = written(tmp_path, report(MAIN_UP, started_at=time.time() - 3 * 86400), "monday.json")
    shown = run(
        "check", GATEWAY, "--why", "--lang", language, "--with", f"office={office}", "--with", str(older)
    ).stdout  # fmt: skip
    assert place in shown
    assert sources in shown
    assert "“monday”" in shown or "「monday」" in shown
    assert "probe:dial@office" in shown
    assert "probe:dial~monday" in shown
    assert all(cell_len(line) <= 100 for line in shown.splitlines())


def test_an_earlier_dial_from_here_makes_nothing_healthy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dial(monkeypatch, {**SILENT_1, **ALIVE, **SILENT_4500})
    alone = json.loads(run("check", GATEWAY, "--json").stdout)
    before = written(tmp_path, report({**MAIN_UP, "dial.connected": True}))
    found = json.loads(run("check", GATEWAY, "--json", "--with", str(before)).stdout)
    assert (found["verdict"], found["causes"]) == (alone["verdict"], alone["causes"])


def test_a_combined_report_can_be_given_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dial(monkeypatch, {**SILENT_1, **DEAD, **SILENT_4500})
    office = written(tmp_path, report({**MAIN_UP, "host.alive": True}))
    first = run("check", GATEWAY, "--json", "--with", f"office={office}").stdout
    again = written(tmp_path, first.encode(), "first.json")
    found = json.loads(run("check", GATEWAY, "--json", "--with", str(again)).stdout)
    assert found["causes"][0]["id"] == "udp-500-blocked"
    assert {item["source"] for item in found["observations"]} == {
        "probe:test", "probe:test~first", "probe:dial@office",
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_that_a_shell_redirected_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str
) -> None:
    dial(monkeypatch, SILENT_1)
    path = written(tmp_path, json.dumps(report()).encode(encoding))
    assert run("check", GATEWAY, "--with", str(path)).exit_code in (1, 3)


BAD: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "empty": (b"", "no report"),
    "not JSON": (b"hello", "no report"),
    "another object": ({"schema_version": 1, "verdict": "passes", "channels": []}, "no report"),
    "a list": (b"[1, 2]", "no report"),
    "deep": (b"[" * 100_000, "no report"),
    "not UTF-8": (b'{"schema_version": 1, "stage": "\xff"}', "no report"),
    "too long": (b" " * (MAX_REPORT + 1), "longer"),
    "another version": (report(schema_version=2), "schema_version 2"),
    "a stage we lack": (report(stage="nowhere"), "damaged"),
    "a field is missing": ({k: v for k, v in report().items() if k != "target"}, "damaged"),
    "a value of another type": (report({"udp500.reply": "yes"}), "obs-1: value"),
    "a number out of range": (report({"path.rtt": 1e300}), "obs-1: value"),
    "two of one id": (report(observations=[row(1, "udp500.reply", True)] * 2), "id"),
    "no source of ours": (report(observations=[row(1, "udp500.reply", True, source="x y")]), "source"),
    "a time out of range": (report(observations=[row(1, "udp500.reply", True, at=1e300)]), "at"),
    "too many": (report(observations=[row(n, "udp500.reply", True) for n in range(MAX_OBSERVATIONS + 1)]),
                 "observations"),
    "a beginning out of range": (report(started_at=1e300), "started_at"),
    "another gateway": (report(target={"host": "other.example.com", "address": None}), "PLACE="),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_report_costs_one_line_and_no_dial(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str, language: str
) -> None:
    content, said = BAD[case]
    dial(monkeypatch, SILENT_1)
    path = written(tmp_path, content)
    result = run("check", GATEWAY, "--with", str(path), "--lang", language)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert str(path) in line
    assert language == "ja" or said in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--with", "/no/such/file.json"],
        ["--with", "/tmp"],
        ["--with", "=file.json"],
        ["--with", "@=file.json"],
        ["--with"],
        ["--with", "a.json"] * (MAX_SOURCES + 1),
        ["--reflect", "host"],
        ["--reflect-token-file", "file"],
        ["--reflect-control-port", "8500"],
        ["--reflect", "https://host", "--reflect-token-file", "file"],
        ["--reflect", "host", "--reflect-token-file", "/no/such/file"],
    ],
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_options_that_cannot_be_used_cost_one_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], language: str
) -> None:
    dial(monkeypatch, SILENT_1)
    result = run("check", GATEWAY, *arguments, "--lang", language)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_what_a_file_says_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dial(monkeypatch, SILENT_1)
    words = {"udp500.reply": True, "l2tp.stopccn": "\x1b[2Jgone\x07", "ike.vendor_ids": ["\x1b]0;x\x07"]}
    path = written(tmp_path, report(words))
    shown = run("check", GATEWAY, "--why", "--with", str(path))
    assert "gone" in shown.stdout
    assert not set("\x1b\x07") & set(shown.stdout + shown.stderr)


def test_a_name_this_release_does_not_know_is_left_out() -> None:
    rows = [row(1, "udp500.reply", True), row(2, "teleport.reply", "x")]
    data = json.dumps(report(observations=rows)).encode()
    read = read_report(Path("x.json"), data, modified=0.0, now=time.time())
    assert [item.name for item in read.log.observations] == ["udp500.reply"]


def test_a_file_is_never_newer_than_its_reading() -> None:
    """Another machine's clock runs ahead; or an older release wrote no time and the file was just copied."""
    now = 1_700_000_000.0
    for content in (report(started_at=now + 3600), report(started_at=None)):
        read = read_report(Path("x.json"), json.dumps(content).encode(), modified=now + 99, now=now)
        assert read.log.end <= now


@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_a_usage_error(data: bytes) -> None:
    try:
        read_report(Path("x.json"), data, modified=0.0, now=1.0)
    except UsageProblemError:
        return


def test_a_stale_place_is_shown_as_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dial(monkeypatch, {**SILENT_1, **DEAD, **SILENT_4500})
    office = written(tmp_path, report({**MAIN_UP}, started_at=time.time() - FRESH - 7200))
    shown = run("check", GATEWAY, "--with", f"office={office}").stdout
    assert "not used" in shown
    assert "nothing answers" in shown.casefold() or "gateway-unreachable" in shown


# -- --reflect ----------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[list[str]]:
    """A running reflector; gives the options that reach it."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    process = subprocess.Popen(
        [*PROGRAM, "reflect", "serve", "--token-file", str(token), "--bind", "127.0.0.1", "--ike-port", "0",
         "--nat-t-port", "0", "--seconds", "60", "--lang", "en"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ports = re.search(r"UDP (\d+) and (\d+)", process.stdout.readline())
        assert ports is not None
        yield ["--reflect", "127.0.0.1", "--reflect-token-file", str(token), "--ike-port", ports[1],
               "--nat-t-port", ports[2]]  # fmt: skip
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_reflector_is_asked_beside_the_dial(monkeypatch: pytest.MonkeyPatch, served: list[str]) -> None:
    dial(monkeypatch, {**SILENT_1, **ALIVE, **SILENT_4500})
    result = run("check", GATEWAY, "--json", *served)
    found = json.loads(result.stdout)
    rows = {item["name"]: item for item in found["observations"] if item["source"] == "reflect:127.0.0.1"}
    assert rows["reflect.udp500.returned"]["value"] is True
    assert rows["reflect.near_gateway"]["value"] is False
    assert TOKEN not in result.stdout + result.stderr
    (resolved,) = [item for item in found["observations"] if item["name"] == "udp500.reply"]
    assert resolved["source"] == "probe:test"


def test_a_reflector_that_is_not_there_says_so_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dial(monkeypatch, {**SILENT_1, **ALIVE, **SILENT_4500})
    alone = json.loads(run("check", GATEWAY, "--json").stdout)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    result = run(
        "check", GATEWAY, "--json", "--budget", "6", "--reflect", "127.0.0.1", "--reflect-token-file",
        str(token), "--ike-port", "15999", "--nat-t-port", "15998",
    )  # fmt: skip
    assert "No answer on any channel" in result.stderr
    assert json.loads(result.stdout)["causes"] == alone["causes"]


def test_no_time_left_for_a_reflector_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dial(monkeypatch, {**SILENT_1, **ALIVE, **SILENT_4500})
    token = tmp_path / "token"
    token.write_text(TOKEN)
    result = run(
        "check", GATEWAY, "--budget", "3.5", "--reflect", "127.0.0.1", "--reflect-token-file", str(token)
    )  # fmt: skip
    assert "nothing was left of --budget" in result.stderr


def test_the_directions_are_told_in_both_languages() -> None:
    from l2tp_doctor.diagnosis import SourceLog, diagnose
    from l2tp_doctor.report.drawing import UNICODE
    from l2tp_doctor.report.text import TextReport
    from l2tp_doctor.report.words import Words

    facts: Facts = {
        "reflect.answered": True, "reflect.near_gateway": True, "reflect.udp500.arrived": False,
        "reflect.udp500.returned": False, "reflect.esp.arrived": True, "reflect.esp.returned": False,
    }  # fmt: skip
    asked = tuple(
        Observation(f"obs-{number}", name, value, 5.0, "reflect:neighbour")
        for number, (name, value) in enumerate(facts.items(), 1)
    )
    seen = tuple(observe({**SILENT_1, **ALIVE, **SILENT_4500}))
    combined = combine([SourceLog(seen), SourceLog(asked)])
    measured = Measurement(GATEWAY, "192.0.2.1", "reach", seen, (), (), 3.0)
    found = diagnose(combined.observations, stage="reach")

    def shown(language: Any) -> str:
        text = TextReport(measured, found, Words(language), UNICODE, 200, {}, combined=combined)
        return "\n".join(line.plain for line in text.paragraph())

    assert "Lost   on the way out, from here to neighbour beside the gateway: UDP 500" in shown("en")
    assert "on the way back, from neighbour beside the gateway to here: native ESP" in shown("en")
    assert "向き  行き（ここから ゲートウェイの隣の neighbour まで）で失われる: UDP 500" in shown("ja")
