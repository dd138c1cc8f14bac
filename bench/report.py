"""What a bench found, as text for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """One promise and what was measured.

    Attributes:
        what: what was promised.
        limit: the promise, for people.
        measured: the figure, for people.
        met: whether it is kept; ``None`` when nothing could be measured.
    """

    what: str
    limit: str
    measured: str
    met: bool | None

    @property
    def mark(self) -> str:
        """One word for it."""
        return {True: "met", False: "MISSED", None: "not measured"}[self.met]


@dataclass(slots=True)
class Table:
    """Rows under a heading."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def text(self) -> str:
        """Returns it in aligned columns, the first to the left and the others to the right."""
        cells = [self.columns, *self.rows]
        widths = [max(_width(row[index]) for row in cells) for index in range(len(self.columns))]
        lines = [self.title]
        for row in cells:
            padded = (_padded(cell, widths[index], left=index == 0) for index, cell in enumerate(row))
            lines.append("  " + "  ".join(padded).rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        """Returns it as a Markdown table."""
        rule = "|---" + "|---:" * (len(self.columns) - 1) + "|"
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        return "\n".join([f"**{self.title}**", "", "| " + " | ".join(self.columns) + " |", rule, *rows])


@dataclass(slots=True)
class Section:
    """One part of the bench.

    Attributes:
        name: as on the command line.
        title: its heading.
        tables: what was measured.
        targets: what was promised.
        notes: how it was measured, and what went wrong.
        data: everything, for the JSON.
    """

    name: str
    title: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """The whole run."""

    machine: dict[str, Any]
    sections: list[Section] = field(default_factory=list)
    seconds: float = 0.0

    def targets(self) -> Table:
        """Returns the promises of all sections."""
        table = Table("Targets", ("what", "target", "measured", ""))
        for section in self.sections:
            for item in section.targets:
                table.rows.append((item.what, item.limit, item.measured, item.mark))
        return table

    def text(self) -> str:
        """Returns everything for a terminal."""
        parts = [self._machine_line(), *("\n" + section_text(section) for section in self.sections)]
        if self.sections:
            parts.append("\n" + self.targets().text())
        return "\n".join(parts) + "\n"

    def markdown(self) -> str:
        """Returns a fragment for ``docs/bench.md``."""
        parts = [f"<!-- written by python -m bench -->\n\n{self._machine_line()}", self.targets().markdown()]
        for section in self.sections:
            parts.append(f"### {section.title}")
            parts += [table.markdown() for table in section.tables]
            parts += ["\n".join(f"- {note}" for note in section.notes)] if section.notes else []
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """Returns everything with all single values."""
        sections = [
            {
                "name": section.name,
                "title": section.title,
                "targets": [
                    {"what": item.what, "limit": item.limit, "measured": item.measured, "met": item.met}
                    for item in section.targets
                ],
                "notes": section.notes,
                "data": section.data,
            }
            for section in self.sections
        ]
        whole = {"machine": self.machine, "seconds": round(self.seconds, 1), "sections": sections}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

    def write(self, directory: Path) -> None:
        """Writes ``report.json``, ``report.txt`` and ``report.md``."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "report.json").write_text(self.json(), encoding="utf-8")
        (directory / "report.txt").write_text(self.text(), encoding="utf-8")
        (directory / "report.md").write_text(self.markdown(), encoding="utf-8")

    def _machine_line(self) -> str:
        words = [f"{name} {value}" for name, value in self.machine.items()]
        return f"Measured in one run of {self.seconds:.0f} s: " + ", ".join(words) + "."


def section_text(section: Section) -> str:
    """Returns one section for a terminal."""
    parts = [f"=== {section.title} ===", *(table.text() for table in section.tables)]
    parts += [f"  note: {note}" for note in section.notes]
    return "\n".join(parts)


def milliseconds(seconds: float | None) -> str:
    """Returns ``1234 ms``, with a digit behind the point below ten."""
    if seconds is None:
        return "-"
    value = seconds * 1000
    return f"{value:.1f} ms" if abs(value) < 10 else f"{value:.0f} ms"


def times(ratio: float | None) -> str:
    """Returns ``1.23×``."""
    return "-" if ratio is None else f"{ratio:.2f}×"


def spread(values: Sequence[float]) -> str:
    """Returns ``fastest–slowest`` in milliseconds."""
    return f"{min(values) * 1000:.0f}–{max(values) * 1000:.0f}" if values else "-"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _padded(text: str, width: int, *, left: bool) -> str:
    blank = " " * (width - _width(text))
    return text + blank if left else blank + text
