"""Which language to speak, decided before anything is parsed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

Language = Literal["ja", "en"]
_JAPANESE_PRIMARY_LANGID = 0x11


def from_arguments(arguments: Sequence[str]) -> Language | None:
    """Returns the last ``--lang`` of a command line, wherever it stands, or ``None``.

    Help is printed while options are still being parsed, so it cannot wait for the parser.
    """
    found: Language | None = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        value = ""
        if argument.startswith("--lang="):
            value = argument.partition("=")[2]
        elif argument == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        if value in ("ja", "en"):
            found = "ja" if value == "ja" else "en"
    return found


def from_system(environment: Mapping[str, str] | None = None) -> Language:
    """Returns the language of the locale variables; on Windows, without them, of the user interface."""
    variables = os.environ if environment is None else environment
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = variables.get(name, "")
        if value:
            return "ja" if value.lower().startswith("ja") else "en"
    if sys.platform == "win32":
        import ctypes

        identifier = int(ctypes.windll.kernel32.GetUserDefaultUILanguage())
        return "ja" if identifier & 0x3FF == _JAPANESE_PRIMARY_LANGID else "en"
    return "en"
