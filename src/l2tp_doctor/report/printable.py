"""Makes a peer's text harmless for a terminal."""

from __future__ import annotations

MAX_TEXT = 120
"""Characters of a peer's own words that are shown."""


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Returns ``text`` without control characters (they could steer the terminal), cut to ``limit``."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
