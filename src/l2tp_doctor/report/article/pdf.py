"""An article as PDF, for whoever has to hand it over on paper."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
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
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable, Paragraph, Preformatted, SimpleDocTemplate, Spacer

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
_INK, _DIM, _FOUND, _DONE, _MAYBE = "#1c2430", "#5a6675", "#b3261e", "#1a7f37", "#9a6700"
_SHADE = "#f3f5f8"
_STATUS = {Status.FOUND: _FOUND, Status.DONE: _DONE, Status.SUSPECTED: _MAYBE}
_ROLES = {"detail": _DIM, "aside": _DIM, "caution": _MAYBE}


def pdf(document: Document, words: Words) -> bytes:
    """Returns the whole file: A4, what is folded elsewhere left out."""
    output = io.BytesIO()
    template = SimpleDocTemplate(
        output, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm,
        title=document.title, subject=document.error_text, lang=document.language, invariant=1,
    )  # fmt: skip
    footer = _Footer(document.title)
    template.build(list(_Drawing().flow(document, words)), onFirstPage=footer, onLaterPages=footer)
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
    def flow(self, document: Document, words: Words) -> Iterator[Flowable]:
        yield self._text(escape(document.title), size=17, after=2)
        if document.error_text and document.error_text != document.title:
            yield self._text(escape(document.error_text), color=_DIM)
        about = " · ".join((*document.tags, document.updated_at[:10]))
        yield self._text(escape(about), size=8.5, color=_DIM)
        for sentence in document.banner:
            yield self._text(f"<b>{escape(sentence)}</b>", color=_MAYBE)
        yield from self._blocks(laid.lay_out(document, words))

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
                case laid.Fold(title=title):
                    yield self._text(escape(title), size=8.5, color=_DIM)

    def _paragraph(self, block: laid.Paragraph) -> Iterator[Flowable]:
        color = _STATUS.get(block.status) or _ROLES.get(block.role, _INK)
        style = {"label": "b", "proof": "i"}.get(block.role, "")
        bullet = "•" if block.marker == "-" else block.marker
        yield from self._markdown(block.markdown, block.depth, color, style, bullet)

    # -- Markdown ---------------------------------------------------------------------------------

    def _markdown(self, source: str, depth: int, color: str, style: str, bullet: str) -> Iterator[Flowable]:
        root = SyntaxTreeNode(MarkdownIt("commonmark", {"html": False}).parse(source))
        for node in root.children:
            for flowable in self._node(node, depth, color, style, bullet):
                yield flowable
                bullet = ""

    def _node(
        self, node: SyntaxTreeNode, depth: int, color: str, style: str, bullet: str
    ) -> Iterator[Flowable]:
        match node.type:
            case "bullet_list" | "ordered_list":
                for place, item in enumerate(node.children):
                    marker = "•" if node.type == "bullet_list" else f"{place + 1}."
                    for child in item.children:
                        yield from self._node(child, depth + 1, color, style, marker)
                        marker = ""
            case "fence" | "code_block":
                yield self._code(node.content, depth)
            case "inline":
                markup = _markup((node.token.children if node.token else None) or ())
                if style:
                    markup = f"<{style}>{markup}</{style}>"
                yield self._text(markup, depth=depth, color=color, bullet=bullet)
            case _:
                for child in node.children:
                    yield from self._node(child, depth, color, style, bullet)
                    bullet = ""

    def _text(
        self, markup: str, *, depth: int = 0, size: float = 9.5, color: str = _INK, after: float = 0.8,
        bullet: str = "", keep: bool = False,
    ) -> Paragraph:  # fmt: skip
        font = _font(markup + bullet, "Helvetica")
        style = ParagraphStyle(
            "text", fontName=font, fontSize=size, leading=size * 1.5, textColor=HexColor(color),
            leftIndent=_STEP * depth, bulletIndent=_STEP * max(depth - 1, 0) + 1 * mm, spaceAfter=after * mm,
            bulletFontName=font, bulletFontSize=size, keepWithNext=keep,
            wordWrap=None if font == "Helvetica" else "CJK",
        )  # fmt: skip
        return Paragraph(markup, style, bulletText=bullet or None)

    def _code(self, text: str, depth: int) -> Preformatted:
        style = ParagraphStyle(
            "code", fontName=_font(text, "Courier"), fontSize=8, leading=11,
            leftIndent=_STEP * depth, backColor=HexColor(_SHADE), borderPadding=3, spaceBefore=1.5 * mm,
            spaceAfter=2 * mm,
        )  # fmt: skip
        room = A4[0] - 36 * mm - _STEP * depth
        return Preformatted(text.expandtabs(4), style, maxLineLength=int(room / (8 * 0.6)), newLineChars="↩ ")


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
