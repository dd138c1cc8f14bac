"""An article made ready to be shown: its lines, and below them what the entries they link to say.

Every format is made from a :class:`Document`, so all of them hold the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from l2tp_doctor.guide.harmless import harmless, one_line
from l2tp_doctor.guide.links import rewrite
from l2tp_doctor.knowledge import entries
from l2tp_doctor.knowledge.articles import Article, Item, Link, Section
from l2tp_doctor.knowledge.cause_texts import cause, cause_ids
from l2tp_doctor.knowledge.entries import Action, Check, Fix, Measure, Pitfall, fill


class Status(StrEnum):
    """What the last check says about a line, the weightiest first."""

    FOUND = "found"
    SUSPECTED = "suspected"
    DONE = "done"
    OPEN = "open"
    IRRELEVANT = "irrelevant"


_WEIGHT = {status: weight for weight, status in enumerate(Status)}


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Members that say nothing are left out of the JSON."""


class Command(_Part, frozen=True):
    """Something to type or to click; the members are those of :class:`entries.Action`, in one language."""

    platform: str
    shell: str
    text: str
    elevated: bool = False
    code: str = ""
    changes: str = ""
    undo: tuple[Command, ...] = ()
    irreversible: str = ""


class Source(_Part, frozen=True):
    """A primary source in the document's language."""

    title: str
    url: str


class Entry(_Part, frozen=True):
    """What a line links to.

    Attributes:
        kind: ``check``, ``fix``, ``measure`` or ``pitfall``.
        id: its id.
        title: its title.
        detail: what it is for, or what it breaks.
        commands: how a person does it.
        reading: how to read what comes back, or which checks verify it.
        instead: what to do in place of a pitfall.
        automatic: the command of this program that does it by itself; empty when a person has to.
        sources: where the facts are from.
        status: what the last check says about it.
    """

    kind: str
    id: str
    title: str
    detail: str
    commands: tuple[Command, ...] = ()
    reading: tuple[str, ...] = ()
    instead: str = ""
    automatic: str = ""
    sources: tuple[Source, ...] = ()
    status: Status = Status.OPEN


class Line(_Part, frozen=True):
    """An item of a section.

    Attributes:
        markdown: its own words, with links a reader can follow, and its own commands.
        number: its number in an ordered list.
        loose: it is a paragraph of its own and no item of a list.
        status: what the last check says of it.
        proof: the sentences that say why.
        entries: what it links to, in full.
    """

    markdown: str
    number: int | None = None
    loose: bool = False
    status: Status = Status.OPEN
    proof: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()


class Chapter(_Part, frozen=True):
    """A section; ``key`` is the same in every language."""

    key: str
    heading: str
    lines: tuple[Line, ...]


class Document(_Part, frozen=True):
    """A whole article.

    Attributes:
        case_id: its id.
        language: ``ja`` or ``en``.
        title: its title.
        error_text: what Windows shows.
        tags: for searching.
        updated_at: ISO 8601.
        chapters: in the order of the article.
        codes: Windows codes.
        source: the file it was imported from; empty for an article of the package.
        banner: what the last check found, when the article is rewritten for it.
    """

    case_id: str
    language: str
    title: str
    error_text: str
    tags: tuple[str, ...]
    updated_at: str
    chapters: tuple[Chapter, ...]
    codes: tuple[int, ...] = ()
    source: str = ""
    banner: tuple[str, ...] = ()


class Judgement(msgspec.Struct, frozen=True):
    """What is known about the thing a line links to."""

    status: Status = Status.OPEN
    proof: tuple[str, ...] = ()


class Insight(Protocol):
    """What is known about the machine and the gateway the article is read for."""

    @property
    def banner(self) -> tuple[str, ...]:
        """Returns the sentences to begin with."""

    @property
    def values(self) -> Mapping[str, str]:
        """Returns what to fill in for placeholders."""

    def judge(self, kind: str, target: str) -> Judgement:
        """Returns what is known about a cause, a check, a fix or a measure."""

    def missing(self, section: str, linked: frozenset[str]) -> Sequence[tuple[str, str]]:
        """Returns ``(kind, id)`` of what a section has to begin with and does not link to."""


