"""From CommonMark tokens to sections and items, each with its line in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from unicodedata import normalize

from markdown_it import MarkdownIt
from markdown_it.token import Token

from l2tp_doctor.knowledge.article_types import ENTRY_KINDS, CodeBlock, Item, Link, Problem, Section, problem

# Headings by language, in the form :func:`_folded` gives them: what follows a parenthesis is free text.
HEADINGS: Mapping[str, Mapping[str, str]] = {
    "ja": {
        "要約": "summary",
        "よくある原因": "causes",
        "60秒で確認": "check",
        "5分で解決": "resolve",
        "根本対策": "permanent",
        "詳細手順": "procedure",
        "よくある落とし穴": "pitfalls",
        "再発防止チェックリスト": "checklist",
        "関連ケース": "related",
        "参考": "references",
    },
    "en": {
        "Summary": "summary",
        "Common causes": "causes",
        "Check in 60 seconds": "check",
        "Solve in 5 minutes": "resolve",
        "Lasting measures": "permanent",
        "Detailed procedure": "procedure",
        "Pitfalls": "pitfalls",
        "Checklist against recurrence": "checklist",
        "Related cases": "related",
        "References": "references",
    },
}
_LISTS = ("bullet_list", "ordered_list")


@cache
def _parser() -> MarkdownIt:
    """Returns a CommonMark parser that leaves link addresses as written: their authors recognise them."""
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # markdown-it's way to configure it
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]  # the same
    return parser


@cache
def _block_parser() -> MarkdownIt:
    """Returns one that stops short of what is inside paragraphs, in a third of the time."""
    return MarkdownIt("commonmark").disable(["inline", "text_join"])


def tokens_of(lines: Sequence[str]) -> list[Token]:
    """Parses CommonMark."""
    return _parser().parse("\n".join(lines))


def block_tokens_of(lines: Sequence[str]) -> list[Token]:
    """Parses CommonMark into blocks only: the text of paragraphs and headings stays unparsed."""
    return _block_parser().parse("\n".join(lines))


def _folded(heading: str) -> str:
    """Full-width digits, blanks, capitals and what is in parentheses make no other heading."""
    plain = normalize("NFKC", heading).partition("(")[0]
    return "".join(plain.split()).casefold()


_KEYS: Mapping[str, Mapping[str, str]] = {
    language: {_folded(heading): key for heading, key in headings.items()}
    for language, headings in HEADINGS.items()
}


def heading_of(key: str, language: str) -> str:
    """Returns the heading that a section is expected to have."""
    return next(heading for heading, known in HEADINGS[language].items() if known == key)


@dataclass(frozen=True)
class _Block:
    """A token with its children, down to its closing token."""

    token: Token
    children: tuple[_Block, ...]

    @cached_property
    def kind(self) -> str:
        return self.token.type.removesuffix("_open")

    @property
    def span(self) -> tuple[int, int]:
        first, end = self.token.map or (0, 0)
        return first, end

    def walk(self) -> Iterator[_Block]:
        """Yields it and everything in it, in order."""
        left = [self]
        while left:
            block = left.pop()
            yield block
            left.extend(reversed(block.children))


def blocks(tokens: Sequence[Token]) -> tuple[_Block, ...]:
    """Returns the tokens as trees."""
    stack: list[tuple[Token, list[_Block]]] = []
    top: list[_Block] = []
    for token in tokens:
        if token.nesting == 1:
            stack.append((token, []))
            continue
        if token.nesting == -1:
            opened, children = stack.pop()
            block = _Block(opened, tuple(children))
        else:
            block = _Block(token, ())
        (stack[-1][1] if stack else top).append(block)
    return tuple(top)


class Body:
    """The part of an article behind its front matter.

    Args:
        lines: its lines.
        offset: how many lines of the file are before them.
        language: which headings are known; empty for an unknown language, where all are.
    """

    def __init__(self, lines: Sequence[str], offset: int, language: str) -> None:
        self._lines = lines
        self._offset = offset
        self._keys = _KEYS.get(language) or {**_KEYS["ja"], **_KEYS["en"]}
        self._language = language if language in _KEYS else "en"
        self.problems: list[Problem] = []

    def _line(self, index: int) -> int:
        """From an index into our lines to a line number of the file."""
        return index + self._offset + 1

    def sections(self) -> tuple[Section, ...]:
        """Returns the sections whose headings are known; what else there is becomes a problem."""
        found: dict[str, Section] = {}
        parts = self._parts(blocks(tokens_of(self._lines)))
        for heading, content, end in parts:
            section = self._section(heading, content, end)
            if section is None:
                continue
            if section.key in found:
                self._report(section.line, "heading-duplicate", heading=section.heading)
            else:
                found[section.key] = section
        return tuple(found.values())

    def _report(self, line: int, identifier: str, **values: object) -> None:
        self.problems.append(problem(line, identifier, **values))

    def _parts(self, top: Sequence[_Block]) -> list[tuple[_Block, list[_Block], int]]:
        """Splits at headings of level 1 and 2; each part is a heading, its blocks and its end."""
        parts: list[tuple[_Block, list[_Block], int]] = []
        for block in top:
            if block.kind == "heading" and block.token.tag in ("h1", "h2"):
                if parts:
                    parts[-1] = (*parts[-1][:2], block.span[0])
                parts.append((block, [], len(self._lines)))
            elif parts:
                parts[-1][1].append(block)
            elif block.kind != "hr":
                self._report(self._line(block.span[0]), "text-before-heading")
        return parts

    def _section(self, heading: _Block, content: Sequence[_Block], end: int) -> Section | None:
        title = _plain(heading)
        line = self._line(heading.span[0])
        items = tuple(item for block in content for item in self._items(block))
        key = self._keys.get(_folded(title))
        if key is None or heading.token.tag != "h2":
            known = " / ".join(HEADINGS[self._language])
            self._report(line, "heading-unknown", heading=title or heading.token.markup, known=known)
            return None
        if not any(item.text or item.code_blocks for item in items):
            self._report(line, "section-empty", heading=title)
        for item in items:
            if not (item.text or item.code_blocks):
                self._report(item.line, "item-empty", heading=title)
        return Section(
            key=key,
            heading=title,
            line=line,
            items=items,
            markdown="\n".join(self._lines[heading.span[1] : end]).strip("\n"),
        )

    def _items(self, block: _Block) -> Iterator[Item]:
        if block.kind in _LISTS:
            yield from self._list(block)
        elif block.kind != "hr":
            yield self._loose(block)

    def _list(self, block: _Block) -> Iterator[Item]:
        start = block.token.attrs.get("start", 1)
        first = start if isinstance(start, int) else 1
        for place, child in enumerate(block.children):
            yield Item(
                text=_first_text(child),
                markdown=self._item_source(child),
                links=tuple(self._links(child)),
                code_blocks=tuple(self._code(child)),
                line=self._line(child.span[0]),
                number=first + place if block.kind == "ordered_list" else None,
                children=tuple(
                    item for inner in child.children if inner.kind in _LISTS for item in self._list(inner)
                ),
            )

    def _loose(self, block: _Block) -> Item:
        first, end = block.span
        return Item(
            text=_first_text(block),
            markdown="\n".join(self._lines[first:end]).strip("\n"),
            links=tuple(self._links(block)),
            code_blocks=tuple(self._code(block)),
            line=self._line(first),
            loose=True,
        )

    def _item_source(self, item: _Block) -> str:
        """Returns an item's source without its marker, moved to the left by as much as the marker takes."""
        first, end = item.span
        lines = [line.expandtabs(4) for line in self._lines[first:end]]
        if not lines:
            return ""
        marker = item.token.info + item.token.markup
        indent = lines[0].find(marker) + len(marker)
        rest = lines[0][indent:]
        blanks = len(rest) - len(rest.lstrip(" "))
        # CommonMark 5.2: more than four blanks after the marker begin an indented block of code.
        width = indent + (blanks if 0 < blanks <= 4 and rest.strip() else 1)
        rest_of_it = (line[min(width, len(line) - len(line.lstrip(" "))) :] for line in lines[1:])
        return "\n".join((lines[0][width:], *rest_of_it)).strip("\n")

    def _code(self, block: _Block) -> Iterator[CodeBlock]:
        for inner in block.walk():
            if inner.kind == "fence":
                words = inner.token.info.split()
                first = self._line(inner.span[0]) + 1
                yield CodeBlock(words[0] if words else "", inner.token.content, first)
                self._check_closed(inner)
            elif inner.kind == "code_block":
                yield CodeBlock("", inner.token.content, self._line(inner.span[0]))

    def _check_closed(self, fence: _Block) -> None:
        """A fence nobody closes swallows the rest of its list item or of the file."""
        first, end = fence.span
        mark = fence.token.markup
        last = self._lines[end - 1].strip(" \t>") if end - 1 > first else ""
        if len(last) < len(mark) or set(last) != set(mark):
            self._report(self._line(first), "code-not-closed")

    def _links(self, block: _Block) -> Iterator[Link]:
        for inner in block.walk():
            if inner.kind == "inline":
                yield from self._links_of(inner)

    def _links_of(self, inline: _Block) -> Iterator[Link]:
        first, end = inline.span
        at = first
        opened: tuple[str, int, list[str]] | None = None
        for token in inline.token.children or ():
            if token.type in ("softbreak", "hardbreak"):
                at += 1
            elif token.type == "link_open":
                target = str(token.attrs.get("href", ""))
                at = self._seen(target, at, end)
                opened = (target, at, [])
            elif token.type == "link_close" and opened is not None:
                link = self._link(opened[0], "".join(opened[2]), self._line(opened[1]))
                if link is not None:
                    yield link
                opened = None
            if opened is not None and token.type in ("text", "code_inline"):
                opened[2].append(token.content)

    def _seen(self, target: str, at: int, end: int) -> int:
        """Returns the line a link is on: a code span or an address may hold a line end nobody counts."""
        return next((line for line in range(at, end) if target in self._lines[line]), at)

    def _link(self, target: str, words: str, line: int) -> Link | None:
        kind, colon, rest = target.partition(":")
        if colon and kind in ENTRY_KINDS and rest:
            return Link(kind, rest, words, line)
        if target.startswith(("https://", "http://")):
            return Link("web", target, words, line)
        if target.startswith("#") and len(target) > 1:
            return Link("anchor", target[1:], words, line)
        self._report(
            line, "link-unknown", target=target, known=", ".join(f"{known}:" for known in ENTRY_KINDS)
        )
        return None


def _plain(block: _Block) -> str:
    """Returns the text of a block without markup."""
    return "".join(_inline_text(inner.token) for inner in block.walk() if inner.kind == "inline").strip()


def _inline_text(token: Token) -> str:
    pieces: list[str] = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            pieces.append(" ")
        elif child.type in ("text", "code_inline", "html_inline", "image"):
            pieces.append(child.content)
    return "".join(pieces)


def _first_text(block: _Block) -> str:
    """Returns the first paragraph's text, or the first line of the first block of code."""
    for inner in block.walk():
        if inner.kind == "inline":
            return _inline_text(inner.token).strip()
        if inner.kind in ("fence", "code_block", "html_block"):
            return inner.token.content.strip().partition("\n")[0]
    return ""
