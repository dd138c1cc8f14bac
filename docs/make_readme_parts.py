"""Fills the generated parts of the READMEs: what stands between ``<!-- begin … -->`` and ``<!-- end -->``.

The exit codes and the help excerpt come from the program itself, so they cannot fall behind it.
"""

from __future__ import annotations

import os
import re
from typing import Literal
from unittest import mock

from click.testing import CliRunner

from l2tp_doctor.cli.commands import root
from l2tp_doctor.knowledge import text

Language = Literal["ja", "en"]
_PART = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_EXIT_HEADS = {"en": "| code | meaning |", "ja": "| コード | 意味 |"}


def help_text(language: Language, *command: str) -> str:
    """Returns what ``l2tp-doctor COMMAND --help`` prints on 80 columns."""
    with mock.patch.dict(os.environ, {"COLUMNS": "80"}):
        result = CliRunner().invoke(root, ["--lang", language, *command, "--help"])
    if result.exit_code != 0:
        raise RuntimeError(f"--help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.rstrip().splitlines())


def exit_codes(language: Language) -> str:
    """Returns the exit codes as a table."""
    sentence = text("help.exit_codes.text", language)
    rows = [item.split(" ", 1) for item in sentence.split(" · ")]
    return "\n".join([_EXIT_HEADS[language], "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in rows)])


def part(name: str, language: Language) -> str:
    """Returns the content of one generated part.

    Raises:
        KeyError: there is no part of that name.
    """
    makers = {
        "exit-codes": lambda: f"\n{exit_codes(language)}\n",
        "check-help": lambda: f"```text\n{help_text(language, 'check')}\n```",
    }
    return makers[name]()


def fill(document: str, language: Language) -> str:
    """Returns the document with every generated part made anew."""
    return _PART.sub(lambda found: f"{found[1]}{part(found['name'], language)}\n{found[3]}", document)
