"""Small scripts, each saying itself what must be found in it, and look-alikes in which nothing may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from l2tp_doctor.knowledge.entries import entry_ids
from l2tp_doctor.lint import Finding, decode, language_of, lint_text

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").iterdir())
GOOD = sorted((HERE / "good").iterdir())


def findings(path: Path) -> tuple[Finding, ...]:
    language = language_of(path.name)
    assert language is not None
    return lint_text(decode(path.read_bytes()), language, path.name)


def expected(path: Path) -> list[str]:
    head = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return sorted(word for word in head.partition("expect:")[2].split() if "@" in word)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_what_is_bad_is_found_where_it_is(path: Path) -> None:
    wanted = expected(path)
    assert wanted
    assert sorted({f"{one.rule}@{one.line}" for one in findings(path)}) == wanted


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_what_only_looks_bad_is_silent(path: Path) -> None:
    assert [f"{one.rule}@{one.line}" for one in findings(path)] == []


def test_every_pitfall_is_found_in_several_spellings() -> None:
    found = [word.partition("@")[0] for path in BAD for word in expected(path)]
    assert set(entry_ids("pitfall")) <= set(found)
    assert all(found.count(rule) >= 3 for rule in entry_ids("pitfall"))


def test_the_corpus_is_large_enough() -> None:
    assert len(BAD) >= 70
    assert len(GOOD) >= 70
