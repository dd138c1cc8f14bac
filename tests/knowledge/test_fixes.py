"""Fixes: each cause has its own; each is used, can be taken back, and is read only when asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from l2tp_doctor import knowledge
from l2tp_doctor.knowledge import articles, entries, files

FIXES = entries.entry_ids("fix")
# Windows reads these when it starts: KB 926179 and KB 240262; and updates, as a matter of course.
NEED_A_RESTART = {"set-assume-udp-encapsulation", "remove-prohibit-ipsec", "install-fixed-update"}
# What lets more through than before.
OPENS = re.compile(
    r"-Action Allow|\bACCEPT\b|\baccept comment\b|ufw allow|--add-(?:port|protocol)|rules? create|"
    r"authorize-security|Cert:\\LocalMachine\\Root -Confirm|ControlledFolderAccessAllowed|Unblock-File"
)
LINK = re.compile(r"\(fix:([\w-]+)\)")


def _used_by_causes() -> set[str]:
    return {fix for name in knowledge.cause_ids() for fix in knowledge.cause(name).fixes}


def _used_by_cases() -> set[str]:
    return {fix for name in articles.case_ids() for fix in LINK.findall(articles.bundled_text(name))}


def test_every_cause_names_fixes_that_exist() -> None:
    assert _used_by_causes() <= set(FIXES)


def test_every_fix_is_named_by_a_cause_or_a_case() -> None:
    assert set(FIXES) <= _used_by_causes() | _used_by_cases()


@pytest.mark.parametrize("identifier", FIXES)
def test_every_change_says_what_it_changes_and_how_to_go_back(identifier: str) -> None:
    fix = entries.fix(identifier)
    for action in fix.apply:
        assert (action.changes is None) == (not action.undo and action.irreversible is None)
    if fix.fix_class != "safe":
        assert any(action.changes is not None for action in fix.apply)


@pytest.mark.parametrize("identifier", FIXES)
def test_what_is_undone_from_a_file_was_kept_in_it_before(identifier: str) -> None:
    kept_in = re.compile(r"[\w./$:%{}\\-]*before[\w.-]*")
    for action in entries.fix(identifier).apply:
        for undo in action.undo:
            assert set(kept_in.findall(undo.command)) <= set(kept_in.findall(action.command))


@pytest.mark.parametrize("identifier", FIXES)
def test_a_value_that_was_kept_is_not_overwritten_by_applying_twice(identifier: str) -> None:
    for action in entries.fix(identifier).apply:
        if re.search(r"(?:Set-Content|Copy-Item)\b[^|\n]*\$keep", action.command):
            assert "-not (Test-Path -Path $keep)" in action.command
        for line in action.command.splitlines():
            if re.search(r"> \S*before|^cp -a .*before", line):
                assert line.startswith("test -e ")
            if re.search(r"icacls .*/save", line):
                assert line.startswith("if not exist ")


@pytest.mark.parametrize("identifier", FIXES)
def test_a_fix_is_verified_by_the_real_dial_too(identifier: str) -> None:
    verify = entries.fix(identifier).verify
    assert "full-dial" in verify or identifier == "run-elevated"


def test_what_needs_a_restart_says_so() -> None:
    assert {name for name in FIXES if entries.fix(name).fix_class == "needs-reboot"} == NEED_A_RESTART
    for name in NEED_A_RESTART:
        for action in entries.fix(name).apply:
            if action.changes is not None and action.shell == "powershell":
                assert "Restart-Computer -Confirm" in action.command


@pytest.mark.parametrize("identifier", FIXES)
def test_opening_something_is_classed_as_a_change_of_security(identifier: str) -> None:
    fix = entries.fix(identifier)
    applied = [action.command for action in fix.apply if action.changes is not None]
    # L2TP inside IPsec is let in only where IPsec protects it.
    if any(OPENS.search(command) and "ipsec exists" not in command for command in applied):
        assert fix.fix_class == "changes-security"


def test_a_fix_is_read_from_its_own_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []

    def recording(*path: str) -> Any:
        read.append(path)
        return files.load_mapping(*path)

    monkeypatch.setattr(entries, "load_mapping", recording)
    entries.entry.cache_clear()
    assert entries.fix("set-psk").place == "client"
    assert read == [("fixes", "set-psk.yaml")]
    assert entries.fix("set-psk") is entries.fix("set-psk")
    assert len(read) == 1


def test_a_dial_imports_no_entries_and_listing_them_reads_none() -> None:
    code = (
        "import sys, l2tp_doctor.knowledge; "
        "assert 'l2tp_doctor.knowledge.entries' not in sys.modules; "
        "from l2tp_doctor.knowledge.entries import entry_ids; "
        "assert entry_ids('fix') and 'yaml' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_an_unknown_fix_is_an_error() -> None:
    with pytest.raises(KeyError):
        entries.fix("no-such-fix")
    with pytest.raises(KeyError):
        entries.fix("../causes/psk-mismatch")
