"""Finds an article's pitfalls in scripts, plans and articles, from their syntax trees.

>>> from l2tp_doctor.lint import lint_text
>>> [finding.rule for finding in lint_text("icacls C:\\\\x /grant Everyone:F", "cmd", "x.cmd")]
['everyone-full-control']
"""

from __future__ import annotations

from l2tp_doctor.lint.engine import lint_text
from l2tp_doctor.lint.model import SEVERITIES, Excerpt, Finding, Severity, Span
from l2tp_doctor.lint.source import LANGUAGES, decode, language_of

__all__ = [
    "LANGUAGES",
    "SEVERITIES",
    "Excerpt",
    "Finding",
    "Severity",
    "Span",
    "decode",
    "language_of",
    "lint_text",
]
