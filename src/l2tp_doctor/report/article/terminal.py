"""An article on the terminal: lines no wider than it, in colours that also read without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from rich.text import Text

from l2tp_doctor.guide.document import Document, Status
from l2tp_doctor.report.article.blocks import Block, Code, Extent, Fold, Heading, Paragraph, lay_out
from l2tp_doctor.report.drawing import Glyphs
from l2tp_doctor.report.words import Words
from l2tp_doctor.report.wrapping import wrap

# Lines longer than this tire the eye, however wide the terminal.
_MAX_WIDTH = 100
_MIN_WIDTH = 20
# However deep a list is, so many cells are left for its words.
_ROOM = 12
_STEP = 3
_ROLES = {"label": "bold", "detail": "", "caution": "yellow", "proof": "cyan", "aside": "dim", "plain": ""}
_STATUS = {Status.FOUND: "bold red", Status.SUSPECTED: "yellow", Status.DONE: "green"}
_CODE = "cyan"


class TerminalArticle:
    """Draws a document.

    Args:
        document: what to draw.
        words: in the reader's language.
        glyphs: what the terminal's encoding can show.
        width: of the terminal in cells.
        everything: show all of each entry, and what the last check made irrelevant too.
    """

    def __init__(
        self, document: Document, words: Words, glyphs: Glyphs, width: int, *, everything: bool = False
    ) -> None:
        self._document = document
        self._words = words
        self._glyphs = glyphs
        self._width = max(_MIN_WIDTH, min(width, _MAX_WIDTH))
        self._everything = everything

    def lines(self) -> Iterator[Text]:
        """Yields the lines from top to bottom; only code may be wider than the terminal."""
        document = self._document
        yield from self._wrapped(Text(document.title, "bold"), 0)
        if document.error_text and document.error_text != document.title:
            yield from self._wrapped(Text(document.error_text, "dim"), 0)
        for sentence in document.banner:
            yield from self._wrapped(Text(sentence, "bold"), 0)
        extent: Extent = "full" if self._everything else "brief"
        yield from self._blocks(lay_out(document, self._words, extent))

    # -- blocks -----------------------------------------------------------------------------------

    def _blocks(self, blocks: Iterable[Block]) -> Iterator[Text]:
        for block in blocks:
            match block:
                case Heading(text=text):
                    yield Text()
                    yield from self._wrapped(Text(text, "bold underline"), 0)
                case Paragraph():
                    if block.opens or block.apart:
                        yield Text()
                    yield from self._paragraph(block)
                case Code(text=text, depth=depth):
                    yield from self._code(text, _STEP * depth + 2)
                case Fold(title=title, blocks=inner):
                    yield from self._fold(title, inner)

    def _paragraph(self, block: Paragraph) -> Iterator[Text]:
        style = _STATUS.get(block.status, _ROLES[block.role]) if block.marker else _ROLES[block.role]
        outer = _STEP * max(0, block.depth - 1)
        marker = self._marker(block) if block.marker else ""
        # A number of two digits takes a cell more than the step.
        margin = max(_STEP * block.depth, outer + cell_len(marker)) if marker else _STEP * block.depth
        yield from self._marked(marker, self._markdown(block.markdown, margin, style), outer, margin, style)

    def _marked(
        self, marker: str, lines: Iterator[Text], outer: int, margin: int, style: str
    ) -> Iterator[Text]:
        """Puts a marker in front of the first line, which begins with ``margin`` blanks."""
        margin = self._margin(margin)
        if marker:
            outer = max(0, min(outer, margin - cell_len(marker)))
            head = Text(" " * outer).append(marker, style)
            head.pad_right(margin - outer - cell_len(marker))
            first = next(lines, Text(" " * margin))
            yield head + first[margin:]
        yield from lines

    def _marker(self, block: Paragraph) -> str:
        if block.marker != "-":
            return f"{block.marker} "
        match block.status:
            case Status.DONE:
                mark = self._glyphs.check
            case Status.FOUND:
                mark = self._glyphs.cross
            case Status.SUSPECTED:
                mark = "?"
            case _:
                mark = "-"
        return f" {mark} "

    def _fold(self, title: str, inner: Sequence[Block]) -> Iterator[Text]:
        if self._everything:
            yield Text()
            yield from self._wrapped(Text(title, "dim"), 0)
            yield from self._blocks(inner)
            return
        yield Text()
        yield from self._wrapped(Text(self._words("guide.unfold", title=title), "dim"), 0)

    def _code(self, text: str, margin: int) -> Iterator[Text]:
        for line in text.expandtabs(4).splitlines():
            harmless = "".join(character if character.isprintable() else "\ufffd" for character in line)
            yield Text(" " * margin).append(harmless, _CODE)

    # -- Markdown ---------------------------------------------------------------------------------

    def _markdown(self, source: str, margin: int, style: str) -> Iterator[Text]:
        root = SyntaxTreeNode(_parser().parse(source))
        for node in root.children:
            yield from self._node(node, margin, style)

    def _node(self, node: SyntaxTreeNode, margin: int, style: str) -> Iterator[Text]:
        match node.type:
            case "bullet_list" | "ordered_list":
                for place, item in enumerate(node.children):
                    marker = " - " if node.type == "bullet_list" else f"{place + 1}. "
                    yield from self._item(item, marker, margin, style)
            case "fence" | "code_block":
                yield from self._code(node.content, margin + 2)
            case "html_block":
                yield from self._wrapped(Text(node.content, style), margin)
            case "hr":
                yield Text()
            case "blockquote":
                for child in node.children:
                    yield from self._node(child, margin + _STEP, style)
            case _:
                for child in node.children:
                    if child.type == "inline":
                        yield from self._wrapped(inline(_inline_tokens(child), style), margin)
                    else:
                        yield from self._node(child, margin, style)

    def _item(self, item: SyntaxTreeNode, marker: str, margin: int, style: str) -> Iterator[Text]:
        inner = margin + max(_STEP, cell_len(marker))
        lines = (line for child in item.children for line in self._node(child, inner, style))
        yield from self._marked(marker, lines, margin, inner, style)

    def _margin(self, wanted: int) -> int:
        return min(wanted, self._width - _ROOM)

    def _wrapped(self, text: Text, margin: int) -> Iterator[Text]:
        """Yields ``text`` broken into lines, keeping its styles."""
        plain = text.plain
        position = 0
        margin = self._margin(margin)
        for line in wrap(plain, self._width - margin):
            start = plain.find(line, position)
            if start < 0:  # control characters were replaced: the words matter more than their style
                yield Text(" " * margin + line, text.style)
                continue
            position = start + len(line)
            yield Text(" " * margin) + text[start:position]


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark")


def _inline_tokens(node: SyntaxTreeNode) -> Sequence[Token]:
    return (node.token.children if node.token is not None else None) or ()


def inline(tokens: Sequence[Token], style: str) -> Text:
    """Returns styled text with single blanks; a link is followed by its address."""
    text = Text(style=style)
    styles: list[str] = []
    address = ""
    for token in tokens:
        match token.type:
            case "text":
                text.append(" ".join(token.content.split(" ")), " ".join(styles))
            case "code_inline":
                text.append(" ".join(token.content.split()), _CODE)
            case "softbreak" | "hardbreak":
                text.append(" ")
            case "strong_open":
                styles.append("bold")
            case "em_open":
                styles.append("italic")
            case "strong_close" | "em_close":
                styles.pop()
            case "link_open":
                address = str(token.attrs.get("href", ""))
            case "link_close":
                if address and address not in text.plain:
                    text.append(f" <{address}>", "dim")
            case "html_inline" | "image":
                text.append(token.content)
    return text


# What the typesetter writes and an old terminal lacks.
_PLAIN = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "—": "-",
        "–": "-",
        "…": "...",
        "→": "->",
        "×": "x",
        "·": "*",
        "⚠": "!",
    }
)


def in_encoding(text: str, encoding: str | None) -> str:
    """Returns ``text`` with plain characters for typographic ones where ``encoding`` has none of those."""
    try:
        text.encode(encoding or "ascii")
    except LookupError:
        return text.translate(_PLAIN)
    except UnicodeEncodeError:
        return "".join(_encoded(character, encoding or "ascii") for character in text)
    return text


def _encoded(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return character.translate(_PLAIN)
    return character
