"""Findings for programs: our own JSON and SARIF 2.1.0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from l2tp_doctor import __version__
from l2tp_doctor.knowledge.entries import entry_ids, pitfall, references
from l2tp_doctor.knowledge.ui_texts import text
from l2tp_doctor.lint.model import SEVERITIES, Finding

SCHEMA_VERSION = 1
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
OWN_RULES = ("suppression-unknown-rule", "suppression-unused", "suppression-without-reason", "syntax")
"""Rules that are about the linter's own work and no pitfall."""


def title(finding: Finding, language: str) -> str:
    """Returns in one sentence what is wrong."""
    if finding.rule in OWN_RULES:
        return text(f"lint.rule.{finding.rule}", language, **finding.values)
    return pitfall(finding.rule).title.get(language)


def reason(finding: Finding, language: str) -> str:
    """Returns why it is wrong; ``""`` for what is no pitfall."""
    return "" if finding.rule in OWN_RULES else pitfall(finding.rule).reason.get(language)


def instead(finding: Finding, language: str) -> str:
    """Returns what to do in its place; ``""`` for what is no pitfall."""
    return "" if finding.rule in OWN_RULES else pitfall(finding.rule).instead.get(language)


def addresses(finding: Finding, language: str) -> list[str]:
    """Returns the addresses of its sources."""
    known = references()
    return [known[name].address(language) for name in finding.references if name in known]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Returns how many findings there are of each severity."""
    return {severity: sum(one.severity == severity for one in findings) for severity in SEVERITIES}


def as_json(
    findings: Sequence[Finding], files: int, unreadable: Sequence[tuple[str, str]], language: str
) -> dict[str, Any]:
    """Returns the object ``--format json`` prints.

    Args:
        findings: what to show.
        files: how many files were looked at.
        unreadable: files that could not be read, each with the reason.
        language: of the texts.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "files": files,
        "summary": counts(findings),
        "unreadable": [{"file": name, "reason": why} for name, why in unreadable],
        "findings": [
            {
                "file": one.file,
                "line": one.span.line,
                "column": one.span.column,
                "end_line": one.span.end_line,
                "end_column": one.span.end_column,
                "rule": one.rule,
                "severity": one.severity,
                "title": title(one, language),
                "reason": reason(one, language),
                "instead": instead(one, language),
                "references": addresses(one, language),
                "excerpt": one.excerpt.text,
            }
            for one in findings
        ],
    }


def _rules(language: str) -> list[dict[str, Any]]:
    known = references()
    rules: list[dict[str, Any]] = []
    for identifier in entry_ids("pitfall"):
        entry = pitfall(identifier)
        rule: dict[str, Any] = {
            "id": identifier,
            "shortDescription": {"text": entry.title.get(language)},
            "fullDescription": {"text": entry.reason.get(language)},
            "help": {"text": entry.instead.get(language)},
            "defaultConfiguration": {"level": entry.severity},
        }
        sources = [known[name].address(language) for name in entry.references if name in known]
        if sources:
            rule["helpUri"] = sources[0]
        rules.append(rule)
    for identifier in OWN_RULES:
        message = text(f"lint.rule.{identifier}", language, rules="…")
        level = "note" if identifier in ("syntax", "suppression-unused") else "warning"
        rules.append(
            {
                "id": identifier,
                "shortDescription": {"text": message},
                "defaultConfiguration": {"level": level},
            }
        )
    return rules


def _uri(name: str) -> str:
    if name == "-":
        return "stdin"
    path = PurePath(name)
    if path.is_absolute():
        return path.as_uri()
    return quote(name.replace("\\", "/"), safe="/.-_~", errors="replace")


def as_sarif(
    findings: Sequence[Finding], unreadable: Sequence[tuple[str, str]], language: str
) -> dict[str, Any]:
    """Returns a SARIF 2.1.0 log (OASIS, sections 3.13 ff.)."""
    rules = _rules(language)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = []
    for one in findings:
        parts = [title(one, language), reason(one, language), instead(one, language)]
        region = {
            "startLine": one.span.line,
            "startColumn": one.span.column,
            "endLine": one.span.end_line,
            "endColumn": max(one.span.end_column, 1),
            "snippet": {"text": one.excerpt.text},
        }
        place = {"artifactLocation": {"uri": _uri(one.file)}, "region": region}
        results.append(
            {
                "ruleId": one.rule,
                "ruleIndex": index[one.rule],
                "level": one.severity,
                "message": {"text": " — ".join(part for part in parts if part)},
                "locations": [{"physicalLocation": place}],
            }
        )
    notifications = [
        {"level": "error", "message": {"text": text("lint.unreadable", language, path=name, reason=why)}}
        for name, why in unreadable
    ]
    invocation: dict[str, Any] = {"executionSuccessful": not unreadable}
    if notifications:
        invocation["toolExecutionNotifications"] = notifications
    driver = {"name": "l2tp-doctor", "semanticVersion": __version__, "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "language": "ja-JP" if language == "ja" else "en-US",
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
