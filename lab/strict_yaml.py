"""Reads small YAML files by a fixed shape; every complaint names the file and the line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import yaml

T = TypeVar("T")
Scalar = str | int | float | bool


class CaseError(ValueError):
    """A file does not have the shape it must have; the message begins with ``file:line:``."""


class Table:
    """One YAML mapping whose keys are taken one after another; what is left at the end is a mistake.

    Args:
        node: the mapping's node.
        path: its file, for messages.
    """

    def __init__(self, node: yaml.Node, path: Path) -> None:
        self._path = path
        self._node = node
        if not isinstance(node, yaml.MappingNode):
            raise self.error("a mapping is wanted here")
        self._items: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        self._taken: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.value in self._items:
                raise self.error(f"{key.value!r} is there twice", key)
            self._items[str(key.value)] = (key, value)

    @classmethod
    def read(cls, path: Path) -> Table:
        """Return the mapping that a file consists of.

        Raises:
            CaseError: it is not YAML, or not a mapping.
        """
        try:
            node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as problem:
            line = problem.problem_mark.line + 1 if problem.problem_mark is not None else 1
            raise CaseError(f"{path}:{line}: {problem.problem}") from None
        if node is None:
            raise CaseError(f"{path}:1: the file is empty")
        return cls(node, path)

    def error(self, message: str, node: yaml.Node | None = None) -> CaseError:
        """Return the complaint about a node of this mapping (about the mapping itself when None)."""
        return CaseError(f"{self._path}:{(node or self._node).start_mark.line + 1}: {message}")

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def rest(self) -> tuple[str, ...]:
        """Return the keys that were not taken yet."""
        return tuple(self._items)

    def finish(self) -> None:
        """Raise for the first key that nobody has taken."""
        for key, (node, _) in self._items.items():
            raise self.error(f"unknown key {key!r}", node)

    # -- taking values -----------------------------------------------------------------------------

    def text(self, key: str, default: str | None = None, *, among: Collection[str] = ()) -> str:
        """Take a string; without a default it must be there."""
        value = self._take(key, default, str, "a text")
        if among and value not in among:
            raise self._wrong(key, f"{value!r} is none of {', '.join(sorted(among))}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        return self._take(key, default, bool, "true or false")

    def number(self, key: str, default: float | None = None) -> float:
        """Take a number that is at least 0."""
        value = self._take(key, default, (int, float), "a number")
        if isinstance(value, bool) or value < 0:
            raise self._wrong(key, "a number of at least 0 is wanted")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of strings; one string alone counts as a list of one."""
        value = self.plain(key, list(default))
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self._wrong(key, "a text or a list of texts is wanted")
        return tuple(items)

    def plain(self, key: str, default: object) -> object:
        """Take whatever is there, as YAML means it."""
        if key not in self._items:
            return default
        _, node = self._items[key]
        self._forget(key)
        return _construct(node)

    def table(self, key: str) -> Table | None:
        """Take a mapping, or None when there is none."""
        if key not in self._items:
            return None
        _, node = self._items[key]
        self._forget(key)
        return Table(node, self._path)

    def tables(self, key: str) -> list[Table]:
        """Take a list of mappings; empty when there is none."""
        if key not in self._items:
            return []
        _, node = self._items[key]
        self._forget(key)
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(f"{key!r} wants a list", node)
        return [Table(item, self._path) for item in node.value]

    def checked(self, key: str, default: T, make: Callable[[str], T]) -> T:
        """Take a string and turn it into something; a ``ValueError`` becomes a complaint with its line."""
        if key not in self._items:
            return default
        value = self.text(key)
        try:
            return make(value)
        except ValueError as problem:
            raise self._wrong(key, str(problem)) from None

    # -- inside ------------------------------------------------------------------------------------

    def _take(self, key: str, default: T | None, kind: type[T] | tuple[type, ...], what: str) -> T:
        if key not in self._items:
            if default is None:
                raise self.error(f"{key!r} is missing")
            return default
        value = self.plain(key, None)
        if not isinstance(value, kind):
            raise self._wrong(key, f"{what} is wanted")
        return value  # type: ignore[return-value]  # a tuple of types stands for their union

    def _forget(self, key: str) -> None:
        self._taken[key] = self._items.pop(key)[0]

    def _wrong(self, key: str, message: str) -> CaseError:
        return self.error(f"{key}: {message}", self._taken.get(key))


def _construct(node: yaml.Node) -> object:
    constructor = yaml.SafeLoader("")
    value: object = constructor.construct_object(node, deep=True)
    return value
