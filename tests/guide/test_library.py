"""The library: stored, found, replaced and removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.guide.library import Library, Source
from l2tp_doctor.knowledge import articles
from l2tp_doctor.knowledge.articles import parse
from tests.guide.writing import article


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.sqlite3") as opened:
        yield opened


def source(case_id: str, text: str) -> Source:
    parsed = parse(text, case_id)
    assert not parsed.problems
    return Source(f"/runbooks/{case_id}.md", text, parsed.articles)


def test_the_package_articles_are_there_in_both_languages(library: Library) -> None:
    assert [found.case_id for found in library.all("ja")] == list(articles.case_ids())
    for case_id in articles.case_ids():
        stored = library.text_of(case_id, "en")
        assert stored is not None
        assert (stored.text, stored.language, stored.source) == (articles.bundled_text(case_id), "en", "")


def test_an_imported_article_is_found_by_its_words_and_tags(library: Library) -> None:
    library.add([source("kyoto", article(title="京都支店のルーター", tags=("Kyoto", "RTX")))])
    (best, *_) = library.search("京都 ルータ", "ja")
    assert (best.case_id, best.source) == ("kyoto", "/runbooks/kyoto.md")
    assert [found.case_id for found in library.tagged("kyoto", "en")] == ["kyoto"]


def test_an_article_without_the_readers_language_is_shown_in_its_own(library: Library) -> None:
    library.add([source("kyoto", article("ja"))])
    stored = library.text_of("kyoto", "en")
    assert stored is not None
    assert stored.language == "ja"


def test_importing_again_replaces(library: Library) -> None:
    library.add([source("kyoto", article(title="古い題名"))])
    library.add([source("kyoto", article(title="新しい題名"))])
    titles = [found.title for found in library.all("ja") if found.case_id == "kyoto"]
    assert titles == ["新しい題名"]
    assert all(found.title != "古い題名" for found in library.search("古い題名", "ja"))


def test_an_article_that_lost_a_language_loses_it_here_too(library: Library) -> None:
    both = article("ja") + "\n" + article("en", title="Our runbook")
    library.add([source("kyoto", both)])
    library.add([source("kyoto", article("ja"))])
    stored = library.text_of("kyoto", "en")
    assert stored is not None
    assert stored.language == "ja"


def test_removed_articles_are_gone_and_the_package_ones_stay(library: Library) -> None:
    library.add([source("kyoto", article(title="京都支店"))])
    assert library.remove("kyoto")
    assert not library.remove("kyoto")
    assert library.text_of("kyoto", "ja") is None
    assert all(found.case_id != "kyoto" for found in library.search("京都支店", "ja"))
    for case_id in articles.case_ids():
        assert not library.remove(case_id)


def test_what_was_imported_outlives_a_new_edition_of_the_package(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    with Library.open(path) as library:
        library.add([source("kyoto", article())])
    older = sqlite3.connect(path)
    with older:
        older.execute("UPDATE setting SET value = 'an older one'")
    older.close()
    with Library.open(path) as library:
        assert [found.case_id for found in library.all("ja")] == sorted([*articles.case_ids(), "kyoto"])


@pytest.fixture(scope="module")
def shared() -> Iterator[Library]:
    with Library.open(None) as opened:
        yield opened


@given(words=st.text(max_size=300), tag=st.text(max_size=20))
def test_any_query_and_any_tag_are_answered(shared: Library, words: str, tag: str) -> None:
    assert len(shared.search(words, "ja")) <= 10
    shared.tagged(tag, "en")
    assert shared.text_of(words, "ja") is None or words in articles.case_ids()
