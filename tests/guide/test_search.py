"""Questions as people type them find the article that answers them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from l2tp_doctor.guide.library import Library
from l2tp_doctor.knowledge.articles import bundled

QUESTIONS: list[list[str]] = yaml.safe_load(
    Path(__file__).with_name("questions.yaml").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library.open(tmp_path_factory.mktemp("library") / "library.sqlite3") as opened:
        yield opened


def test_there_are_fifty_questions_in_both_languages() -> None:
    japanese = [words for words, _ in QUESTIONS if not words.isascii()]
    assert len(QUESTIONS) >= 50
    assert 10 <= len(japanese) <= len(QUESTIONS) - 10


@pytest.mark.parametrize(("words", "case_id"), QUESTIONS, ids=[words for words, _ in QUESTIONS])
def test_the_answer_is_among_the_first_three(library: Library, words: str, case_id: str) -> None:
    language = "en" if words.isascii() else "ja"
    found = library.search(words, language)[:3]
    assert case_id in [item.case_id for item in found]
    assert all(item.language == language for item in found)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("words", ["error {}", "{} エラー", "VPN {}", "code: {}!", "エラー{}でつながらない"])
def test_a_code_among_the_words_decides(library: Library, words: str, language: str) -> None:
    codes = {code: case_id for case_id, found in bundled().items() for code in found["en"].codes}
    for code in codes:
        found = library.search(words.format(code), language)
        assert code in bundled()[found[0].case_id]["en"].codes
        assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
