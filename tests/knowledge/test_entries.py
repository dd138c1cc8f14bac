"""The entries articles are made of, and the articles: complete, bilingual, referring only to what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest

from l2tp_doctor.knowledge import articles, cause_ids, entries
from l2tp_doctor.knowledge.articles import Article
from l2tp_doctor.knowledge.entries import Action, Entry, Reference
from l2tp_doctor.knowledge.localized import LANGUAGES, LocalizedText
from l2tp_doctor.observations.vocabulary import VOCABULARY
from tests.knowledge.commands import bridged, mistakes

JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")
CODE = re.compile(r"`([^`]*)`")
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
LIST_ITEM = re.compile(r"^\s*(?:[-*]|\d+[.)])\s", re.MULTILINE)
SHELLS = ("powershell", "cmd", "sh")
ALL = [(kind, identifier) for kind in entries.KINDS for identifier in entries.entry_ids(kind)]
FULL_WIDTH = re.compile(r"[\u3000-\u303f\uff01-\uff5e]")


def texts(node: object, place: str = "") -> Iterator[tuple[str, LocalizedText]]:
    """Yields every text in an entry with its place."""
    if isinstance(node, LocalizedText):
        yield place, node
    elif isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            yield from texts(getattr(node, name), f"{place}.{name}")
    elif isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from texts(item, f"{place}[{index}]")


def actions(entry: Entry) -> Iterator[Action]:
    for action in getattr(entry, "actions", getattr(entry, "apply", ())):
        yield action
        yield from action.undo


@pytest.mark.parametrize(("kind", "identifier"), ALL)
def test_an_entry_refers_only_to_what_exists(kind: str, identifier: str) -> None:
    entry = entries.entry(kind, identifier)
    checks = (*getattr(entry, "checks", ()), *getattr(entry, "verify", ()))
    assert set(checks) <= set(entries.entry_ids("check"))
    assert set(getattr(entry, "causes", ())) <= set(cause_ids())
    assert set(entry.references) <= set(entries.references())
    assert set(getattr(entry, "observations", ())) <= set(VOCABULARY)
    for names in (checks, getattr(entry, "causes", ()), entry.references, getattr(entry, "observations", ())):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(("kind", "identifier"), ALL)
def test_an_entry_names_its_sources(kind: str, identifier: str) -> None:
    assert entries.entry(kind, identifier).references


@pytest.mark.parametrize(("kind", "identifier"), ALL)
def test_both_languages_say_the_same(kind: str, identifier: str) -> None:
    for place, text in texts(entries.entry(kind, identifier)):
        check_pair(text, f"{kind}:{identifier}{place}")


def check_pair(text: LocalizedText, where: str) -> None:
    """Checks what can be checked without reading: script, code, placeholders, lists."""
    assert JAPANESE.search(text.ja) or FULL_WIDTH.search(text.ja), where
    assert not JAPANESE.search(text.en), where
    assert not FULL_WIDTH.search(text.en), where
    assert set(CODE.findall(text.ja)) == set(CODE.findall(text.en)), where
    assert sorted(PLACEHOLDER.findall(text.ja)) == sorted(PLACEHOLDER.findall(text.en)), where
    assert len(LIST_ITEM.findall(text.ja)) == len(LIST_ITEM.findall(text.en)), where


@pytest.mark.parametrize(("kind", "identifier"), ALL)
def test_commands_are_one_for_all_languages(kind: str, identifier: str) -> None:
    for action in actions(entries.entry(kind, identifier)):
        assert not JAPANESE.search(action.command)
        assert not any(line != line.rstrip() for line in action.command.splitlines())
        assert "{{" not in action.filled({})


@pytest.mark.parametrize("identifier", entries.references())
def test_a_reference_has_an_address_in_each_language(identifier: str) -> None:
    reference: Reference = entries.references()[identifier]
    written = JAPANESE.search(reference.title.ja) or FULL_WIDTH.search(reference.title.ja)
    assert written or reference.title.ja == reference.title.en  # a proper name is the same in both
    assert not JAPANESE.search(reference.title.en)
    for language in LANGUAGES:
        assert reference.address(language).startswith("https://")
        assert "{" not in reference.address(language)
    # A page that exists in both languages is not linked in one of them only.
    assert "/ja-jp/" not in reference.url
    assert "/en-us/" not in reference.url


def test_no_two_references_are_the_same_page() -> None:
    addresses = [reference.url.rstrip("/") for reference in entries.references().values()]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("identifier", articles.case_ids())
def test_a_case_is_well_formed_in_both_languages(identifier: str) -> None:
    # bundled() raises where the two differ in sections, items, links or blocks of code.
    by_language = articles.bundled()[identifier]
    assert set(by_language) == set(LANGUAGES)
    for article in by_language.values():
        assert [section.key for section in article.sections] == list(articles.SECTIONS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("identifier", articles.case_ids())
def test_a_case_links_only_to_what_exists(identifier: str, language: str) -> None:
    problems = articles.check_links(articles.bundled()[identifier][language], articles.known_ids())
    assert [(problem.line, problem.text.en) for problem in problems] == []


@pytest.mark.parametrize("identifier", articles.case_ids())
def test_a_case_is_written_in_its_language(identifier: str) -> None:
    by_language = articles.bundled()[identifier]
    for ja, en in zip(paragraphs(by_language["ja"]), paragraphs(by_language["en"]), strict=True):
        assert not JAPANESE.search(en[1]), en
        if ja[0] != "references":
            assert JAPANESE.search(ja[1]) or FULL_WIDTH.search(ja[1]), ja
        assert set(CODE.findall(ja[1])) == set(CODE.findall(en[1])), ja


def paragraphs(article: Article) -> Iterator[tuple[str, str]]:
    yield "title", f"{article.title} {article.error_text}"
    for section in article.sections:
        for item in section.items:
            yield section.key, item.markdown


@pytest.mark.parametrize("identifier", articles.case_ids())
def test_the_code_of_a_case_can_be_read_by_its_shell(identifier: str) -> None:
    for article in articles.bundled()[identifier].values():
        for item in (item for section in article.sections for item in section.items):
            for block in item.code_blocks:
                text = bridged(block.text) if block.language == "powershell" else block.text
                if block.language in SHELLS:
                    assert mistakes(block.language, text) == [], f"{identifier}.md:{block.line}"


@pytest.mark.parametrize("identifier", articles.case_ids())
def test_every_case_begins_with_the_real_dial(identifier: str) -> None:
    for article in articles.bundled()[identifier].values():
        section = article.section("check")
        assert section is not None
        first = [f"{link.kind}:{link.target}" for link in section.items[0].links]
        assert "check:full-dial" in first
