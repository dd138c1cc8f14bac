"""The linter's findings for people: place, source line, what is wrong and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from l2tp_doctor.lint.model import Excerpt, Finding
from l2tp_doctor.lint.output import addresses, counts, instead, reason, title
from l2tp_doctor.report.drawing import Glyphs
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.words import Words
from l2tp_doctor.report.wrapping import wrap

_COLORS = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
_MAXIMUM_WIDTH = 100
_MINIMUM_WIDTH = 40
_LEAD = 12  # characters kept in front of what is meant, where a line is too long


def render(
    findings: Sequence[Finding], files: int, words: Words, glyphs: Glyphs, width: int
) -> Iterator[Text]:
    """Yields the lines; a rule's reason and advice come with its first finding only.

    Args:
        findings: in the order to show them.
        files: how many files were looked at.
        words: the language.
        glyphs: the characters of the terminal.
        width: of the terminal, in cells.
    """
    room = max(_MINIMUM_WIDTH, min(width, _MAXIMUM_WIDTH))
    explained: set[str] = set()
    for finding in findings:
        yield from _finding(finding, words, glyphs, room, full=finding.rule not in explained)
        explained.add(finding.rule)
        yield Text()
    yield _summary(findings, files, words, glyphs)


def _finding(finding: Finding, words: Words, glyphs: Glyphs, width: int, *, full: bool) -> Iterator[Text]:
    color = _COLORS[finding.severity]
    severity = words(f"lint.severity.{finding.severity}")
    place = f"{printable(finding.file, 300)}:{finding.span.line}:{finding.span.column}"
    yield Text(place, "bold").append("  ").append(severity, color).append(f"  {finding.rule}", "dim")
    yield from (Text("  " + line) for line in wrap(title(finding, words.language), width - 2))
    number = str(finding.span.line)
    gutter = " " * (len(number) + 2)
    shown = _fitted(finding.excerpt, width - len(gutter) - 3)
    if shown.text.strip():
        marked = shown.text[shown.start : shown.end]
        yield Text(f"  {number} {glyphs.rail} ", "dim").append(shown.text, "")
        lead = " " * cell_len(shown.text[: shown.start])
        yield Text(f"{gutter} {glyphs.rail} ", "dim").append(lead + "^" * max(1, cell_len(marked)), color)
    if not full:
        return
    rows = [("lint.label.reason", [reason(finding, words.language)])]
    rows.append(("lint.label.instead", [instead(finding, words.language)]))
    rows.append(("lint.label.reference", addresses(finding, words.language)))
    column = max(cell_len(words(key)) for key, _ in rows) + 4
    for key, texts in rows:
        lines = [line for text in texts if text for line in _lines(text, width - column)]
        for position, line in enumerate(lines):
            label = words(key) if position == 0 else ""
            head = Text("  " + label + " " * (column - 2 - cell_len(label)), "dim")
            yield head.append(line)


def _lines(text: str, room: int) -> list[str]:
    """An address in two lines is none."""
    return [text] if text.startswith("https://") else wrap(text, room)


def _fitted(excerpt: Excerpt, room: int) -> Excerpt:
    """Returns the part of a source line that fits, with what is meant in it."""
    indent = min(len(excerpt.text) - len(excerpt.text.lstrip()), excerpt.start)
    text = "".join(char if char.isprintable() else " " for char in excerpt.text[indent:])
    start, end = excerpt.start - indent, min(excerpt.end - indent, len(text))
    if cell_len(text) > room:
        first = max(0, start - _LEAD)
        head = "…" if first else ""
        kept = head
        position = first
        while position < len(text) and cell_len(kept + text[position]) <= room - 1:
            kept += text[position]
            position += 1
        shift = first - len(head)
        text = kept + ("…" if position < len(text) else "")
        start, end = start - shift, min(end - shift, len(kept))
    return Excerpt(text, start, max(end, start + 1))


def _summary(findings: Sequence[Finding], files: int, words: Words, glyphs: Glyphs) -> Text:
    if not findings:
        return Text(f"{glyphs.check} {words('lint.summary.none', files=files)}", "bold green")
    number = counts(findings)
    line = words(
        "lint.summary", errors=number["error"], warnings=number["warning"], notes=number["note"], files=files
    )
    worst = next(severity for severity in ("error", "warning", "note") if number[severity])
    sign = glyphs.cross if worst == "error" else glyphs.warning if worst == "warning" else glyphs.bullet
    return Text(f"{sign} {line}", _COLORS[worst])
