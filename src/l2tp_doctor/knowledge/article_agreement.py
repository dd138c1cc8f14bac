"""Whether the two articles of a file say the same: as far as that can be told without reading them."""

from __future__ import annotations

from collections.abc import Iterator

from l2tp_doctor.knowledge.article_types import Article, Item, Problem, Section, problem


def disagreements(first: Article, second: Article) -> Iterator[Problem]:
    """Yields where the second article differs from the first in structure; lines are the second's."""
    if first.codes != second.codes:
        yield problem(second.line, "languages-codes")
    ours, theirs = [s.key for s in first.sections], [s.key for s in second.sections]
    if ours != theirs and sorted(ours) == sorted(theirs):
        yield problem(second.line, "languages-order")
    for section in second.sections:
        other = first.section(section.key)
        if other is not None:
            yield from _sections(other, section)


def _sections(first: Section, second: Section) -> Iterator[Problem]:
    if len(first.items) != len(second.items):
        yield problem(
            second.line,
            "languages-items",
            heading=second.heading,
            first=len(first.items),
            second=len(second.items),
            line=first.line,
        )
        return
    for one, other in zip(first.items, second.items, strict=True):
        yield from _items(one, other)


def _items(first: Item, second: Item) -> Iterator[Problem]:
    one = [(link.kind, link.target) for link in first.links]
    other = [(link.kind, link.target) for link in second.links]
    if one != other:
        yield problem(second.line, "languages-links", line=first.line)
    code = [block.language for block in first.code_blocks]
    if code != [block.language for block in second.code_blocks]:
        yield problem(second.line, "languages-code", line=first.line)
