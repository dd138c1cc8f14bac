"""Turns an article's links into what a reader can follow where no program stands behind the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from l2tp_doctor.knowledge.articles import ENTRY_KINDS, Link


def rewrite(markdown: str, links: Iterable[Link], replacement: Callable[[Link, str], str]) -> str:
    """Returns ``markdown`` with each link to an entry replaced.

    Args:
        markdown: the source the parser found ``links`` in.
        links: in the order of the source.
        replacement: gets a link and the Markdown of its words, returns what to put in its place.
    """
    done: list[str] = []
    rest = markdown
    for link in links:
        if link.kind not in ENTRY_KINDS:
            continue
        head, end, tail = rest.partition(f"]({link.kind}:{link.target})")
        start = _opening(head)
        if not end or start is None:
            continue  # written as a reference, or with a title: it stays as it is
        done.append(head[:start] + replacement(link, head[start + 1 :]))
        rest = tail
    return "".join(done) + rest


def _opening(head: str) -> int | None:
    """Returns where the bracket stands that the next ``]`` would close."""
    depth = 0
    for position in range(len(head) - 1, -1, -1):
        if position and head[position - 1] == "\\":
            continue
        if head[position] == "]":
            depth += 1
        elif head[position] == "[":
            if depth == 0:
                return position
            depth -= 1
    return None
