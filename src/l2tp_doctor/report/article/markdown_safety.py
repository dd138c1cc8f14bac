"""Markdown that anybody wrote, made fit to be shown by whatever Markdown program a reader has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from markdown_it import MarkdownIt

# What a wiki might take for an element, a comment, a declaration or an instruction …
_ELEMENT = re.compile(r"<(?=[A-Za-z/!?])(?!https?://[^\s<>]*>)")
# … an image, which it would fetch from wherever it is …
_IMAGE = re.compile(r"!(?=\[)")
# … or a link that runs something.
_SCRIPT = re.compile(r"\](?=\(\s*<?\s*(?:javascript|vbscript|data|file):)", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\`*_\[\]<>&#~|]")
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_HARMFUL = frozenset({"html_block", "html_inline", "image"})


def escaped(text: str) -> str:
    """Returns plain text as Markdown that reads as it does."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def safe(markdown: str) -> str:
    """Returns ``markdown`` with elements and images as the text they were written as; code stays as it is."""
    if not (_ELEMENT.search(markdown) or _IMAGE.search(markdown) or _SCRIPT.search(markdown)):
        return markdown
    guarded = "".join(part if code else _guarded(part) for part, code in _parts(markdown))
    # Code spans are told apart by a pattern, which somebody may have written around.
    return guarded if not _is_harmful(guarded) else _guarded(guarded.replace("<", "&lt;"))


def _guarded(text: str) -> str:
    return _SCRIPT.sub(r"\\]", _IMAGE.sub(r"\\!", _ELEMENT.sub(r"\\<", text)))


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yields the pieces of the source in order, each with whether it is code."""
    lines = markdown.splitlines(keepends=True)
    at = 0
    for first, end in _code_blocks(markdown):
        yield from _spans("".join(lines[at:first]))
        yield "".join(lines[first:end]), True
        at = end
    yield from _spans("".join(lines[at:]))


def _spans(text: str) -> Iterable[tuple[str, bool]]:
    at = 0
    for match in _CODE_SPAN.finditer(text):
        yield text[at : match.start()], False
        yield match[0], True
        at = match.end()
    yield text[at:], False


def _code_blocks(markdown: str) -> list[tuple[int, int]]:
    tokens = _parser().parse(markdown)
    return [
        (token.map[0], token.map[1])
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
    ]


def _is_harmful(markdown: str) -> bool:
    return any(
        token.type in _HARMFUL or any(child.type in _HARMFUL for child in token.children or ())
        for token in _parser().parse(markdown)
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark")
