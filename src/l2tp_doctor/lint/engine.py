"""From a text to its findings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from l2tp_doctor.knowledge.entries import entry_ids, pitfall
from l2tp_doctor.lint import documents, source
from l2tp_doctor.lint.excerpts import Excerpts
from l2tp_doctor.lint.model import (
    NEVER_SURE,
    SEVERITIES,
    Branch,
    Call,
    Finding,
    Nested,
    Severity,
    Span,
    Values,
    Verdict,
)
from l2tp_doctor.lint.parsed import ParsedScript
from l2tp_doctor.lint.rules.common import truthy
from l2tp_doctor.lint.rules.dispatch import RULES, WANTED
from l2tp_doctor.lint.rules.registry import registry_text
from l2tp_doctor.lint.source import Part
from l2tp_doctor.lint.suppressions import Suppression, parse

MAX_TEXT = 4_000_000
"""Characters of one file that are looked at; a larger one is a log or a binary, no script."""
_MAX_NESTING = 5
_MAX_SYNTAX_NOTES = 20
_MAX_NESTED_TEXTS = 500
_MAX_RESTORES = 50
_COMMENT_STARTS = {"powershell": ("#", "<#"), "cmd": ("rem", "::", "@rem"), "sh": ("#",)}


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict and where it was reached."""

    verdict: Verdict
    span: Span
    branch: Branch
    encoded: tuple[str, ...]


def _parsed(part: Part, shared: dict[str, Values]) -> ParsedScript | None:
    """Returns a part as its shell reads it; ``None`` for what no shell runs.  The grammars load lazily."""
    match part.language:
        case "powershell":
            from l2tp_doctor.lint.powershell.script import Script as PowerShell

            return PowerShell(part, shared)
        case "cmd":
            from l2tp_doctor.lint.batch import Script as Batch

            return Batch(part, shared)
        case "sh":
            from l2tp_doctor.lint.shell import Script as Shell

            return Shell(part, shared)
        case _:
            return None


class _Unit:
    """Parts that belong together, judged in their order."""

    def __init__(self) -> None:
        self.judged: list[_Judged] = []
        self.errors: list[Span] = []
        self.suppressions: list[Suppression] = []
        self._variables: dict[str, dict[str, Values]] = {}
        self._texts = 0

    def add(self, part: Part, *, alone: bool) -> None:
        """Judges one part."""
        if part.language == "reg":
            for row, line, verdict in registry_text(part.text):
                span = part.span((row, 0), (row, max(len(line), 1)))
                self.judged.append(_Judged(verdict, span, (), ()))
            return
        self._script(part, (), (), 0, alone=alone)

    def _script(
        self, part: Part, branch: Branch, encoded: tuple[str, ...], depth: int, *, alone: bool
    ) -> None:
        shared = self._variables.setdefault(part.language, {})
        script = _parsed(part, shared)
        if script is None:
            return
        calls = sorted(script.calls(WANTED[part.language]), key=lambda call: call.order)
        for call in calls:
            self._call(call, script.bound(call), branch, encoded, depth)
        if depth == 0:
            if not part.tolerant:
                self._errors(part, script)
            self._comments(part, script)
            if not alone:
                shared.update(script.exported())

    def _call(
        self, call: Call, bound: dict[str, Values], branch: Branch, encoded: tuple[str, ...], depth: int
    ) -> None:
        if any(truthy(value) for value in bound.get("whatif", ()) if isinstance(value, str)):
            return
        around = branch + call.branch
        for rule in RULES[call.shell].get(call.name, ()):
            for found in rule(call, bound):
                if isinstance(found, Verdict):
                    self.judged.append(_Judged(found, call.span, around, encoded))
                elif depth < _MAX_NESTING and self._texts < _MAX_NESTED_TEXTS:
                    self._texts += 1
                    self._nested(found, call, around, encoded, depth)

    def _nested(
        self, found: Nested, call: Call, branch: Branch, encoded: tuple[str, ...], depth: int
    ) -> None:
        text = source_text(found.text)
        lines = tuple((call.span.line, 1) for _ in range(text.count("\n") + 1))
        part = Part(text, found.language, lines, pinned=call.span, tolerant=True)
        hidden = (*encoded, found.encoded) if found.encoded else encoded
        self._script(part, branch, hidden, depth + 1, alone=True)

    def _errors(self, part: Part, script: ParsedScript) -> None:
        rows: set[int] = set()
        for position in script.errors:
            row, column = script.place(position)
            if row not in rows and len(rows) < _MAX_SYNTAX_NOTES:
                rows.add(row)
                line = part.text.split("\n")[row] if row <= part.text.count("\n") else ""
                column = min(column, max(len(line) - 1, 0))
                self.errors.append(part.span((row, column), (row, max(len(line), column + 1))))

    def _comments(self, part: Part, script: ParsedScript) -> None:
        lines = part.text.split("\n")
        for start, end in script.comments:
            text = part.text[start:end]
            if "l2tp-doctor:" not in text:
                continue
            row, column = script.place(start)
            span = part.span((row, column), (row, column))
            own = not lines[row][:column].strip(" \t&@")
            target = row
            if own:
                target = row + 1
                while target < len(lines) and _only_comment(lines[target], part.language):
                    target += 1
            first = part.span((target, 0), (target, 0)).line if target < len(lines) else span.line
            found = parse(text, span.line, span.column, min(span.line, first), first)
            if found is not None:
                self.suppressions.append(found)

    def findings(self) -> list[_Judged]:
        """Returns the verdicts that nothing later sets right."""
        named: set[str] = set()
        restores: dict[tuple[str, str], list[tuple[int, _Judged]]] = {}
        for index, one in enumerate(self.judged):
            for key in one.verdict.keys if not one.verdict.bad else ():
                restores.setdefault((one.verdict.rule, key), []).append((index, one))
        kept: list[_Judged] = []
        for index, one in enumerate(self.judged):
            verdict = one.verdict
            if not verdict.bad:
                named |= verdict.keys
            elif not verdict.needs or verdict.needs in named:
                later = (restores.get((verdict.rule, key), [])[-_MAX_RESTORES:] for key in verdict.keys)
                if not any(place > index and _restores(fix, one) for found in later for place, fix in found):
                    kept.append(one)
        return kept


