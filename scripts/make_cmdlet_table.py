"""Makes ``tests/data/cmdlets.json``: which parameters a cmdlet has, by Microsoft's own reference.

    python scripts/make_cmdlet_table.py OUTPUT PLACE...

A place is a module's folder, or one page of it, in a checkout of ``MicrosoftDocs/PowerShell-Docs``
(``reference/5.1/MODULE``) or ``MicrosoftDocs/windows-powershell-docs`` (``docset/winserver2025-ps/MODULE``).
Only names are taken: those of the cmdlets, of their parameters and of the parameters' aliases.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

_CMDLET = re.compile(r"[A-Z][A-Za-z]+-[A-Z][A-Za-z0-9]+")
_PARAMETER = re.compile(r"^### -(\w+)\s*$(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
_ALIASES = re.compile(r"^Aliases: *(\S.*)$", re.MULTILINE)
# What every cmdlet over CIM takes to run on another machine or as a job; no command of ours does.
_OF_CIM = frozenset({"AsJob", "CimSession", "Session", "ThrottleLimit"})


def parameters(page: str) -> list[str]:
    """Returns the names and aliases of the parameters a reference page describes, sorted."""
    found: set[str] = set()
    for name, description in _PARAMETER.findall(page + "\n##"):
        found.add(name)
        for line in _ALIASES.findall(description):
            found.update(alias.strip() for alias in line.split(",") if alias.strip() not in {"", "None"})
    return sorted(found - _OF_CIM)


def main() -> None:
    """Reads the pages and writes the table."""
    output, *places = map(Path, sys.argv[1:])
    pages = [page for place in places for page in (place.glob("*.md") if place.is_dir() else (place,))]
    table = {
        page.stem: parameters(page.read_text(encoding="utf-8-sig"))
        for page in pages
        if _CMDLET.fullmatch(page.stem)
    }
    lines = [f"{json.dumps(name)}: {json.dumps(' '.join(table[name]))}" for name in sorted(table)]
    output.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
