"""What a parsed article is made of, and the limits its file has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from l2tp_doctor.knowledge.localized import LANGUAGES, LocalizedText
from l2tp_doctor.knowledge.ui_texts import texts

# An article is some pages long.  More than this is a wrong file (a log, a database) or an attempt to keep
# the parser busy; both are refused before anything is parsed.
MAX_CHARACTERS = 128 * 1024
MAX_LINE = 4 * 1024
# One article a language, and some room to say in words that there is one too many.
MAX_ARTICLES = 4
MAX_FRONT_MATTER = 16 * 1024
# After so many mistakes the file is of another kind; the rest would only hide the first ones.
MAX_PROBLEMS = 100

# Sections in the order in which an article has them.
SECTIONS: tuple[str, ...] = (
    "summary",
    "causes",
    "check",
    "resolve",
    "permanent",
    "procedure",
    "pitfalls",
    "checklist",
    "related",
    "references",
)
# Links to our own entries; ``web`` is an address outside, ``anchor`` a place in the same article.
ENTRY_KINDS: tuple[str, ...] = ("cause", "check", "fix", "measure", "pitfall", "case", "ref")
LINK_KINDS: tuple[str, ...] = (*ENTRY_KINDS, "web", "anchor")


@dataclass(frozen=True, slots=True)
class Link:
    """A link.

    Attributes:
        kind: one of :data:`LINK_KINDS`.
        target: the id; for ``case`` perhaps with ``#section``; the whole address for ``web``, the name
            after the ``#`` for ``anchor``.
        text: the words that are linked.
        line: its line in the file, from 1.
    """

    kind: str
    target: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced or indented block of code.

    Attributes:
        language: the word after the fence (``powershell``, ``cmd``, ``sh``), or empty.
        text: its content, ending in a newline unless it is empty.
        line: the line of its first content line in the file, from 1.
    """

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a section's list, or a block that stands outside any list.

    Attributes:
        text: its first paragraph without markup (for a block of code, its first line).
        markdown: its source, without the list marker and the indentation.
        links: every link in it, nested ones too, in order.
        code_blocks: every block of code in it, nested ones too, in order.
        line: where it begins in the file, from 1.
        number: its number in an ordered list, counting from the list's first; ``None`` otherwise.
        children: items of the lists inside it.
        loose: it stands outside any list (a warning below a list, a table, a block of code).
    """

    text: str
    markdown: str
    links: tuple[Link, ...]
    code_blocks: tuple[CodeBlock, ...]
    line: int
    number: int | None = None
    children: tuple[Item, ...] = ()
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A section.

    Attributes:
        key: one of :data:`SECTIONS`.
        heading: its heading as written, without markup.
        line: the heading's line in the file, from 1.
        items: what it holds, in order.
        markdown: its source without the heading.
    """

    key: str
    heading: str
    line: int
    items: tuple[Item, ...]
    markdown: str


@dataclass(frozen=True, slots=True)
class Article:
    """An article in one language; only what is right in its file is in it.

    Attributes:
        id: the file's name without its suffix.
        language: ``ja`` or ``en``.
        title: its title.
        error_text: what Windows shows.
        tags: for searching.
        updated_at: ISO 8601, as written.
        codes: Windows codes; may be empty.
        keywords: words people search for that the text does not have.
        sections: in the order of the file.
        line: the first line of its front matter, from 1.
    """

    id: str
    language: str
    title: str
    error_text: str
    tags: tuple[str, ...]
    updated_at: str
    codes: tuple[int, ...]
    keywords: tuple[str, ...]
    sections: tuple[Section, ...]
    line: int

    def section(self, key: str) -> Section | None:
        """Returns the section of that key, or ``None``."""
        return next((section for section in self.sections if section.key == key), None)


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in an article file.

    Attributes:
        line: where, from 1.
        id: which kind of mistake, e.g. ``heading-unknown``.
        text: what to tell its author.
    """

    line: int
    id: str
    text: LocalizedText


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What was found in an article file.

    Attributes:
        articles: every article whose front matter could be read.
        problems: in the order of their lines; empty when the file is well-formed.
    """

    articles: tuple[Article, ...]
    problems: tuple[Problem, ...]


def problem(line: int, identifier: str, /, **values: Any) -> Problem:
    """Returns a problem with its words in both languages."""
    entry = texts().entries[f"article.problem.{identifier}"]
    words = {language: entry.get(language).format(**values) for language in LANGUAGES}
    return Problem(line, identifier, LocalizedText(ja=words["ja"], en=words["en"]))