def _only_comment(line: str, language: str) -> bool:
    plain = line.strip().lower()
    return not plain or plain.startswith(_COMMENT_STARTS[language])


def _restores(later: _Judged, bad: _Judged) -> bool:
    """Whether a later verdict on the same key takes a bad one back: it is run in the same case."""
    if (
        later.verdict.bad
        or later.verdict.rule != bad.verdict.rule
        or not later.verdict.keys & bad.verdict.keys
    ):
        return False
    arms = dict(bad.branch)
    # What is put right after an error only, or by a function nobody calls, is not put right.
    return all(
        arms.get(key) == arm if arm == NEVER_SURE else arms.get(key, arm) == arm for key, arm in later.branch
    )


def source_text(text: str) -> str:
    """Returns a nested text's line ends as ours."""
    return (
        text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").encode("utf-8", "replace").decode()
    )


def lint_text(text: str, language: str, name: str = "-") -> tuple[Finding, ...]:
    """Returns what is wrong in a text, in the order of its lines.

    Args:
        text: a script, an article or a plan.
        language: one of ``source.LANGUAGES``.
        name: what to call it in the findings.

    Raises:
        ValueError: no such language.
    """
    if language not in source.LANGUAGES:
        raise ValueError(f"no such language: {language}")
    text = source.normalised(text[:MAX_TEXT])
    document = documents.split(text, language)
    judged: list[_Judged] = []
    errors: list[Span] = [Span(line, 1, line, 2) for line in document.errors]
    suppressions: list[Suppression] = list(document.suppressions)
    for parts in document.units:
        unit = _Unit()
        for part in parts:
            unit.add(part, alone=len(parts) == 1)
        judged += unit.findings()
        errors += unit.errors
        suppressions += unit.suppressions
    hidden = [word for one in judged if one.verdict.secrets for word in (*one.verdict.secrets, *one.encoded)]
    excerpts = Excerpts(text, hidden)
    findings = [
        *_pitfalls(judged, suppressions, excerpts, name),
        *(Finding(name, span, "syntax", "note", excerpts.at(span)) for span in errors),
        *_about(suppressions, excerpts, name),
    ]
    return tuple(sorted(findings, key=lambda one: (one.span.line, one.span.column, one.rule)))


def _pitfalls(
    judged: Iterable[_Judged], suppressions: list[Suppression], excerpts: Excerpts, name: str
) -> list[Finding]:
    best: dict[tuple[str, int, int], Finding] = {}
    for one in judged:
        entry = pitfall(one.verdict.rule)
        severity: Severity = one.verdict.severity or entry.severity
        asked = [
            item
            for item in suppressions
            if item.first <= one.span.line <= item.last and one.verdict.rule in item.rules and item.reason
        ]
        for item in asked:
            item.used.add(one.verdict.rule)
        if asked:
            continue
        key = (one.verdict.rule, one.span.line, one.span.column)
        found = Finding(
            name,
            one.span,
            one.verdict.rule,
            severity,
            excerpts.at(one.span, one.verdict.secrets),
            references=entry.references,
        )
        before = best.get(key)
        if before is None or SEVERITIES.index(severity) < SEVERITIES.index(before.severity):
            best[key] = found
        elif one.verdict.secrets:
            best[key] = replace(before, excerpt=excerpts.at(one.span, one.verdict.secrets))
    return list(best.values())


def _about(suppressions: list[Suppression], excerpts: Excerpts, name: str) -> Iterable[Finding]:
    """Yields what is wrong with the suppressions themselves."""
    known = set(entry_ids("pitfall"))
    for one in suppressions:

        def said(rule: str, severity: Severity, values: dict[str, str], span: Span = one.span) -> Finding:
            return Finding(name, span, rule, severity, excerpts.at(span), values)

        if not one.reason:
            yield said("suppression-without-reason", "warning", {})
        unknown = [rule for rule in one.rules if rule not in known]
        if unknown or not one.rules:
            yield said("suppression-unknown-rule", "warning", {"rules": ", ".join(unknown) or "[]"})
        unused = [rule for rule in one.rules if rule in known and rule not in one.used]
        if unused and one.reason:
            yield said("suppression-unused", "note", {"rules": ", ".join(unused)})
