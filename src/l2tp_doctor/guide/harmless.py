"""Takes out of anybody's text what steers a terminal or turns the order of what is read around."""

from __future__ import annotations

import unicodedata

# Unicode's "Cf" with a direction: they make a command read otherwise than it is typed.
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Line ends to some programs and none to others.
_SEPARATORS = "\u2028\u2029\x0b\x0c\x85"
_KEPT = "\n\t"
_SHOWN = "\ufffd"


def harmless(text: str) -> str:
    """Returns ``text`` with a replacement character for each control, direction and private surrogate."""
    return "".join(_SHOWN if _steers(character) else character for character in text)


def one_line(text: str) -> str:
    """Returns :func:`harmless` text on one line, with single blanks."""
    return " ".join(harmless(text).split())


def _steers(character: str) -> bool:
    if character in _KEPT:
        return False
    return (
        character in _BIDIRECTIONAL
        or character in _SEPARATORS
        or unicodedata.category(character) in ("Cc", "Cs")
    )
