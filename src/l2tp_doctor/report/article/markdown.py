"""An article as Markdown (CommonMark), for a wiki or a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from textwrap import indent

from l2tp_doctor.guide.document import Document, Status
from l2tp_doctor.report.article.blocks import Block, Code, Fold, Heading, Paragraph, lay_out
from l2tp_doctor.report.article.markdown_safety import escaped, safe
from l2tp_doctor.report.words import Words

# GitHub's task lists; elsewhere they read as what they mean.
_BOXES = {Status.DONE: "[x] ", Status.FOUND: "**▶** ", Status.SUSPECTED: "**?** "}
_FENCES = {"cmd": "bat"}


def markdown(document: Document, words: Words) -> str:
    """Returns the whole article; what an entry says in full is behind ``<details>``.

    An article may be anybody's: elements in it are shown as text, and images are not fetched.
    """
    parts = [f"# {escaped(document.title)}"]
    if document.error_text and document.error_text != document.title:
        parts.append(f"> {escaped(document.error_text)}")
    about = " · ".join((*document.tags, document.updated_at[:10])).strip()
    if about:
        parts.append(escaped(about))
    if document.banner:
        # Two blanks at a line end keep the line end.
        parts.append("\n".join(f"> **{escaped(sentence)}**  " for sentence in document.banner).rstrip())
    parts += _Drawing().blocks(lay_out(document, words, "folded"))
    return "\n\n".join(parts) + "\n"


def drawn(blocks: Iterable[Block]) -> Iterator[str]:
    """Yields the Markdown of each block, for documents that are no article."""
    return _Drawing().blocks(blocks)


class _Drawing:
    """Knows how wide the markers are of the items it is in: what belongs to an item is moved in by that."""

    def __init__(self) -> None:
        self._markers: list[int] = []

    def blocks(self, blocks: Iterable[Block]) -> Iterator[str]:
        """Yields the Markdown of each block."""
        for block in blocks:
            match block:
                case Heading(text=text):
                    self._markers = []
                    yield f"## {escaped(text)}"
                case Paragraph():
                    yield self._paragraph(block)
                case Code(text=text, language=language, depth=depth):
                    yield self._moved(fenced(text, _FENCES.get(language, language)), depth)
                case Fold(title=title, blocks=inner, depth=depth):
                    yield self._moved(f"<details>\n<summary>{escape(title)}</summary>", depth)
                    yield from self.blocks(inner)
                    yield self._moved("</details>", depth)

    def _paragraph(self, block: Paragraph) -> str:
        text = safe(block.markdown)
        match block.role:
            case "label":
                text = f"**{text}**"
            case "proof":
                text = f"*{text}*"
        if not block.marker:
            return self._moved(text, block.depth)
        marker = f"{block.marker} "
        self._markers = [*self._markers[: block.depth - 1], len(marker)]
        body = indent(_BOXES.get(block.status, "") + text, " " * len(marker))
        return self._moved(marker + body[len(marker) :], block.depth - 1)

    def _moved(self, text: str, depth: int) -> str:
        return indent(text, " " * sum(self._markers[:depth]))


def fenced(text: str, language: str) -> str:
    """Returns a block of code whose fence is longer than any in it."""
    longest = max((len(run) for run in _runs(text, "`")), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _runs(text: str, character: str) -> Iterator[str]:
    run = ""
    for found in text:
        if found == character:
            run += found
        elif run:
            yield run
            run = ""
    if run:
        yield run
