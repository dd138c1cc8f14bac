"""``l2tp-doctor: ignore[rule-id] reason`` in a comment."""

from __future__ import annotations

from dataclasses import dataclass, field

from l2tp_doctor.lint.model import Span

MARKER = "l2tp-doctor:"
_ENDS = ("-->", "#>", "*/")


@dataclass(slots=True)
class Suppression:
    """One comment that asks for silence.

    Attributes:
        span: of the comment's text from the marker on.
        rules: the ids it names.
        reason: why; ``""`` is a mistake.
        first: the first line it covers.
        last: the last.
        used: the ids something was found under.
    """

    span: Span
    rules: tuple[str, ...]
    reason: str
    first: int
    last: int
    used: set[str] = field(default_factory=set)


def parse(comment: str, line: int, column: int, first: int, last: int) -> Suppression | None:
    """Reads a comment's text.

    Args:
        comment: the text, comment signs included.
        line: where it begins in the file, from 1.
        column: likewise.
        first: the first line that it would cover.
        last: the last.

    Returns:
        ``None`` for a comment that does not ask for it.
    """
    place = comment.find(MARKER)
    if place < 0:
        return None
    rest = comment[place + len(MARKER) :].split("\n")[0].strip()
    if not rest.startswith("ignore"):
        return None
    rest = rest[len("ignore") :].strip()
    ids, reason = "", rest
    if rest.startswith("[") and "]" in rest:
        ids, _, reason = rest[1:].partition("]")
    for end in _ENDS:
        reason = reason.split(end)[0]
    before = comment[:place].count("\n")
    start = column + place if not before else place - comment[:place].rfind("\n")
    length = len(comment[place:].split("\n")[0].rstrip())
    names = tuple(name.strip() for name in ids.split(",") if name.strip())
    span = Span(line + before, start, line + before, start + length)
    return Suppression(span, names, reason.strip(" -:—–\t"), first, last)