@dataclass(frozen=True, slots=True)
class NoInsight:
    """Nothing was found out: the article as it is written, but for names the reader gave."""

    values: Mapping[str, str] = field(default_factory=dict)
    banner: tuple[str, ...] = ()

    def judge(self, _kind: str, _target: str) -> Judgement:
        """Returns that it is open."""
        return Judgement()

    def missing(self, _section: str, _linked: frozenset[str]) -> Sequence[tuple[str, str]]:
        """Returns nothing."""
        return ()


def build(
    article: Article,
    *,
    source: str = "",
    insight: Insight | None = None,
    title_of: Callable[[str], str | None] = lambda _case_id: None,
) -> Document:
    """Returns an article with the entries it links to.

    Args:
        article: well-formed or not; what it links to and does not exist is left out, and what steers a
            terminal is replaced.
        source: the file it was imported from.
        insight: for whom it is read.
        title_of: gives the title of another case, for links to it.
    """
    builder = _Builder(article.language, insight or NoInsight(), title_of)
    return Document(
        case_id=article.id,
        language=article.language,
        title=one_line(article.title),
        error_text=one_line(article.error_text),
        tags=tuple(one_line(tag) for tag in article.tags),
        updated_at=one_line(article.updated_at),
        chapters=tuple(builder.chapter(section) for section in article.sections),
        codes=article.codes,
        source=one_line(source),
        banner=builder.insight.banner,
    )


def entry_in(kind: str, identifier: str, language: str) -> Entry:
    """Returns an entry in one language, with examples for its placeholders.

    Raises:
        KeyError: there is none of that kind and id.
    """
    return _Builder(language, NoInsight(), lambda _case_id: None).entry(kind, identifier)


def entry_document(kind: str, identifier: str, language: str, insight: Insight | None = None) -> Document:
    """Returns a document of one entry only.

    Raises:
        KeyError: there is none of that kind and id.
    """
    builder = _Builder(language, insight or NoInsight(), lambda _case_id: None)
    found = builder.entry(kind, identifier)
    # Of what is asked for by its name, nothing is folded away.
    shown = msgspec.structs.replace(found, status=Status.FOUND)
    line = Line(markdown=f"`{kind}:{identifier}`", loose=True, entries=(shown,))
    return Document(
        case_id=f"{kind}:{identifier}",
        language=language,
        title=found.title,
        error_text="",
        tags=(),
        updated_at="",
        chapters=(Chapter(key=kind, heading="", lines=(line,)),),
        banner=builder.insight.banner,
    )


