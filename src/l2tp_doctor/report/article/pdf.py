"""An article as PDF, for whoever has to hand it over on paper."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, XPreformatted

from l2tp_doctor.guide.document import Document, Status
from l2tp_doctor.report.article import blocks as laid
from l2tp_doctor.report.words import Words

# Japanese fonts with TrueType outlines that systems bring along; reportlab can embed no others.
_JAPANESE_FONTS = (
    r"C:\Windows\Fonts\YuGothM.ttc",
    r"C:\Windows\Fonts\meiryo.ttc",
    r"C:\Windows\Fonts\msgothic.ttc",
    "/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf",
    "/usr/share/fonts/truetype/fonts-japanese-gothic.ttf",
    "/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf",
    "/usr/share/fonts/truetype/takao-gothic/TakaoGothic.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
)
# Without one of them: a font that every reader of Japanese PDFs has to substitute, by Adobe's agreement.
_SUBSTITUTED = "HeiseiKakuGo-W5"
_STEP = 7 * mm
# Deeper lists stay at this depth: beyond it there is no room left for words.
_MOST_DEPTH = 12
_INK, _DIM, _FOUND, _DONE, _MAYBE = "#1c2430", "#5a6675", "#b3261e", "#1a7f37", "#9a6700"
_SHADE = "#f3f5f8"
# The Japanese font has no bold: labels are told from the text by their colour as well.
_LABEL = "#0b4f6c"
_CODE_SIZE = 8
# Begins the rest of a line of code that is too long; every font here has it, and no command begins so.
_CONTINUED = "» "
_STATUS = {Status.FOUND: _FOUND, Status.DONE: _DONE, Status.SUSPECTED: _MAYBE}
_ROLES = {"detail": _DIM, "aside": _DIM, "caution": _MAYBE, "label": _LABEL}
_SIZE, _SMALL = 9.5, 8.5


def pdf(document: Document, words: Words, *, everything: bool = False) -> bytes:
    """Returns the whole file, A4.

    Args:
        document: what to draw.
        words: in the reader's language.
        everything: all of each entry, and what the last check made irrelevant; that is dozens of pages.
    """
    output = io.BytesIO()
    template = SimpleDocTemplate(
        output, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm,
        title=document.title, subject=document.error_text, lang=document.language, invariant=1,
    )  # fmt: skip
    footer = _Footer(document.title)
    drawing = _Drawing(everything=everything)
    template.build(list(drawing.flow(document, words)), onFirstPage=footer, onLaterPages=footer)
    return output.getvalue()


def _font(text: str, latin: str) -> str:
    """Returns a font that has all of ``text``: ``latin``, which every PDF reader has, where it will do."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return _japanese_font()
    return latin


@cache
def _japanese_font() -> str:
    name = _embedded_font() or _SUBSTITUTED
    if name == _SUBSTITUTED:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    # These fonts have one weight; bold text is drawn in it rather than not at all.
    pdfmetrics.registerFontFamily(name, normal=name, bold=name, italic=name, boldItalic=name)
    return name


def _embedded_font() -> str | None:
    for path in _JAPANESE_FONTS:
        if Path(path).is_file():
            try:
                pdfmetrics.registerFont(TTFont("l2tp-doctor-ja", path))
            except (TTFError, OSError):
                continue
            return "l2tp-doctor-ja"
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    """How a block is drawn; ``style`` is reportlab's ``b`` or ``i``, ``keep`` with what follows."""

    depth: int
    color: str
    style: str
    size: float
    before: float = 0.0
    keep: bool = False


