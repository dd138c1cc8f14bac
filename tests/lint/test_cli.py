"""``l2tp-doctor lint``: files in; text, JSON or SARIF and an exit code out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from l2tp_doctor.cli.commands import root
from l2tp_doctor.knowledge.entries import entry_ids

BAD = Path(__file__).parent / "bad"
WARNING = "Test-NetConnection vpn.example.com -Port 500\n"
ERROR = "Set-Service RasMan -StartupType Disabled\n"


def lint(*arguments: str, text: bytes | None = None, language: str = "en") -> Result:
    return CliRunner().invoke(root, ["lint", *arguments, "--lang", language], input=text)


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_exit_codes(tmp_path: Path) -> None:
    clean = written(tmp_path, "clean.ps1", "Get-Service RasMan\n")
    note = written(tmp_path, "note.ps1", "# l2tp-doctor: ignore[firewall-off] nothing to see\nGet-Date\n")
    bad = written(tmp_path, "bad.ps1", ERROR)
    broken = written(tmp_path, "broken.ps1", "Get-Date\nif ($x) { { (\n")
    missing = str(tmp_path / "missing.ps1")
    assert lint(clean).exit_code == 0
    assert lint(note).exit_code == 0
    assert lint(bad).exit_code == 1
    assert lint(bad, "--min-severity", "error").exit_code == 1
    assert lint(broken).exit_code == 3
    piece = written(tmp_path, "piece.md", "```powershell\nif ($x) { { (\n```\n")
    assert "syntax" in lint(piece).stdout
    assert lint(piece).exit_code == 0
    assert lint(broken, bad).exit_code == 1
    assert lint().exit_code == 2
    result = lint(missing, bad)
    assert result.exit_code == 2
    assert "service-disabled" in result.stdout  # the others are looked at all the same
    assert result.stderr.splitlines() == [f"error: cannot read {missing}: No such file or directory"]


def test_what_is_less_severe_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "x.ps1", WARNING)
    assert lint(path).exit_code == 1
    result = lint(path, "--min-severity", "error")
    assert (result.exit_code, "tcp-test" in result.stdout) == (0, False)


def test_a_folder_is_walked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    written(tmp_path / "sub", "a.cmd", "sc config RasMan start= disabled\n")
    written(tmp_path / "sub", "b.txt", "sc config RasMan start= disabled\n")
    written(tmp_path / ".hidden", "c.cmd", "sc config RasMan start= disabled\n")
    result = lint(str(tmp_path), "--format", "json")
    printed = json.loads(result.stdout)
    assert printed["files"] == 1
    assert [Path(one["file"]).name for one in printed["findings"]] == ["a.cmd"]


def test_standard_input_wants_a_language() -> None:
    assert lint("-", text=b"").exit_code == 2
    result = lint("-", "--language", "cmd", text="icacls C:\\共有 /grant Everyone:F".encode("cp932"))
    assert result.exit_code == 1
    assert "everyone-full-control" in result.stdout


def test_a_file_of_no_known_kind_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "x.txt", ERROR)
    result = lint(path)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert lint(path, "--language", "powershell").exit_code == 1
    shell = written(tmp_path, "setup", "#!/bin/sh\nufw disable\n")
    assert lint(shell).exit_code == 1


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_text_shows_the_line_and_underlines_what_is_meant(tmp_path: Path, language: str) -> None:
    path = written(tmp_path, "x.ps1", "Write-Output '日本語'; icacls C:\\共有 /grant Everyone:F\n" * 2)
    result = lint(path, language=language)
    lines = result.stdout.splitlines()
    shown = next(index for index, line in enumerate(lines) if "日本語" in line)
    before = lines[shown].index("icacls")
    assert lines[shown + 1].index("^") == cell_len(lines[shown][:before])
    assert sum("learn.microsoft.com" in line for line in lines) == 1  # explained once


def test_wide_or_narrow_nothing_but_addresses_is_longer_than_the_terminal() -> None:
    for width in ("60", "100"):
        for language in ("ja", "en"):
            result = subprocess.run(
                [sys.executable, "-m", "l2tp_doctor", "lint", str(BAD), "--lang", language],
                capture_output=True,
                text=True,
                encoding="utf-8",
                env={**os.environ, "COLUMNS": width, "LC_ALL": "C.UTF-8"},
                check=False,
            )
            for line in result.stdout.splitlines():
                short = cell_len(line) <= int(width)
                assert short or "https://" in line or str(BAD) in line, line


def test_json(tmp_path: Path) -> None:
    path = written(tmp_path, "x.ps1", WARNING + ERROR)
    printed = json.loads(lint(path, "--format", "json", language="ja").stdout)
    assert printed["schema_version"] == 1
    assert printed["summary"] == {"error": 1, "warning": 1, "note": 0}
    first, second = printed["findings"]
    assert (first["rule"], first["line"], first["column"], first["severity"]) == (
        "tcp-test-for-udp",
        1,
        1,
        "warning",
    )
    assert (second["rule"], second["line"], second["end_column"]) == ("service-disabled", 2, len(ERROR))
    assert all(one["reason"] and one["instead"] and one["references"] for one in printed["findings"])
    assert all("ja-jp" in address for address in second["references"] if "learn.microsoft.com" in address)


def sarif(*paths: str) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(lint(*paths, "--format", "sarif").stdout)
    return printed


def test_sarif_says_what_the_standard_asks_for(tmp_path: Path) -> None:
    log = sarif(str(BAD), str(tmp_path / "missing.ps1"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert {rule["id"] for rule in rules} >= set(entry_ids("pitfall"))
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["invocations"][0]["executionSuccessful"] is False
    assert len(run["results"]) > 100
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (place,) = result["locations"]
        region = place["physicalLocation"]["region"]
        assert 1 <= region["startLine"] <= region["endLine"]
        assert region["startColumn"] >= 1
        if region["startLine"] == region["endLine"]:
            assert region["endColumn"] >= region["startColumn"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert " " not in uri
        assert "\\" not in uri


def test_sarif_of_nothing_is_an_empty_run(tmp_path: Path) -> None:
    log = sarif(written(tmp_path, "日本 語.ps1", "Get-Date\n"))
    assert log["runs"][0]["results"] == []


@pytest.mark.parametrize("language", ["ja", "en"])
def test_help(language: str) -> None:
    result = lint("--help", language=language)
    assert result.exit_code == 0
    assert ".help" not in result.stdout
    assert " 3 " in result.stdout


def test_the_parsers_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import sys, l2tp_doctor.cli.commands, l2tp_doctor.lint\n"
        "heavy = {'tree_sitter', 'markdown_it', 'tree_sitter_powershell'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
