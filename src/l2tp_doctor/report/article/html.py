"""An article as one HTML file that needs nothing else: no script, no font, no address is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, Template
from markdown_it import MarkdownIt
from markupsafe import Markup

from l2tp_doctor.guide.document import Document
from l2tp_doctor.report.article.blocks import Block, Code, Fold, Heading, Paragraph, lay_out
from l2tp_doctor.report.words import Words


def html(document: Document, words: Words) -> str:
    """Returns the whole page.

    An article may be anybody's: HTML in it is shown as text, images and script addresses are not taken over.
    """
    blocks = _grouped(lay_out(document, words, "folded"))
    return str(_template().render(document=document, blocks=blocks, words=words))


def _grouped(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Returns the blocks as what the template draws: each with its kind."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case Heading(text=text, key=key):
                found.append({"kind": "heading", "text": text, "key": key})
            case Paragraph():
                content = Markup(_markdown().render(block.markdown))  # safe: raw HTML is off
                found.append({"kind": "paragraph", "block": block, "content": content})
            case Code(text=text, language=language, depth=depth):
                found.append({"kind": "code", "text": text, "language": language, "depth": depth})
            case Fold(title=title, blocks=inner, depth=depth, irrelevant=irrelevant):
                kind = "irrelevant" if irrelevant else "entry"
                found.append({"kind": kind, "title": title, "depth": depth, "blocks": _grouped(inner)})
    return found


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.disable("image")  # an image would be fetched from wherever the article says
    return parser


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