class _Footer:
    """Title and page number below each page."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __call__(self, canvas: Any, template: Any) -> None:
        canvas.setFont(_font(self._title, "Helvetica"), 8)
        canvas.setFillColor(HexColor(_DIM))
        canvas.drawString(18 * mm, 9 * mm, self._title)
        canvas.drawRightString(A4[0] - 18 * mm, 9 * mm, str(template.page))


class _Drawing:
    def __init__(self, *, everything: bool) -> None:
        self._everything = everything

    def flow(self, document: Document, words: Words) -> Iterator[Flowable]:
        yield self._text(escape(document.title), size=17, after=2)
        if document.error_text and document.error_text != document.title:
            yield self._text(escape(document.error_text), color=_DIM)
        about = " · ".join((*document.tags, document.updated_at[:10])).strip()
        if about:
            yield self._text(escape(about), size=_SMALL, color=_DIM)
        for sentence in document.banner:
            yield self._text(f"<b>{escape(sentence)}</b>", color=_MAYBE)
        extent: laid.Extent = "full" if self._everything else "brief"
        yield from self._blocks(laid.lay_out(document, words, extent))

    def _blocks(self, blocks: Iterable[laid.Block]) -> Iterator[Flowable]:
        for block in blocks:
            match block:
                case laid.Heading(text=text):
                    yield Spacer(1, 4 * mm)
                    yield self._text(f"<b>{escape(text)}</b>", size=12.5, after=1.5, keep=True)
                case laid.Paragraph():
                    yield from self._paragraph(block)
                case laid.Code(text=text, depth=depth):
                    yield self._code(text, depth)
                case laid.Fold(title=title, blocks=inner):
                    yield self._text(escape(title), size=_SMALL, color=_DIM, before=1.5 * mm)
                    if self._everything:
                        yield from self._blocks(inner)

    def _paragraph(self, block: laid.Paragraph) -> Iterator[Flowable]:
        color = _STATUS.get(block.status) or _ROLES.get(block.role, _INK)
        style = {"label": "b", "proof": "i"}.get(block.role, "")
        bullet = "•" if block.marker == "-" else block.marker
        before = 2 * mm if block.opens else 1.5 * mm if block.apart else 0.0
        size = _SMALL if block.role == "aside" else _SIZE
        look = _Look(block.depth, color, style, size, before, keep=block.role == "label")
        yield from self._markdown(block.markdown, look, bullet)

    # -- Markdown ---------------------------------------------------------------------------------

    def _markdown(self, source: str, look: _Look, bullet: str) -> Iterator[Flowable]:
        root = SyntaxTreeNode(_parser().parse(source))
        for node in root.children:
            for flowable in self._node(node, look, bullet):
                yield flowable
                bullet, look = "", replace(look, before=0.0)

    def _node(self, node: SyntaxTreeNode, look: _Look, bullet: str) -> Iterator[Flowable]:
        match node.type:
            case "bullet_list" | "ordered_list":
                for place, item in enumerate(node.children):
                    marker = "•" if node.type == "bullet_list" else f"{place + 1}."
                    for child in item.children:
                        yield from self._node(child, replace(look, depth=look.depth + 1), marker)
                        marker = ""
            case "fence" | "code_block":
                yield self._code(node.content, look.depth)
            case "inline":
                markup = _markup((node.token.children if node.token else None) or ())
                if look.style:
                    markup = f"<{look.style}>{markup}</{look.style}>"
                yield self._text(
                    markup, depth=look.depth, color=look.color, size=look.size, before=look.before,
                    bullet=bullet, keep=look.keep,
                )  # fmt: skip
            case _:
                for child in node.children:
                    yield from self._node(child, look, bullet)
                    bullet = ""

    def _text(
        self, markup: str, *, depth: int = 0, size: float = _SIZE, color: str = _INK, after: float = 0.8,
        before: float = 0.0, bullet: str = "", keep: bool = False,
    ) -> Paragraph:  # fmt: skip
        font = _font(markup + bullet, "Helvetica")
        indent = _STEP * min(depth, _MOST_DEPTH)
        style = ParagraphStyle(
            "text", fontName=font, fontSize=size, leading=size * 1.5, textColor=HexColor(color),
            leftIndent=indent, bulletIndent=max(indent - _STEP, 0) + 1 * mm,
            spaceAfter=after * mm, spaceBefore=before,
            bulletFontName=font, bulletFontSize=size, keepWithNext=keep,
            wordWrap=None if font == "Helvetica" else "CJK",
        )  # fmt: skip
        return Paragraph(markup, style, bulletText=bullet or None)

    def _code(self, text: str, depth: int) -> XPreformatted:
        font = _font(text, "Courier")
        indent = _STEP * min(depth, _MOST_DEPTH)
        style = ParagraphStyle(
            "code", fontName=font, fontSize=_CODE_SIZE, leading=11, leftIndent=indent + 1 * mm,
            backColor=HexColor(_SHADE), borderPadding=3, spaceBefore=1.5 * mm, spaceAfter=2.5 * mm,
        )  # fmt: skip
        room = A4[0] - 38 * mm - indent
        lines = (part for line in text.expandtabs(4).splitlines() for part in _broken(line, font, room))
        return XPreformatted("\n".join(escape(line) for line in lines), style)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def _broken(line: str, font: str, room: float) -> Iterator[str]:
    """Yields a line of code in pieces that fit, broken behind a blank where one is near."""
    rest = line
    while stringWidth(rest, font, _CODE_SIZE) > room:
        length = _fitting(rest, font, room)
        blank = rest.rfind(" ", length // 2, length)
        cut = blank + 1 if blank > 0 else length
        yield rest[:cut]
        rest = _CONTINUED + rest[cut:]
    yield rest


def _fitting(text: str, font: str, room: float) -> int:
    """Returns how many characters fit; more than the mark of a continued line, so that it comes to an end."""
    width = 0.0
    for place, character in enumerate(text):
        width += stringWidth(character, font, _CODE_SIZE)
        if width > room:
            return max(place, len(_CONTINUED) + 1)
    return len(text)


def _markup(tokens: Sequence[Token]) -> str:
    """Returns reportlab's own markup for a line of Markdown."""
    found: list[str] = []
    for token in tokens:
        match token.type:
            case "text" | "html_inline":
                found.append(escape(token.content))
            case "code_inline":
                color = quoteattr(_INK)
                found.append(
                    f"<font color={color} backColor={quoteattr('#f3f5f8')}>{escape(token.content)}</font>"
                )
            case "softbreak" | "hardbreak":
                found.append(" ")
            case "strong_open" | "strong_close":
                found.append("<b>" if token.nesting == 1 else "</b>")
            case "em_open" | "em_close":
                found.append("<i>" if token.nesting == 1 else "</i>")
            case "link_open":
                found.append(f"<link href={quoteattr(str(token.attrs.get('href', '')))} color='#0b57d0'>")
            case "link_close":
                found.append("</link>")
            case "image":
                found.append(escape(token.content))
    return "".join(found)
