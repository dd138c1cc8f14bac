"""Lays a document out as a flat row of blocks, which every format draws in its own way.

All words beside the article's own are put in here, so the formats hold the same and know no language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from l2tp_doctor.guide.document import Chapter, Command, Document, Entry, Line, Status, item_groups
from l2tp_doctor.report.words import Words

Role = Literal["plain", "detail", "label", "caution", "proof", "aside"]
Extent = Literal["brief", "full", "folded"]
"""How much of the entries is shown: the first commands, everything, or everything behind a fold."""

# A reader at a terminal wants to know what to type; the rest is one command away.
_BRIEF_COMMANDS = 2


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's heading; ``key`` names the section in every language."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Markdown at some depth.

    Attributes:
        markdown: its source; may be several paragraphs.
        depth: how far it is moved in; 0 for what stands outside any item.
        role: what it is for the reader.
        marker: ``-`` or ``1.`` where it begins an item, else empty.
        status: what the last check says about the item.
        opens: it begins an item of its section.
        apart: it begins something of its own inside an item.
    """

    markdown: str
    depth: int = 0
    role: Role = "plain"
    marker: str = ""
    status: Status = Status.OPEN
    opens: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Something to type; ``language`` is a fence's: ``powershell``, ``cmd`` or ``sh``."""

    text: str
    language: str
    depth: int


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks out of the way.

    Attributes:
        title: what is inside.
        blocks: what is inside.
        depth: how far it is moved in.
        irrelevant: the last check made it so; else it is merely long.
    """

    title: str
    blocks: tuple[Block, ...]
    depth: int = 0
    irrelevant: bool = True


Block = Heading | Paragraph | Code | Fold


def lay_out(document: Document, words: Words, extent: Extent = "full") -> Iterator[Block]:
    """Yields the blocks of a document; its title, error text and banner are left to the format.

    An entry that several lines link to is shown once; the later lines say that it stands above.
    """
    shown: set[str] = set()
    for chapter in document.chapters:
        if chapter.heading:
            yield Heading(chapter.heading, chapter.key)
        yield from _Chapter(chapter, words, extent, shown).blocks()


def lay_out_entry(entry: Entry, words: Words) -> Iterator[Block]:
    """Yields all that an entry says, without its title."""
    yield from _Chapter(Chapter(key="", heading="", lines=()), words, "full", set()).entry(entry, 0)


class _Chapter:
    def __init__(self, chapter: Chapter, words: Words, extent: Extent, shown: set[str]) -> None:
        self._lines = chapter.lines
        self._words = words
        self._extent = extent
        self._shown = shown
        self._ordered = any(line.number is not None for line in chapter.lines)
        self._number = 0

    def blocks(self) -> Iterator[Block]:
        groups = item_groups(self._lines)
        shown = [group for group in groups if group[0].status is not Status.IRRELEVANT]
        folded = [group for group in groups if group[0].status is Status.IRRELEVANT]
        for group in shown:
            for line in group:
                yield from self._line(line)
        if folded:
            inner = tuple(block for group in folded for line in group for block in self._line(line))
            yield Fold(self._words("guide.folded", count=len(folded)), inner)

    def _line(self, line: Line) -> Iterator[Block]:
        if line.loose:
            yield Paragraph(line.markdown)
            depth = 0
        else:
            yield Paragraph(line.markdown, 1, "plain", self._marker(line), line.status, opens=True)
            depth = 1
        for sentence in line.proof:
            yield Paragraph(sentence, depth, "proof", status=line.status)
        relevant = line.status is not Status.IRRELEVANT
        entries = [entry for entry in line.entries if not relevant or entry.status is not Status.IRRELEVANT]
        for entry in entries:
            yield from self._linked(entry, depth, titled=len(line.entries) > 1)

    def _linked(self, entry: Entry, depth: int, *, titled: bool) -> Iterator[Block]:
        """Yields what a line links to, as far as the extent goes."""
        name = f"{entry.kind}:{entry.id}"
        # What was found is what the reader came for.
        found = entry.status is Status.FOUND
        if name in self._shown and not (found or entry.status is Status.DONE):
            yield Paragraph(self._words("guide.above", title=entry.title), depth, "aside")
            return
        self._shown.add(name)
        if self._extent == "brief" and not found:
            yield from self._brief(entry, depth, titled=titled)
        elif self._extent == "folded" and not found:
            how = self._words(f"guide.how.{entry.kind}")
            title = self._words("guide.how.titled", how=how, title=entry.title) if titled else how
            yield Fold(title, tuple(self.entry(entry, depth)), depth, irrelevant=False)
        else:
            yield from self.entry(entry, depth, titled=titled)

    def _marker(self, line: Line) -> str:
        """Numbers count anew where what was found has been moved to the front."""
        if not self._ordered or (line.number is None and line.status is Status.OPEN):
            return "-"
        self._number += 1
        return f"{self._number}."

    # -- entries ----------------------------------------------------------------------------------

    def _brief(self, entry: Entry, depth: int, *, titled: bool) -> Iterator[Block]:
        """Yields what to type, and where the rest is; of what is done, that it is."""
        if titled:
            yield self._label(entry.title, depth)
        if entry.status is Status.DONE:
            return
        if entry.instead:
            yield self._labelled("guide.instead", entry.instead, depth)
        if entry.automatic:
            yield Paragraph(self._words("guide.automatic", verb=entry.automatic), depth, "aside")
        where = None
        for command in entry.commands[:_BRIEF_COMMANDS]:
            label = self._where(command, depth, command.text if command.shell == "gui" else "")
            if label != where:
                yield label
            where = label
            if command.code:
                yield Code(command.code, command.shell, depth)
        more = max(0, len(entry.commands) - _BRIEF_COMMANDS)
        undo = any(command.undo for command in entry.commands)
        if more or undo:
            key = "guide.more.undo" if undo else "guide.more"
            rest = self._words("guide.more.ways", count=more) if more else ""
            name = f"{entry.kind}:{entry.id}"
            yield Paragraph(self._words(key, ways=rest, name=name), depth, "aside")

    def _where(self, command: Command, depth: int, text: str = "", marker: str = "") -> Paragraph:
        where = self._words(f"guide.platform.{command.platform}")
        with_what = self._words(f"guide.shell.{command.shell}")
        key = "guide.command.elevated" if command.elevated else "guide.command"
        label = self._words(key, platform=where, shell=with_what)
        if text:
            return Paragraph(f"{label}: {text}", depth, "aside", apart=True)
        return self._label(label, depth, marker)

    def _label(self, text: str, depth: int, marker: str = "") -> Paragraph:
        return Paragraph(text, depth, "label", marker, apart=True)

    def entry(self, entry: Entry, depth: int, *, titled: bool = False) -> Iterator[Block]:
        """Yields all of an entry's blocks."""
        if titled:
            yield self._label(entry.title, depth)
        yield Paragraph(entry.detail, depth, "detail")
        if entry.instead:
            yield self._labelled("guide.instead", entry.instead, depth)
        if entry.automatic:
            yield Paragraph(self._words("guide.automatic", verb=entry.automatic), depth, "aside")
        for command in entry.commands:
            yield from self._command(command, depth)
        if entry.reading:
            key = "guide.verified_by" if entry.kind == "fix" else "guide.reading"
            yield self._label(self._words(key), depth)
            for sentence in entry.reading:
                yield Paragraph(sentence, depth + 1, "plain", "-")
        if entry.sources:
            yield self._label(self._words("guide.sources"), depth)
            for source in entry.sources:
                yield Paragraph(f"[{source.title}]({source.url})", depth + 1, "aside", "-")

    def _command(self, command: Command, depth: int, marker: str = "") -> Iterator[Block]:
        yield self._where(command, depth, marker=marker)
        yield Paragraph(command.text, depth)
        if command.code:
            yield Code(command.code, command.shell, depth)
        if command.changes:
            yield self._labelled("guide.changes", command.changes, depth, "caution")
        if command.irreversible:
            yield self._labelled("guide.irreversible", command.irreversible, depth, "caution")
        if command.undo:
            yield self._label(self._words("guide.undo"), depth)
            for step in command.undo:
                yield from self._command(step, depth + 1, "-")

    def _labelled(self, key: str, text: str, depth: int, role: Role = "detail") -> Paragraph:
        return Paragraph(self._words(key, text=text), depth, role)
