"""Writes the generated documents, or with ``--check`` says which of them are out of date.

Ends with 0 when everything is current (or was written), 1 when ``--check`` found something.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from docs import make_causes, make_parts, make_state_diagrams

ROOT = Path(__file__).resolve().parents[1]
WITH_GENERATED_PARTS = ("README", "docs/supported")
"""Documents in two languages, ``NAME.md`` and ``NAME.ja.md``, with parts made by :mod:`docs.make_parts`."""


def documents() -> Iterator[tuple[Path, str]]:
    """Yields each generated file with what it should hold."""
    yield ROOT / "docs" / "states.md", make_state_diagrams.render()
    yield ROOT / "docs" / "causes.md", make_causes.render()
    for name in WITH_GENERATED_PARTS:
        english, japanese = ROOT / f"{name}.md", ROOT / f"{name}.ja.md"
        yield english, make_parts.fill(english.read_text(encoding="utf-8"), "en")
        yield japanese, make_parts.fill(japanese.read_text(encoding="utf-8"), "ja")


def outdated() -> list[tuple[Path, str]]:
    """Returns the files that do not hold what they should, with what they should hold."""
    return [
        (path, wanted)
        for path, wanted in documents()
        if not path.exists() or path.read_text(encoding="utf-8") != wanted
    ]


def main(arguments: Sequence[str]) -> int:
    """Writes or checks; returns the exit status."""
    stale = outdated()
    if "--check" in arguments:
        for path, _ in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path, wanted in stale:
        path.write_text(wanted, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
