"""How the rows of a ladder look: one line of text each, any width, Japanese included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from l2tp_doctor.protocol.engine import Direction
from l2tp_doctor.report.ladder import Break, Kind, Row
from l2tp_doctor.report.words import Words

MINIMUM_WIDTH = 56
MAXIMUM_WIDTH = 104  # longer arrows are harder to follow than to read
_TIME, _SIZE = 9, 7


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of the drawing."""

    rail: str = "│"
    line: str = "─"
    right: str = "▶"
    left: str = "◀"
    cross: str = "✗"
    check: str = "✓"
    lane: str = "┄"
    bullet: str = "•"
    warning: str = "▲"
    full: str = "█"
    empty: str = "░"
    arrow: str = "→"
    times: str = "×"
    star: str = "★"
    dot: str = "·"
    spinner: str = "dots"


UNICODE = Glyphs()
ASCII = Glyphs(
    "|", "-", ">", "<", "X", "v", ".", "*", "!", "#", ".", "->", "x", "*", "-", "line"
)  # fmt: skip


def glyphs_for(encoding: str | None) -> Glyphs:
    """Returns the characters that a terminal of this encoding can show."""
    try:
        "│─▶◀✗✓┄•▲█░→×★·".encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return UNICODE


def milliseconds(seconds: float) -> str:
    """Returns a time for people: ``0.4 ms``, ``12 ms``, ``1.53 s``."""
    value = seconds * 1000
    if value < 0.05:
        return "0 ms"
    if value >= 9999.5:
        return f"{seconds:.1f} s"
    if value >= 999.5:
        return f"{seconds:.2f} s"
    return f"{value:.1f} ms" if value < 9.95 else f"{value:.0f} ms"


@dataclass(frozen=True)
class Pen:
    """Draws rows of one width.

    Attributes:
        words: the language.
        width: of the whole ladder, in terminal cells.
        glyphs: the characters.
        ports: gateway ports by lane prefix, ``udp500`` and ``udp4500``.
    """

    words: Words
    width: int
    glyphs: Glyphs
    ports: Mapping[str, int]

    @property
    def _inner(self) -> int:
        """Cells between the two rails."""
        return max(MINIMUM_WIDTH, min(self.width, MAXIMUM_WIDTH)) - _TIME - _SIZE - 4

    def head(self, gateway: str) -> Text:
        """Names the two rails."""
        left = self.words("ladder.client")
        right = self._fit(gateway, self._inner + _SIZE - cell_len(left))
        gap = self._inner + 2 - cell_len(left) - cell_len(right)
        shift = max(0, -gap + 1)
        line = Text(" " * (_TIME + 1))
        line.append(left, "bold")
        line.append(" " * (gap + shift))
        line.append(right, "bold")
        return line

    def row(self, row: Row, *, waiting: bool = False) -> Text:
        """Draws one row; ``waiting`` marks the request whose answer has not come yet."""
        if row.kind is Kind.LANE:
            return self._lane(row)
        if row.kind is Kind.NOTE:
            return self._between(row, f"{self.glyphs.bullet} {row.text}", "dim")
        if row.kind is Kind.TEARDOWN:
            return self._between(row, self.words("ladder.teardown", messages=row.text), "dim")
        return self._message(row, waiting=waiting)

    def _fit(self, text: str, cells: int) -> str:
        if cell_len(text) <= cells:
            return text
        ellipsis = "…" if self.glyphs is UNICODE else "~"
        return set_cell_size(text, max(0, cells - 1)).rstrip() + ellipsis

    def _frame(self, row: Row, middle: Text, size: str = "") -> Text:
        line = Text(f"{milliseconds(row.at):>{_TIME}}", "dim")
        line.append(f" {self.glyphs.rail}", "dim")
        line.append_text(middle)
        line.append(self.glyphs.rail, "dim")
        line.append(f"{size:>{_SIZE}}", "dim")
        line.rstrip()
        return line

    def _between(self, row: Row, text: str, style: str) -> Text:
        fitted = self._fit(text, self._inner - 2)
        return self._frame(row, Text(" " + set_cell_size(fitted, self._inner - 1), style))

    def _lane(self, row: Row) -> Text:
        port = self.ports.get("udp500" if row.text == "udp500" else "udp4500", 0)
        label = f" {self.words(f'ladder.lane.{row.text}', port=port)} "
        rest = max(0, self._inner - cell_len(label))
        left = min(2, rest)
        middle = Text(self.glyphs.lane * left, "cyan")
        middle.append(label, "bold cyan")
        middle.append(self.glyphs.lane * (rest - left), "cyan")
        line = Text(" " * (_TIME + 1))
        line.append(self.glyphs.rail, "dim")
        line.append_text(middle)
        line.append(self.glyphs.rail, "dim")
        return line

    def _message(self, row: Row, *, waiting: bool) -> Text:
        style = self._style(row)
        tail = self._tail(row, waiting=waiting)
        count = f" ({self.glyphs.times}{row.times})" if row.times > 1 else ""
        # Fixed cells: 4 for the arrow's ends, 2 for blanks around the name; at least 1 of line.
        free = self._inner - cell_len(count) - cell_len(tail) - (5 if row.direction is Direction.OUT else 6)
        label = self._fit(row.text, free - 1)
        dashes = self.glyphs.line * (free - cell_len(label))
        body = Text()
        if row.direction is Direction.OUT:
            silent = row.broken is Break.NO_ANSWER
            body.append(f"{self.glyphs.line} {label}", style)
            body.append(f"{count} ", f"bold {style}".strip())
            body.append(dashes, style)
            body.append(self.glyphs.cross if silent else tail, style if silent else "yellow")
            body.append(tail if silent else self.glyphs.right, style)
            body.append(" ", style)
        else:
            body.append(f" {self.glyphs.left}{self.glyphs.line} {label}", style)
            body.append(f"{count} ", f"bold {style}".strip())
            body.append(dashes, style)
            body.append(tail, style if row.broken else "yellow")
            body.append(self.glyphs.line, style)
        return self._frame(row, body, f"{row.size} B" if row.size else "")

    def _style(self, row: Row) -> str:
        if row.broken is not None:
            return "bold red"
        if row.trigger is not None:
            return "yellow"
        return "" if row.direction is Direction.OUT else "green"

    def _tail(self, row: Row, *, waiting: bool) -> str:
        if row.broken is Break.NO_ANSWER:
            return f" {self.words('ladder.no_answer')}"
        if row.broken is not None:
            return f" {self.glyphs.cross} {self.words(f'ladder.{row.broken.value}')} "
        if row.trigger is not None and not row.text.startswith("dropped"):
            return f" {self.words('ladder.dropped', trigger=row.trigger)} "
        return f" {self.words('ladder.waiting')} " if waiting else ""

    def rows(self, rows: Iterable[Row]) -> list[Text]:
        """Draws several rows."""
        return [self.row(row) for row in rows]
