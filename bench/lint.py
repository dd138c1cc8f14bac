"""The linter: how long a thousand lines take, in each language."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.report import Section, Table, Target, milliseconds
from l2tp_doctor.lint import lint_text

TARGET_SECONDS = 0.1
_LINES = 1000
_PIECES = {
    # With lists and an L2tpPsk among its arguments, which the grammar needs a second parse for.
    "powershell": (
        "function Get-Gate {\n    param([string]$Name = 'RasMan', [int]$Port)\n"
        "    if ($Name -eq 'x') { Get-Service $Name, IKEEXT | Out-Null; Write-Host \"hello $Name\" }\n"
        "    foreach ($one in 1..3) { Set-ItemProperty -Path HKLM:\\Software\\x -Name a$one -Value 'b' }\n"
        "    Set-VpnConnection -Name $Name -L2tpPsk (Read-Host)\n}\n"
    ),
    "cmd": (
        'set "NAME=RasMan"\nif exist C:\\x (\n  sc query %NAME% | find "RUNNING" >nul\n) else (\n'
        "  for %%s in (RasMan IKEEXT) do sc config %%s start= demand\n)\n"
    ),
    "sh": (
        'name=ipsec\nif [ -f "/etc/$name.conf" ]; then\n  systemctl restart "$name" || exit 1\nfi\n'
        'chmod 600 "/etc/$name.secrets"\n'
    ),
    "markdown": (
        "Some words about it.\n\n```powershell\nGet-Service RasMan, IKEEXT\n"
        "$name = 'RasMan'\nStart-Service $name\n```\n\n"
    ),
}


def measure(*, repeats: int, say: Callable[[str], None]) -> Section:
    """Measures each language."""
    say("the linter")
    section = Section("lint", f"Linting {_LINES} lines, median of {repeats}")
    table = Table("A script of a thousand lines", ("language", "time", "lines per second"))
    for language, piece in _PIECES.items():
        text = piece * (_LINES // piece.count("\n") + 1)
        lint_text(text, language)  # imports and the grammar
        taken = statistics.median(_seconds(text, language) for _ in range(repeats))
        lines = text.count("\n")
        table.rows.append((language, milliseconds(taken), f"{lines / taken:,.0f}"))
        section.data[language] = {"seconds": taken, "lines": lines}
        limit = milliseconds(TARGET_SECONDS)
        if language == "powershell":
            section.targets.append(
                Target("lint 1,000 lines", f"< {limit}", milliseconds(taken), taken < TARGET_SECONDS)
            )
    section.tables.append(table)
    return section


def _seconds(text: str, language: str) -> float:
    begin = time.perf_counter()
    lint_text(text, language)
    return time.perf_counter() - begin
