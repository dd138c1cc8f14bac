"""What the parsed texts of all three shells have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from l2tp_doctor.lint.model import Call, Values

if TYPE_CHECKING:
    from tree_sitter import Node

    from l2tp_doctor.lint.source import Part

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def ascii_view(text: str) -> str:
    """Returns one ASCII character for each of ``text``, so that positions are the parser's bytes."""
    return _NOT_ASCII.sub("x", text)


def grammar(language: object, query: str) -> tuple[Any, Any]:
    """Returns tree-sitter's parser for a grammar (its ``language()``), and a query."""
    from tree_sitter import Language, Parser, Query

    known = Language(language)
    return Parser(known), Query(known, query)


def captured(parser: Any, query: Any, view: str) -> tuple[Any, dict[str, list[Node]]]:
    """Returns the tree of a text and the nodes that the query finds in it."""
    tree = parser.parse(view.encode())
    return tree, nodes(query, tree)


def nodes(query: Any, tree: Any) -> dict[str, list[Node]]:
    """Returns the nodes that a query finds in a tree, by their names in the query."""
    from tree_sitter import QueryCursor

    return QueryCursor(query).captures(tree.root_node)


class ParsedScript(ABC):
    """A parsed text.

    Attributes:
        text: the text.
        view: the same with one ASCII character for each of its own.
        errors: positions the parser could make nothing of.
        comments: start and end of each comment.
    """

    errors: Sequence[int]
    comments: Sequence[tuple[int, int]]

    def __init__(self, part: Part, view: str, shared: Mapping[str, Values] | None) -> None:
        self.text = part.text
        self.view = view
        self._part = part
        self._shared = shared if shared is not None else {}
        self._breaks = [position for position, char in enumerate(self.text) if char == "\n"]

    def place(self, position: int) -> tuple[int, int]:
        """Returns the row and column of a position, both from 0."""
        row = bisect_right(self._breaks, position - 1) if position else 0
        return row, position - (self._breaks[row - 1] + 1 if row else 0)

    def _slice(self, node: Node) -> str:
        return self.text[node.start_byte : node.end_byte]

    def bound(self, _call: Call) -> dict[str, Values]:
        """Returns the values of a call's named parameters, in shells that have such."""
        return {}

    @abstractmethod
    def calls(self, wanted: frozenset[str]) -> Iterator[Call]:
        """Yields the calls somebody may want to judge."""

    @abstractmethod
    def exported(self) -> dict[str, Values]:
        """Returns the variables as they are at the end."""
