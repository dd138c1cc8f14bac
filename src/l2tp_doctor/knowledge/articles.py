"""Articles: one Markdown file a case, one article a language in it, in the shape docs/articles.md describes.

``parse`` takes any text and never raises: an author's mistakes come back as problems with their lines, and
what is right beside them is still an article.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType

from l2tp_doctor.knowledge import article_front_matter
from l2tp_doctor.knowledge.article_agreement import disagreements
from l2tp_doctor.knowledge.article_markdown import Body, block_tokens_of, heading_of
from l2tp_doctor.knowledge.article_types import (
    ENTRY_KINDS,
    MAX_ARTICLES,
    MAX_CHARACTERS,
    MAX_LINE,
    MAX_PROBLEMS,
    SECTIONS,
    Article,
    CodeBlock,
    Item,
    Link,
    ParsedFile,
    Problem,
    Section,
    problem,
)
from l2tp_doctor.knowledge.cause_texts import cause_ids
from l2tp_doctor.knowledge.entries import KINDS, entry_ids, references
from l2tp_doctor.knowledge.localized import LANGUAGES

__all__ = [
    "ENTRY_KINDS",
    "SECTIONS",
    "Article",
    "CodeBlock",
    "Item",
    "Link",
    "ParsedFile",
    "Problem",
    "Section",
    "anchors",
    "bundled",
    "bundled_text",
    "case_ids",
    "check_links",
    "known_ids",
    "parse",
]
_FOLDER = "cases"
_SUFFIX = ".md"
_FENCE = "---"
_CODE_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
# What may begin a block of HTML, which swallows fences.
_HTML = re.compile(r"\s*<")
_KEYS = (*article_front_matter.REQUIRED, *article_front_matter.OPTIONAL)


def parse(text: str, identifier: str) -> ParsedFile:
    """Parses an article file.

    Args:
        text: its content, anything.
        identifier: the article's id, usually the file's name without its suffix.
    """
    # Surrogates come from names and files that are no Unicode; libraries below refuse them by raising.
    clean = text.encode("utf-8", "replace").decode("utf-8").removeprefix("\ufeff")
    lines = clean.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    too_large = _too_large(clean, lines)
    if too_large is not None:
        return ParsedFile((), (too_large,))
    articles: list[Article] = []
    problems: list[Problem] = []
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None or lines[start].rstrip() != _FENCE:
        return ParsedFile((), (problem(1 if start is None else start + 1, "front-matter-absent"),))
    for _ in range(MAX_ARTICLES):
        start = _one(lines, start, identifier, articles, problems)
        if start is None:
            break
    else:
        problems.append(problem(start + 1, "too-many-articles", limit=MAX_ARTICLES))
    problems.extend(_languages(articles))
    problems.sort(key=lambda found: found.line)
    return ParsedFile(tuple(articles), tuple(problems[:MAX_PROBLEMS]))


def _too_large(text: str, lines: Sequence[str]) -> Problem | None:
    if len(text) > MAX_CHARACTERS:
        return problem(1, "file-large", limit=MAX_CHARACTERS)
    for index, line in enumerate(lines):
        if len(line) > MAX_LINE:
            return problem(index + 1, "line-long", limit=MAX_LINE)
    return None


def _one(
    lines: Sequence[str], start: int, identifier: str, articles: list[Article], problems: list[Problem]
) -> int | None:
    """Reads the article that begins at ``start``; returns where the next one begins."""
    end = _closing(lines, start)
    if end is None:
        problems.append(problem(start + 1, "front-matter-open"))
        return None
    matter = article_front_matter.read(list(lines[start + 1 : end]), start + 1)
    problems.extend(matter.problems)
    following = _next_article(lines, end + 1)
    body = Body(lines[end + 1 : following], end + 1, matter.language)
    sections = body.sections()
    problems.extend(body.problems)
    if matter.language:
        present = {section.key for section in sections}
        for key in SECTIONS:
            if key not in present:
                heading = heading_of(key, matter.language)
                problems.append(problem(start + 1, "heading-missing", heading=heading))
        articles.append(
            Article(
                id=identifier,
                language=matter.language,
                title=matter.title,
                error_text=matter.error_text,
                tags=matter.tags,
                updated_at=matter.updated_at,
                codes=matter.codes,
                keywords=matter.keywords,
                sections=sections,
                line=start + 1,
            )
        )
    return following


def _closing(lines: Sequence[str], start: int) -> int | None:
    return next((index for index in range(start + 1, len(lines)) if lines[index].rstrip() == _FENCE), None)


def _next_article(lines: Sequence[str], start: int) -> int | None:
    """Returns the line of the next ``---`` that opens a YAML mapping.

    Markdown reads the line as a rule, or as the underline of a paragraph right above it; inside a block of
    code it is neither, and so it is no article either.
    """
    candidates = [
        index
        for index in range(start, len(lines))
        if lines[index].rstrip() == _FENCE and _opens_mapping(lines, index)
    ]
    if not candidates:
        return None
    first = candidates[0]
    if not lines[first - 1].strip() and _no_block_is_open(lines[start:first]):
        return first
    for token in block_tokens_of(lines[start:]):
        if token.level != 0 or token.map is None or token.type not in ("hr", "heading_open"):
            continue
        index = start + token.map[1] - 1
        if lines[index].rstrip() == _FENCE and _opens_mapping(lines, index):
            return index
    return None


def _no_block_is_open(lines: Sequence[str]) -> bool:
    """Whether it is certain, without parsing, that no block of code or HTML goes on behind ``lines``.

    A fence that is closed with the indentation it was opened with, before the next line without any, is
    closed whether or not it is an item's.
    """
    opened, margin = "", ""
    for line in lines:
        fence = _CODE_FENCE.match(line)
        elsewhere = fence is None and ("```" in line or "~~~" in line)  # behind a list's marker, say
        if elsewhere or _HTML.match(line) or (fence and fence[1][0] == "`" and "`" in fence[2]):
            return False
        indentation = line[: len(line) - len(line.lstrip())]
        if opened:
            if fence and fence[1][0] == opened[0] and len(fence[1]) >= len(opened) and not fence[2].strip():
                if indentation != margin:
                    return False
                opened = ""
            elif line[:1].strip():
                return False
        elif fence:
            opened, margin = fence[1], indentation
    return not opened


def _opens_mapping(lines: Sequence[str], index: int) -> bool:
    """Whether a key of the front matter follows; only that keeps a rule between paragraphs a rule."""
    for following in range(index + 1, len(lines)):
        line = lines[following].rstrip()
        if not line or line == _FENCE:
            return False
        key, colon, _ = line.partition(":")
        if colon and key.strip("\"' ") in _KEYS:
            return True
    return False


def _languages(articles: Sequence[Article]) -> list[Problem]:
    """Two articles of one file are one article in two languages."""
    found: list[Problem] = []
    by_language: dict[str, Article] = {}
    for article in articles:
        if article.language in by_language:
            found.append(problem(article.line, "language-twice", language=article.language))
        else:
            by_language[article.language] = article
    if len(by_language) == len(LANGUAGES):
        first, second = sorted(by_language.values(), key=lambda article: article.line)
        found.extend(disagreements(first, second))
    return found


def anchors(article: Article) -> frozenset[str]:
    """Returns what a ``#`` may point at: the keys of its sections, and its headings in small letters."""
    keys = {section.key for section in article.sections}
    return frozenset(keys | {_slug(section.heading) for section in article.sections})