class _Builder:
    def __init__(self, language: str, insight: Insight, title_of: Callable[[str], str | None]) -> None:
        self._language = language
        self.insight = insight
        self._title_of = title_of

    def chapter(self, section: Section) -> Chapter:
        links = frozenset(f"{link.kind}:{link.target}" for item in section.items for link in item.links)
        missing = self.insight.missing(section.key, links)
        added = [self._added(kind, target) for kind, target in missing if _exists(kind, target)]
        lines = [self._line(item, section.key) for item in section.items]
        if section.key in ("causes", "resolve"):
            lines = _found_first(lines)
        return Chapter(key=section.key, heading=one_line(section.heading), lines=(*added, *lines))

    def _judge(self, kind: str, target: str, section: str) -> Judgement:
        found = self.insight.judge(kind, target)
        # The same check that was done before a repair has to be done again behind it.
        return Judgement() if found.status is Status.DONE and section != "check" else found

    def _line(self, item: Item, section: str) -> Line:
        judgements = [self._judge(link.kind, link.target, section) for link in item.links]
        status = min((found.status for found in judgements), key=_WEIGHT.__getitem__, default=Status.OPEN)
        proof = dict.fromkeys(
            sentence for found in judgements if found.status is status for sentence in found.proof
        )
        expanded = () if item.code_blocks else tuple(self._entries(item.links, section))
        return Line(
            markdown=harmless(self._filled(rewrite(item.markdown, item.links, self._words))),
            number=item.number,
            loose=item.loose,
            status=status,
            proof=tuple(proof),
            entries=expanded,
        )

    def _added(self, kind: str, target: str) -> Line:
        """A line the article does not have: what was found is not among what it lists."""
        judgement = self.insight.judge(kind, target)
        if kind == "cause":
            found = cause(target)
            title, detail = found.title.get(self._language), found.explanation.get(self._language)
            words = f"**{title}** — {detail}"
            return Line(markdown=words, status=judgement.status, proof=judgement.proof)
        entry = self.entry(kind, target)
        return Line(markdown=entry.title, status=judgement.status, proof=judgement.proof, entries=(entry,))

    def _words(self, link: Link, words: str) -> str:
        match link.kind:
            case "case":
                case_id = link.target.partition("#")[0]
                title = self._title_of(case_id)
                named = f" — {title}" if title and title not in words else ""
                return f"{words}{named} (`l2tp-doctor guide {case_id}`)"
            case "ref":
                known = entries.references().get(link.target)
                return f"[{words}]({known.address(self._language)})" if known else words
            case _:
                return words

    # -- entries ----------------------------------------------------------------------------------

    def _entries(self, links: Iterable[Link], section: str) -> Iterable[Entry]:
        seen = set()
        for link in links:
            key = (link.kind, link.target)
            if link.kind in entries.KINDS and _exists(link.kind, link.target) and key not in seen:
                seen.add(key)
                yield self.entry(link.kind, link.target, section)

    def entry(self, kind: str, target: str, section: str = "") -> Entry:
        """Returns an entry in full, as it stands in a section."""
        found = entries.entry(kind, target)
        match found:
            case Check():
                detail, actions = found.purpose, found.actions
                reading = tuple(self._text(text.get(self._language)) for text in found.reading)
            case Fix():
                detail, actions = found.explanation, found.apply
                # A name without an entry is a mistake of ours that a test tells; the reader is not kept from
                # the rest for it.
                known = [name for name in found.verify if name in entries.entry_ids("check")]
                reading = tuple(entries.check(name).title.get(self._language) for name in known)
            case Measure():
                detail, actions, reading = found.explanation, found.actions, ()
            case Pitfall():
                detail, actions, reading = found.reason, (), ()
        return Entry(
            kind=kind,
            id=target,
            title=found.title.get(self._language),
            detail=self._text(detail.get(self._language)),
            commands=tuple(self._command(action) for action in actions),
            reading=reading,
            instead=self._text(found.instead.get(self._language)) if isinstance(found, Pitfall) else "",
            automatic="" if isinstance(found, Pitfall) else found.automatic or "",
            sources=tuple(self._sources(found.references)),
            status=self._judge(kind, target, section).status,
        )

    def _sources(self, identifiers: Iterable[str]) -> Iterable[Source]:
        for identifier in identifiers:
            known = entries.references().get(identifier)
            if known is not None:
                yield Source(title=known.title.get(self._language), url=known.address(self._language))

    def _command(self, action: Action) -> Command:
        language = self._language
        return Command(
            platform=action.platform,
            shell=action.shell,
            text=self._text(action.text.get(language)),
            elevated=action.elevated,
            code=self._filled(action.command).strip("\n"),
            changes=self._text(action.changes.get(language)) if action.changes else "",
            undo=tuple(self._command(step) for step in action.undo),
            irreversible=self._text(action.irreversible.get(language)) if action.irreversible else "",
        )

    def _text(self, text: str) -> str:
        return self._filled(text.strip())

    def _filled(self, text: str) -> str:
        return fill(text, self.insight.values)


def _exists(kind: str, target: str) -> bool:
    if kind == "cause":
        return target in cause_ids()
    return kind in entries.KINDS and target in entries.entry_ids(kind)


def item_groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Returns each item with the paragraphs that follow it."""
    groups: list[list[Line]] = []
    for line in lines:
        if line.loose and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _found_first(lines: Sequence[Line]) -> list[Line]:
    """Moves what was found to the front; paragraphs stay behind the item they follow."""
    groups = item_groups(lines)
    first = [group for group in groups if group[0].status in (Status.FOUND, Status.SUSPECTED)]
    first.sort(key=lambda group: _WEIGHT[group[0].status])
    rest = [group for group in groups if group not in first]
    return [line for group in (*first, *rest) for line in group]
