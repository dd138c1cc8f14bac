"""An article with its entries: what is expanded, filled in, left out, and the same in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.guide.document import Document, Line, Status, build, entry_document, entry_in
from l2tp_doctor.guide.harmless import harmless, one_line
from l2tp_doctor.knowledge import articles, entries
from l2tp_doctor.knowledge.articles import Article, parse
from l2tp_doctor.knowledge.entries import EXAMPLES
from tests.guide.writing import article

LANGUAGES = ("ja", "en")


def bundled(case_id: str, language: str) -> Article:
    parsed = parse(articles.bundled_text(case_id), case_id).articles
    return next(found for found in parsed if found.language == language)


def written(markdown: str, section: str = "check", title: str = "手順", error_text: str = "") -> Document:
    return build(
        parse(article(sections={section: markdown}, title=title, error_text=error_text), "ours").articles[0]
    )


def lines(document: Document, key: str) -> tuple[Line, ...]:
    return next(chapter.lines for chapter in document.chapters if chapter.key == key)


def texts(document: Document) -> Iterator[str]:
    for chapter in document.chapters:
        for line in chapter.lines:
            yield line.markdown
            for entry in line.entries:
                yield from (entry.title, entry.detail, entry.instead, *entry.reading)
                for command in entry.commands:
                    yield from (command.text, command.code, command.changes, command.irreversible)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case_id", articles.case_ids())
def test_every_article_of_the_package_can_be_built(case_id: str, language: str) -> None:
    document = build(bundled(case_id, language))
    assert [chapter.key for chapter in document.chapters] == list(articles.SECTIONS)
    assert all(line.markdown for chapter in document.chapters for line in chapter.lines)
    everything = "\n".join(texts(document))
    for name in EXAMPLES:
        assert f"{{{{{name}}}}}" not in everything
    for kind in articles.ENTRY_KINDS:
        assert f"]({kind}:" not in everything


@pytest.mark.parametrize("case_id", articles.case_ids())
def test_both_languages_have_the_same_lines_entries_and_commands(case_id: str) -> None:
    ja, en = (build(bundled(case_id, language)) for language in LANGUAGES)
    for one, other in zip(ja.chapters, en.chapters, strict=True):
        assert one.heading != other.heading
        for left, right in zip(one.lines, other.lines, strict=True):
            assert left.number == right.number
            assert [entry.id for entry in left.entries] == [entry.id for entry in right.entries]
            for mine, yours in zip(left.entries, right.entries, strict=True):
                assert mine.title != yours.title
                assert [c.code for c in mine.commands] == [c.code for c in yours.commands]
                assert len(mine.reading) == len(yours.reading)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", entries.KINDS)
def test_every_entry_can_be_asked_for_alone(kind: str, language: str) -> None:
    for identifier in entries.entry_ids(kind):
        document = entry_document(kind, identifier, language)
        (line,) = document.chapters[0].lines
        assert line.entries[0].status is Status.FOUND  # nothing of it is folded
        assert document.title == entry_in(kind, identifier, language).title


def test_an_entry_that_does_not_exist_is_an_error_to_ask_for_and_left_out_of_an_article() -> None:
    with pytest.raises(KeyError):
        entry_document("check", "no-such", "en")
    (line,) = lines(written("- [見る](check:no-such)と[直す](fix:no-such)"), "check")
    assert (line.markdown, line.entries) == ("見ると直す", ())


def test_a_linked_entry_is_expanded_with_commands_reading_and_sources() -> None:
    (line,) = lines(written("- [サービスを見る](check:services-running)"), "check")
    (entry,) = line.entries
    assert line.markdown == "サービスを見る"
    assert any("Get-Service RasMan, IKEEXT" in command.code for command in entry.commands)
    assert entry.reading
    assert all(source.url.startswith("https://") for source in entry.sources)


def test_a_fix_comes_with_what_it_changes_its_undo_and_its_verification() -> None:
    (line,) = lines(written("1. [開ける](fix:open-udp-4500)", "resolve"), "resolve")
    changing = [command for command in line.entries[0].commands if command.changes]
    assert changing
    assert all(command.undo or command.irreversible for command in changing)
    assert entries.check(entries.fix("open-udp-4500").verify[0]).title.ja in line.entries[0].reading


def test_a_pitfall_says_what_to_do_instead() -> None:
    (line,) = lines(written("- [切らない](pitfall:firewall-off)", "pitfalls"), "pitfalls")
    assert line.entries[0].instead
    assert line.entries[0].commands == ()


def test_a_line_with_commands_of_its_own_is_not_expanded() -> None:
    (line,) = lines(
        written("- [見る](check:services-running)\n\n  ```cmd\n  sc query RasMan\n  ```"), "check"
    )
    assert line.entries == ()
    assert "sc query RasMan" in line.markdown


def test_the_same_entry_twice_in_a_line_is_expanded_once() -> None:
    (line,) = lines(written("- [a](check:clock)、[b](check:clock)"), "check")
    assert len(line.entries) == 1


def test_placeholders_get_examples_and_unknown_ones_stay() -> None:
    (line,) = lines(written("- `ping {{server}} {{nonsense}}`"), "check")
    assert line.markdown == f"`ping {EXAMPLES['server']} {{{{nonsense}}}}`"


def test_a_link_to_a_case_says_how_to_read_it() -> None:
    parsed = parse(article(sections={"related": "- [認証](case:691)"}), "ours").articles[0]
    titles = {"691": "VPN 接続エラー 691"}
    (line,) = lines(build(parsed, title_of=titles.get), "related")
    assert line.markdown == "認証 — VPN 接続エラー 691 (`l2tp-doctor guide 691`)"


def test_a_link_to_a_source_is_a_link_in_the_readers_language() -> None:
    identifier = next(key for key, found in entries.references().items() if "{locale}" in found.url)
    for language, locale in (("ja", "ja-jp"), ("en", "en-us")):
        source = article(language, sections={"references": f"- [x](ref:{identifier})"})
        (line,) = lines(build(parse(source, "ours").articles[0]), "references")
        assert locale in line.markdown


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt.exe\u2066\x00\x85\u2028"


def test_what_steers_a_terminal_is_replaced_everywhere() -> None:
    document = written(f"- a{HOSTILE}b `c{HOSTILE}d`", title="\\e[2J\\u202e\\nx", error_text="\\a\\u2066y")
    assert document.title.count("\ufffd") == 2
    everything = "\n".join((document.title, document.error_text, *texts(document)))
    assert "\n" not in document.title
    assert not set(HOSTILE) - set("]0;owned[2Jtxt.exe") & set(everything)


@given(st.text())
def test_harmless_text_keeps_its_length_and_line_ends(text: str) -> None:
    clean = harmless(text)
    assert len(clean) == len(text)
    assert clean.count("\n") == text.count("\n")
    assert harmless(clean) == clean
    assert len(one_line(text).splitlines()) <= 1
