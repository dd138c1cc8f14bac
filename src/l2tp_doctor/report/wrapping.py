"""Breaks lines of Japanese and English text at a width in terminal cells."""

from __future__ import annotations

import re

from rich.cells import cell_len

# JIS X 4051: characters that may not begin a line, and those that may not end one.
_NO_START = "、。，．・：；？！）」』】〕〉》”’ー々…)]},.:;!?%"
_NO_END = "（「『【〔〈《“‘([{"
_UNIT = re.compile(
    r"\s+|[^\s\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]+|."
)


def _units(text: str) -> list[str]:
    """Splits into pieces between which a line may break: words, single wide characters, spaces."""
    units: list[str] = []
    for piece in _UNIT.findall(text):
        glued = units and not units[-1].isspace() and not piece.isspace()
        if glued and (piece[0] in _NO_START or units[-1][-1] in _NO_END):
            units[-1] += piece
        else:
            units.append(piece)
    return units


def _split_long(unit: str, width: int) -> list[str]:
    parts, part = [], ""
    for character in unit:
        if part and cell_len(part + character) > width:
            cut = len(part)
            following = character
            while cut > 0 and following in _NO_START:
                cut -= 1
                following = part[cut]
            cut = cut or len(part)
            parts.append(part[:cut])
            part = part[cut:]
        part += character
    return [*parts, part]


def wrap(text: str, width: int) -> list[str]:
    """Returns the lines, each at most ``width`` cells; a single word that is longer is cut.

    Control characters are replaced: a peer's own words may be quoted in ``text``.
    """
    lines: list[str] = []
    line = ""
    harmless = "".join(
        character if character.isprintable() else "\ufffd" for character in " ".join(text.split())
    )
    for unit in _units(harmless):
        if unit.isspace():
            line += " " if line else ""
            continue
        if cell_len(line + unit) <= width:
            line += unit
            continue
        if line.strip():
            lines.append(line.rstrip())
        *full, line = _split_long(unit, width)
        lines.extend(full)
    if line.strip():
        lines.append(line.rstrip())
    return lines or [""]
