"""Fills the generated parts of hand-written documents, between ``<!-- begin … -->`` and ``<!-- end -->``.

Exit codes, help texts and lists of algorithms come from the program itself, so they cannot fall behind it.
"""

from __future__ import annotations

import os
import re
from typing import Literal
from unittest import mock

from click.testing import CliRunner

from l2tp_doctor.cli.commands import root
from l2tp_doctor.knowledge import profile, profile_names, text
from l2tp_doctor.protocol import crypto, esp
from l2tp_doctor.protocol.isakmp.constants import Group, HashAlgorithm

Language = Literal["ja", "en"]
_PART = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CIPHERS = ((7, 256), (7, 192), (7, 128), (5, None), (1, None))
_ESP_CIPHERS: tuple[tuple[int, int | None, int | None], ...] = (
    (esp.AES_CBC, 256, 2), (esp.AES_CBC, 192, 2), (esp.AES_CBC, 128, 2),
    (esp.AES_GCM_16, 256, None), (esp.AES_GCM_16, 192, None), (esp.AES_GCM_16, 128, None),
    (esp.TRIPLE_DES, None, 2), (esp.DES, None, 2), (esp.NULL, None, 2),
)  # fmt: skip
_ESP_INTEGRITY = (1, 2, 5, 6, 7)
_ALGORITHM_HEADS = {
    "en": {
        "": "| what | which |",
        "groups": "IKE Diffie-Hellman groups",
        "ciphers": "IKE encryption",
        "hashes": "IKE hash and PRF",
        "esp": "ESP encryption",
        "integrity": "ESP integrity",
    },
    "ja": {
        "": "| 項目 | 対応 |",
        "groups": "IKE の Diffie-Hellman グループ",
        "ciphers": "IKE の暗号",
        "hashes": "IKE のハッシュと PRF",
        "esp": "ESP の暗号",
        "integrity": "ESP の完全性",
    },
}
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
    return "\n".join(
        [_EXIT_HEADS[language], "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in rows)]
    )


def algorithms(language: Language) -> str:
    """Returns what the crypto room can do, as a table."""
    ciphers = [crypto.cipher(*choice).name for choice in _CIPHERS]
    suites = [esp.EspSuite(*choice) for choice in _ESP_CIPHERS]
    integrity = [esp.EspSuite(esp.NULL, None, number) for number in _ESP_INTEGRITY]
    rows = {
        "groups": ", ".join(f"{Group(number).name} ({number})" for number in sorted(crypto.SUPPORTED_GROUPS)),
        "ciphers": ", ".join(ciphers),
        "hashes": ", ".join(HashAlgorithm(number).name for number in sorted(crypto.SUPPORTED_HASHES)),
        "esp": ", ".join(suite.name.split("/")[0] for suite in suites),
        "integrity": ", ".join(suite.name.split("/")[-1] for suite in integrity),
    }
    heads = _ALGORITHM_HEADS[language]
    return "\n".join(
        [heads[""], "|---|---|", *(f"| {heads[key]} | {value} |" for key, value in rows.items())]
    )


def unsourced() -> str:
    """Returns the profile fields that no capture confirms; profiles that imitate no client have none."""
    return "\n".join(
        f"- `{name}`: {', '.join(f'`{field}`' for field in profile(name).unsourced)}"
        for name in profile_names()
        if profile(name).unsourced
    )


def part(name: str, language: Language) -> str:
    """Returns the content of one generated part.

    Raises:
        KeyError: there is no part of that name.
    """
    makers = {
        "exit-codes": lambda: f"\n{exit_codes(language)}\n",
        "algorithms": lambda: f"\n{algorithms(language)}\n",
        "unsourced": lambda: f"\n{unsourced()}\n",
        "check-help": lambda: f"```text\n{help_text(language, 'check')}\n```",
    }
    return makers[name]()


def fill(document: str, language: Language) -> str:
    """Returns the document with every generated part made anew."""
    return _PART.sub(lambda found: f"{found[1]}{part(found['name'], language)}\n{found[3]}", document)
