"""Writes articles for tests, well-formed unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from l2tp_doctor.knowledge.article_markdown import heading_of
from l2tp_doctor.knowledge.articles import SECTIONS

_LINES = {
    "ja": "- 社内の手順書にある一行",
    "en": "- a line of our own runbook",
}


def article(
    language: str = "ja",
    *,
    title: str = "社内 VPN 手順",
    error_text: str = "つながらない",
    tags: tuple[str, ...] = ("VPN",),
    codes: tuple[int, ...] = (),
    sections: Mapping[str, str] | None = None,
) -> str:
    """Returns an article in one language; ``sections`` replaces the contents of some."""
    contents = dict.fromkeys(SECTIONS, _LINES[language]) | dict(sections or {})
    body = "\n\n".join(f"## {heading_of(key, language)}\n{text}" for key, text in contents.items())
    return (
        f'---\ntitle: "{title}"\nerrorText: "{error_text}"\ntags: [{", ".join(tags)}]\n'
        f'updatedAt: "2026-11-22T00:00:00.000Z"\nlang: "{language}"\ncodes: {list(codes)}\n---\n\n{body}\n'
    )