def _slug(heading: str) -> str:
    """Returns a heading's name in an address, as GitHub makes it."""
    kept = "".join(char for char in heading.casefold() if char.isalnum() or char in "-_ ")
    return kept.replace(" ", "-")


def check_links(article: Article, known: Mapping[str, Collection[str]]) -> tuple[Problem, ...]:
    """Returns a problem for each link to something that does not exist.

    Args:
        article: whose links.
        known: ids by kind (``cause``, ``check``, ``fix``, ``measure``, ``pitfall``, ``case``, ``ref``), as
            :func:`known_ids` returns them; a kind that is absent has none.
    """
    places = anchors(article)
    found: list[Problem] = []
    for link in (link for section in article.sections for item in section.items for link in item.links):
        target, hash_sign, place = link.target.partition("#")
        if link.kind == "anchor":
            if link.target not in places:
                found.append(problem(link.line, "link-anchor", target=link.target))
        elif link.kind in ENTRY_KINDS:
            identifier = target if link.kind == "case" else link.target
            if identifier not in known.get(link.kind, ()):
                found.append(problem(link.line, "link-dead", target=f"{link.kind}:{identifier}"))
            elif link.kind == "case" and hash_sign and place not in (*SECTIONS, *_own(article, target)):
                found.append(problem(link.line, "link-anchor", target=place))
    return tuple(found)


def _own(article: Article, identifier: str) -> frozenset[str]:
    """An article may point at itself by its own headings; at others only by the sections all have."""
    return anchors(article) if article.id == identifier else frozenset()


def known_ids() -> Mapping[str, frozenset[str]]:
    """Returns the ids of everything that comes with the program, by kind of link."""
    known = {kind: frozenset(entry_ids(kind)) for kind in KINDS}
    return known | {
        "cause": frozenset(cause_ids()),
        "case": frozenset(case_ids()),
        "ref": frozenset(references()),
    }


@cache
def case_ids() -> tuple[str, ...]:
    """Returns the ids of the bundled articles, sorted."""
    files = resources.files(__package__).joinpath(_FOLDER).iterdir()
    return tuple(sorted(file.name[: -len(_SUFFIX)] for file in files if file.name.endswith(_SUFFIX)))


@cache
def bundled() -> Mapping[str, Mapping[str, Article]]:
    """Returns the articles that come with the program: by id, then by language.

    Raises:
        ValueError: a file is malformed, or lacks a language.
    """
    return MappingProxyType({identifier: _bundled(identifier) for identifier in case_ids()})


def bundled_text(identifier: str) -> str:
    """Returns the file of a bundled article; ``FileNotFoundError`` when there is none of that id."""
    name = f"{identifier}{_SUFFIX}"
    return resources.files(__package__).joinpath(_FOLDER, name).read_text(encoding="utf-8")


def _bundled(identifier: str) -> Mapping[str, Article]:
    name = f"{identifier}{_SUFFIX}"
    parsed = parse(bundled_text(identifier), identifier)
    if parsed.problems:
        first = parsed.problems[0]
        raise ValueError(f"{_FOLDER}/{name}:{first.line}: {first.text.en}")
    by_language = {article.language: article for article in parsed.articles}
    if set(by_language) != set(LANGUAGES):
        raise ValueError(f"{_FOLDER}/{name}: wants one article in each of {', '.join(LANGUAGES)}")
    return MappingProxyType(by_language)
