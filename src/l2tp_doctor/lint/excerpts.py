"""The source line of a finding, with everything secret in it masked."""

from __future__ import annotations

from collections.abc import Iterable

from l2tp_doctor.lint.model import Excerpt, Span

MASK = "********"
_MAX_LINE = 400
_SHORTEST_ELSEWHERE = 4
_SHORTEST_PIECE = 3
_BETWEEN = " \t'\"+(),;=:{}|"


class Excerpts:
    """Lines of one text.

    Args:
        text: the text.
        secrets: what must not be printed, wherever it stands.
    """

    def __init__(self, text: str, secrets: Iterable[str]) -> None:
        self._lines = text.split("\n")
        self._secrets = sorted({one.strip() for one in secrets if one.strip()}, key=len, reverse=True)

    def at(self, span: Span, own: tuple[str, ...] = ()) -> Excerpt:
        """Returns the first line of a place.

        Args:
            span: the place.
            own: secrets that the finding itself is about: where they are not on the line as they are,
                they may be there in pieces, or escaped.
        """
        line = self._lines[span.line - 1] if span.line <= len(self._lines) else ""
        start = min(span.column - 1, len(line))
        end = len(line) if span.end_line > span.line else min(span.end_column - 1, len(line))
        covered: list[tuple[int, int]] = []
        for secret in self._secrets:
            if len(secret) >= _SHORTEST_ELSEWHERE or secret in own:
                covered += _places(line, secret)
        if not covered:
            for secret in own:
                covered += _pieces(line, secret)
        return _masked(line, start, max(end, start + 1), covered)


def _places(line: str, secret: str) -> list[tuple[int, int]]:
    found, position = [], line.find(secret)
    while position >= 0:
        found.append((position, position + len(secret)))
        position = line.find(secret, position + len(secret))
    return found


def _pieces(line: str, secret: str) -> list[tuple[int, int]]:
    """Returns the words of a line that are parts of a secret: it was put together, or escaped."""
    found: list[tuple[int, int]] = []
    start = 0
    for position in range(len(line) + 1):
        if position < len(line) and line[position] not in _BETWEEN:
            continue
        plain = "".join(char for char in line[start:position] if char not in "`^\\")
        quoted = start > 0 and line[start - 1] in "'\""
        if plain and plain in secret and (quoted or len(plain) >= _SHORTEST_PIECE):
            found.append((start, position))
        start = position + 1
    return found


def _masked(line: str, start: int, end: int, covered: list[tuple[int, int]]) -> Excerpt:
    parts: list[str] = []
    last, new_start, new_end, size = 0, start, end, 0
    for begin, stop in sorted(covered):
        if begin < last:
            if stop > last:
                last = stop
            continue
        before = line[last:begin]
        size += len(before)
        parts += [before, MASK]
        shift = len(MASK) - (stop - begin)
        if start >= stop:
            new_start += shift
        if end >= stop:
            new_end += shift
        last = stop
    text = "".join([*parts, line[last:]])
    new_start = max(0, min(new_start, len(text)))
    return _shortened(text, new_start, max(new_start + 1, min(new_end, len(text))))


def _shortened(text: str, start: int, end: int) -> Excerpt:
    """Cuts a very long line (an encoded command) around what is meant."""
    if len(text) <= _MAX_LINE:
        return Excerpt(text, start, end)
    first = max(0, min(start - 20, len(text) - _MAX_LINE))
    head = "…" if first else ""
    cut = head + text[first : first + _MAX_LINE] + ("…" if first + _MAX_LINE < len(text) else "")
    shift = first - len(head)
    return Excerpt(cut, start - shift, min(end - shift, len(cut)))
