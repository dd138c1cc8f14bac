"""Bytes to text, and from the text of a part back to the place in the whole file."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import PurePath

from l2tp_doctor.lint.model import HOLE, Span

LANGUAGES = ("powershell", "cmd", "sh", "markdown", "yaml", "json", "reg")
_SUFFIXES = {
    ".ps1": "powershell",
    ".psm1": "powershell",
    ".psd1": "powershell",
    ".cmd": "cmd",
    ".bat": "cmd",
    ".sh": "sh",
    ".bash": "sh",
    ".md": "markdown",
    ".markdown": "markdown",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".reg": "reg",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def language_of(name: str) -> str | None:
    """Returns the language a file's name promises, or ``None`` for a name that promises none."""
    return _SUFFIXES.get(PurePath(name).suffix.lower())


def decode(content: bytes) -> str:
    """Returns a script's text, whatever editor wrote it.

    A byte order mark decides; without one UTF-16 shows by its zero bytes, then UTF-8 is tried, then
    code page 932 (a Japanese Windows' own), then code page 1252, which takes every byte.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    head = content[:400]
    if len(head) > 3 and head[1::2].count(0) > len(head) // 3:
        return content.decode("utf-16-le", "replace")
    if len(head) > 3 and head[0::2].count(0) > len(head) // 3:
        return content.decode("utf-16-be", "replace")
    for encoding in ("utf-8", "cp932"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("cp1252", "replace")


def normalised(text: str) -> str:
    """Returns the text with ``\\n`` line ends only, and without what cannot be encoded."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\0", "\ufffd").replace(HOLE, "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Part:
    """A piece of a file in one language.

    Attributes:
        text: the piece, with ``\\n`` line ends.
        language: of the piece.
        lines: for each of its lines, the line and the column in the whole file where it begins (from 1).
            One entry only, and ``pinned``, when the piece has no lines of its own there.
        pinned: every place in the piece is this one place of the file.
        tolerant: the language is a guess; what cannot be parsed is not worth a remark.
    """

    text: str
    language: str
    lines: tuple[tuple[int, int], ...]
    pinned: Span | None = None
    tolerant: bool = False

    def span(self, start: tuple[int, int], end: tuple[int, int]) -> Span:
        """Returns the place in the file of two places in the piece, given as line and column from 0."""
        if self.pinned is not None:
            return self.pinned
        line, column = self._place(start)
        end_line, end_column = self._place(end)
        return Span(line, column, end_line, end_column)

    def _place(self, place: tuple[int, int]) -> tuple[int, int]:
        row = min(place[0], len(self.lines) - 1)
        line, column = self.lines[row]
        return line, column + place[1]


def whole(text: str, language: str) -> Part:
    """Returns a file that is one piece."""
    return Part(text, language, tuple((number, 1) for number in range(1, text.count("\n") + 2)))
