"""Nothing of the original article is lost: each of its lines and commands has a counterpart in case 809.

The original is read without our own parser, so that what that overlooks is not overlooked here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from l2tp_doctor.knowledge import articles, entries
from l2tp_doctor.knowledge.articles import Article, Item, Section
from l2tp_doctor.knowledge.localized import LANGUAGES
from tests.knowledge.test_entries import texts

MAPPING: Mapping[str, Any] = yaml.safe_load(
    Path(__file__).with_name("seed_items.yaml").read_text(encoding="utf-8")
)
ITEMS: Mapping[str, Mapping[str, Any]] = {item["text"]: item for item in MAPPING["items"]}
COMMANDS: Mapping[str, Mapping[str, Any]] = {item["command"]: item for item in MAPPING["commands"]}


@dataclass
class Seed:
    """The original article: its front matter, its lines by section, its commands."""

    front_matter: Mapping[str, Any]
    headings: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def seed_text() -> str:
    """Returns the original, or skips the test; in CI its absence is a failure."""
    configured = os.environ.get("L2TP_DOCTOR_DATA")
    shared = Path(configured).parent if configured else Path(__file__).parents[2] / ".." / "shared"
    files = sorted((shared / "seed").glob("*.txt"))
    if not files:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the original article is missing in CI: {shared / 'seed'}")
        pytest.skip(f"no original article below {shared / 'seed'}")
    return files[0].read_text(encoding="utf-8")


def read_seed(text: str) -> Seed:
    """Reads it: each line of each paragraph is an item, each line of each block of code a command."""
    _, front_matter, body = text.split("---\n", 2)
    seed = Seed(yaml.safe_load(front_matter))
    in_heading = False
    for token in MarkdownIt("commonmark").parse(body):
        if token.type in ("heading_open", "heading_close"):
            in_heading = token.type == "heading_open"
        elif token.type == "inline" and in_heading:
            seed.headings.append(token.content)
        elif token.type == "inline":
            seed.lines.extend((seed.headings[-1], line) for line in plain_lines(token))
        elif token.type in ("fence", "code_block"):
            seed.commands.extend(line for line in token.content.splitlines() if line.strip())
    return seed


def plain_lines(token: Token) -> Iterator[str]:
    """Yields the lines of a paragraph without markup."""
    text = ""
    for child in token.children or ():
        text += "\n" if child.type in ("softbreak", "hardbreak") else child.content
    yield from (line.strip() for line in text.split("\n") if line.strip())


def article(language: str) -> Article:
    return articles.bundled()["809"][language]


def section(language: str, key: str) -> Section:
    found = article(language).section(key)
    assert found is not None, f"809 has no section {key} in {language}"
    return found


def linked(part: Section) -> set[str]:
    return {f"{link.kind}:{link.target}" for item in part.items for link in item.links}


def normal(command: str) -> str:
    """Windows knows no capitals in paths and commands."""
    return " ".join(command.casefold().split())


@cache
def expanded(language: str) -> frozenset[str]:
    """Returns every command line a reader of the article sees, with the entries its items are expanded by."""
    lines: set[str] = set()
    for part in article(language).sections:
        for item in part.items:
            lines.update(line for block in item.code_blocks for line in block.text.splitlines())
            if not item.code_blocks:
                lines.update(entry_lines(item))
    return frozenset(normal(line) for line in lines)


def entry_lines(item: Item) -> Iterator[str]:
    for link in item.links:
        if link.kind in entries.KINDS and link.target in entries.entry_ids(link.kind):
            entry = entries.entry(link.kind, link.target)
            for action in getattr(entry, "actions", getattr(entry, "apply", ())):
                for step in (action, *action.undo):
                    yield from step.filled({}).splitlines()


def missing_items(seed: Seed) -> list[str]:
    """Returns the lines and headings of the original that nothing carries on."""
    lost = [heading for heading in seed.headings if heading not in MAPPING["sections"]]
    return lost + [line for _, line in seed.lines if line not in ITEMS]


def missing_commands(seed: Seed, language: str) -> list[str]:
    known = {normal(command) for command in COMMANDS}
    shown = expanded(language)
    return [line for line in seed.commands if normal(line) not in shown | known]


def test_every_line_of_the_original_is_mapped() -> None:
    assert missing_items(read_seed(seed_text())) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_of_the_original_is_shown_or_explained(language: str) -> None:
    assert missing_commands(read_seed(seed_text()), language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_is_carried_on_in_the_same_section(language: str) -> None:
    lost = []
    for heading, line in read_seed(seed_text()).lines:
        part = section(language, MAPPING["sections"][heading])
        item = ITEMS[line]
        assert item.get("ids") or item.get("says"), line
        lost += [f"{line}: {found}" for found in item.get("ids", ()) if found not in linked(part)]
        words = item.get("says", {}).get(language, "")
        if words not in part.markdown:
            lost.append(f"{line}: {words}")
    assert lost == []


def test_the_mapping_has_nothing_the_original_has_not() -> None:
    seed = read_seed(seed_text())
    assert set(ITEMS) == {line for _, line in seed.lines}
    assert set(MAPPING["sections"]) == set(seed.headings)
    assert {normal(command) for command in COMMANDS} <= {normal(line) for line in seed.commands}


def test_the_ids_of_the_mapping_exist() -> None:
    known = articles.known_ids()
    ids = [found.partition(":") for item in ITEMS.values() for found in item.get("ids", ())]
    assert [f"{kind}:{name}" for kind, _, name in ids if name not in known[kind]] == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda item: str(item["command"])[:40])
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_repeated_is_explained(command: Mapping[str, Any], language: str) -> None:
    kind, _, name = str(command["why"]).partition(":")
    if kind == "case":
        identifier, _, key = name.partition("#")
        part = articles.bundled()[identifier][language].section(key)
        assert part is not None
        text = part.markdown
    else:
        text = "\n".join(found.get(language) for _, found in texts(entries.entry(kind, name)))
        assert f"{kind}:{name}" in {link for part in article(language).sections for link in linked(part)}
    assert command["says"][language] in text


def test_the_front_matter_is_carried_on() -> None:
    seed = read_seed(seed_text()).front_matter
    ours = article("ja")
    assert ours.title == seed["title"]
    assert seed["errorText"] in (ours.error_text, *ours.keywords)
    assert set(seed["tags"]) <= set(ours.tags)
    assert ours.language == seed["lang"]
    assert ours.updated_at > seed["updatedAt"]


def test_the_original_itself_is_an_article() -> None:
    parsed = articles.parse(seed_text(), "809")
    assert parsed.problems == ()
    assert [part.key for part in parsed.articles[0].sections] == list(articles.SECTIONS)


ADDITIONS = ["- 新しい項目を確認する\n", "\n本文の新しい段落。\n", "   - 入れ子の新しい項目\n"]


@pytest.mark.parametrize("addition", ADDITIONS)
@pytest.mark.parametrize("heading", MAPPING["sections"])
def test_a_line_added_to_the_original_is_noticed(heading: str, addition: str) -> None:
    text = seed_text()
    doctored = text.replace(f"## {heading}\n", f"## {heading}\n{addition}", 1)
    assert doctored != text
    assert missing_items(read_seed(doctored)) != []


def test_a_command_or_a_section_added_to_the_original_is_noticed() -> None:
    text = seed_text()
    doctored = text.replace(
        "Get-Service RasMan, IKEEXT\n", "Get-Service RasMan, IKEEXT\n  Get-Service Spooler\n"
    )
    assert missing_commands(read_seed(doctored), "ja") == ["Get-Service Spooler"]
    assert missing_items(read_seed(text + "\n\n## 付録\n")) == ["付録"]
