"""Brings an organisation's own articles into the library; what is wrong with one never stops the others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from l2tp_doctor.guide.library import Library, Source
from l2tp_doctor.knowledge import articles
from l2tp_doctor.knowledge.article_types import MAX_CHARACTERS, problem
from l2tp_doctor.knowledge.articles import CodeBlock, Problem
from l2tp_doctor.lint import lint_text

SUFFIXES = (".md", ".markdown")
# More files than any organisation has articles: somebody named the root of a disk.
MAX_FILES = 10_000
# An id is typed after `guide` and stands in lists.
_MAX_ID = 100
# Files held in memory at a time, and articles a transaction.
_BATCH = 100
_FENCE = re.compile(r"(?:```|~~~)")
_TILDES = re.compile(r"~+")
# Begins what an author tells the linter.
_SUPPRESSION = "l2tp-doctor:"
# A character of Japanese is three bytes of UTF-8.
_MAX_BYTES = 3 * MAX_CHARACTERS


class TooManyFilesError(Exception):
    """A folder holds more than ``MAX_FILES`` articles."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        path: the file.
        id: of the article that was stored; empty when it was refused.
        problems: why it was refused, each with its line; 0 where the whole file is meant.
    """

    path: Path
    id: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    path: Path
    source: Source | None
    problems: tuple[Problem, ...]


def article_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yields the files named, and the Markdown files below the folders named, in a stable order.

    Each file comes once, however often it is named.  A folder's links to other folders are not followed:
    they may lead round in a circle.

    Raises:
        TooManyFilesError: a folder holds more than ``MAX_FILES``.
    """
    seen: set[Path] = set()
    for path in paths:
        found = _below(path) if path.is_dir() else [path]
        for file in found:
            absolute = file.absolute()
            if absolute not in seen:
                seen.add(absolute)
                yield file


def _below(folder: Path) -> list[Path]:
    files = (found for found in folder.rglob("*") if found.suffix.lower() in SUFFIXES and found.is_file())
    found = sorted(islice(files, MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise TooManyFilesError(str(folder))
    return found


def import_articles(library: Library, files: Sequence[Path]) -> Iterator[Outcome]:
    """Reads, examines and stores articles; yields what became of each file, in their order.

    An article's id is its file's name without the suffix.  Links to other articles are examined against
    the library and against the names of all files of this import, so articles that name each other come
    in together.

    Raises:
        sqlalchemy.exc.DatabaseError: the library cannot be written to.
    """
    known = _known(library, files)
    taken: dict[str, Path] = {}
    for start in range(0, len(files), _BATCH):
        read = [_read(path) for path in files[start : start + _BATCH]]
        outcomes = [_outcome(item, known, taken) for item in read]
        refused = {outcome.path for outcome in outcomes if outcome.problems}
        library.add(item.source for item in read if item.source and item.path not in refused)
        yield from outcomes


def _outcome(item: _Read, known: Mapping[str, Collection[str]], taken: dict[str, Path]) -> Outcome:
    problems = item.problems or tuple(_examined(item, known, taken))
    if problems:
        return Outcome(item.path, "", problems)
    taken[item.path.stem.casefold()] = item.path
    return Outcome(item.path, item.path.stem, ())


def _read(path: Path) -> _Read:
    try:
        if not path.is_file():  # a pipe would keep us waiting, a device would never end
            return _Read(path, None, (problem(0, "no-file"),))
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _Read(path, None, (problem(0, "unreadable", reason=reason),))
    if len(content) > _MAX_BYTES:
        return _Read(path, None, (problem(0, "file-large", limit=MAX_CHARACTERS),))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _Read(path, None, (problem(line, "not-utf-8"),))
    parsed = articles.parse(text, path.stem)
    # A name that is no Unicode cannot be stored as it is.
    place = str(path.absolute()).encode("utf-8", "replace").decode()
    return _Read(path, Source(place, text, parsed.articles), parsed.problems)


def _known(library: Library, files: Iterable[Path]) -> Mapping[str, Collection[str]]:
    known = articles.known_ids()
    stored = {found.case_id for found in library.all("en")}
    return {**known, "case": {*known["case"], *stored, *(path.stem for path in files)}}


def _commands_of(source: Source) -> str:
    """Returns the file with its fenced code only, line for line, and of equal blocks the first.

    An article's languages have the same code; its author hears of a mistake once.  The linter parses Markdown
    by itself; a second parsing of all the text would take as long as the first.
    """
    if _SUPPRESSION in source.text:
        return source.text  # comments between the blocks speak to the linter
    lines = source.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [""] * len(lines)
    seen: set[tuple[str, str]] = set()
    for article in source.articles:
        for section in article.sections:
            for item in section.items:
                for block in item.code_blocks:
                    if (block.language, block.text) not in seen:
                        seen.add((block.language, block.text))
                        _keep(block, lines, kept)
    return "\n".join(kept)


def _keep(block: CodeBlock, lines: Sequence[str], kept: list[str]) -> None:
    opening = block.line - 2
    content = block.text.removesuffix("\n").split("\n")
    end = block.line - 1 + len(content)
    if not block.text or end >= len(kept) or not _FENCE.search(lines[opening]):
        return  # empty, never closed, or merely indented, which is no command to the linter
    fence = "~" * (max(map(len, _TILDES.findall(block.text)), default=0) + 3)
    kept[opening : end + 1] = [f"{fence}{block.language}", *content, fence]


def _examined(
    item: _Read, known: Mapping[str, Collection[str]], taken: Mapping[str, Path]
) -> Iterator[Problem]:
    if item.source is None:
        return
    name = item.path.stem
    if len(name) > _MAX_ID or not name.isprintable():
        yield problem(0, "id-unusable", limit=_MAX_ID)
    # What is searched for by its name is found in small letters and capitals alike.
    if name.casefold() in (own.casefold() for own in articles.case_ids()):
        yield problem(0, "id-of-the-program", id=name)
    if name.casefold() in taken:
        yield problem(0, "id-twice", id=name, path=taken[name.casefold()])
    for article in item.source.articles:
        yield from articles.check_links(article, known)
    for finding in lint_text(_commands_of(item.source), "markdown", str(item.path)):
        if finding.severity == "error":
            yield problem(finding.line, "command-refused", rule=finding.rule)
