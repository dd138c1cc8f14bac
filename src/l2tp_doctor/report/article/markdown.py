"""An article as Markdown (CommonMark), for a wiki or a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import indent

from l2tp_doctor.guide.document import Document, Status
from l2tp_doctor.report.article.blocks import Block, Code, Fold, Heading, Paragraph, lay_out
from l2tp_doctor.report.words import Words

# GitHub's task lists; elsewhere they read as what they mean.
_BOXES = {Status.DONE: "[x] ", Status.FOUND: "**▶** ", Status.SUSPECTED: "**?** "}
_STEP = 3
_FENCES = {"cmd": "bat"}


def markdown(document: Document, words: Words) -> str:
    """Returns the whole article."""
    parts = [f"# {document.title}"]
    if document.error_text and document.error_text != document.title:
        parts.append(f"> {document.error_text}")
    parts += [f"**{sentence}**" for sentence in document.banner]
    parts += drawn(lay_out(document, words))
    return "\n\n".join(parts) + "\n"


def drawn(blocks: Iterable[Block]) -> Iterator[str]:
    """Yields the Markdown of each block."""
    for block in blocks:
        match block:
            case Heading(text=text):
                yield f"## {text}"
            case Paragraph():
                yield _paragraph(block)
            case Code(text=text, language=language, depth=depth):
                yield indent(fenced(text, _FENCES.get(language, language)), " " * _STEP * depth)
            case Fold(title=title, blocks=inner):
                yield f"<details><summary>{title}</summary>"
                yield from drawn(inner)
                yield "</details>"


def _paragraph(block: Paragraph) -> str:
    text = block.markdown
    match block.role:
        case "label":
            text = f"**{text}**"
        case "proof":
            text = f"*{text}*"
    if not block.marker:
        return indent(text, " " * _STEP * block.depth)
    marker = block.marker.ljust(_STEP)
    body = indent(_BOXES.get(block.status, "") + text, " " * len(marker))
    return indent(marker + body[len(marker) :], " " * _STEP * (block.depth - 1))


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
