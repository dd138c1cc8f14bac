"""Reads the commands of the entries with the grammars of their shells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import tree_sitter
import tree_sitter_bash
import tree_sitter_batch
import tree_sitter_powershell

from l2tp_doctor.knowledge import entries
from l2tp_doctor.knowledge.entries import Action

_GRAMMARS = {"powershell": tree_sitter_powershell, "cmd": tree_sitter_batch, "sh": tree_sitter_bash}
# Two gaps of tree-sitter-powershell 0.26, bridged before parsing; test_commands insists that they are there.
# 1. A digit ends a parameter's name: -L2tpPsk is an error.  Digits are spelled in letters, and read back.
_DIGIT_IN_PARAMETER = re.compile(r"(?<=\s)-[A-Za-z]+\d\w*")
_SPELLED = re.compile(r"qz([a-j])qz")
# 2. A list of bare words, as in -Name BFE, IKEEXT, is an error; the same list with quotes is none.
_QUOTED = re.compile(r"""('[^']*'|"[^"]*"|#[^\n]*)""")
_BARE_LIST = re.compile(r"(?<=[ \t])(?![\d,\s]+(?:\s|$))[A-Za-z0-9][\w.]*(?:,[ \t]*[A-Za-z0-9][\w.]*)+")
_PLACES = ("check", "fix", "measure")


class Command(NamedTuple):
    """One command of one entry.

    Attributes:
        where: the entry and the place of the action in it.
        shell: the shell it is written for.
        text: the command with examples for its placeholders.
        undo: whether it takes something back.
        changes: whether it says that it changes something.
    """

    where: str
    shell: str
    text: str
    undo: bool
    changes: bool


@cache
def commands() -> tuple[Command, ...]:
    """Returns the commands of all checks, fixes and measures, also those that undo."""
    return tuple(
        Command(
            where=f"{kind}:{identifier}{place}",
            shell=action.shell,
            text=action.filled({}),
            undo=undo,
            changes=action.changes is not None,
        )
        for kind in _PLACES
        for identifier in entries.entry_ids(kind)
        for place, action, undo in _actions(entries.entry(kind, identifier))
        if action.command
    )


def _actions(entry: object) -> Iterator[tuple[str, Action, bool]]:
    for field in ("actions", "apply"):
        for index, action in enumerate(getattr(entry, field, ())):
            yield f".{field}[{index}]", action, False
            for number, undo in enumerate(action.undo):
                yield f".{field}[{index}].undo[{number}]", undo, True


def bridged(text: str) -> str:
    """Returns PowerShell ``text`` without what the grammar cannot read although it is right."""
    pieces = _QUOTED.split(text)
    pieces[::2] = map(_bridged_bare, pieces[::2])
    return "".join(pieces)


def _bridged_bare(text: str) -> str:
    return _BARE_LIST.sub(_with_quotes, _DIGIT_IN_PARAMETER.sub(_spelled, text))


def _with_quotes(match: re.Match[str]) -> str:
    return ", ".join(f"'{word.strip()}'" for word in match[0].split(","))


def _spelled(match: re.Match[str]) -> str:
    return re.sub(r"\d", lambda digit: f"qz{chr(ord('a') + int(digit[0]))}qz", match[0])


def _read_back(name: str) -> str:
    return _SPELLED.sub(lambda match: str(ord(match[1]) - ord("a")), name)


def parse(shell: str, text: str) -> tree_sitter.Node:
    """Returns the root of the syntax tree of ``text``."""
    language = tree_sitter.Language(_GRAMMARS[shell].language())
    return tree_sitter.Parser(language).parse(text.encode()).root_node


def nodes(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yields a node and everything below it."""
    yield root
    for child in root.children:
        yield from nodes(child)


def mistakes(shell: str, text: str) -> list[tuple[int, str]]:
    """Returns line and text of everything the grammar does not accept."""
    return [
        (node.start_point.row + 1, _text(node)[:60])
        for node in nodes(parse(shell, text))
        if node.is_error or node.is_missing
    ]


def _text(node: tree_sitter.Node) -> str:
    return node.text.decode() if node.text is not None else ""


def invocations(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields every command that PowerShell ``text`` runs, with the names of its parameters."""
    for node in nodes(parse("powershell", bridged(text))):
        if node.type != "command":
            continue
        name = node.child_by_field_name("command_name")
        elements = node.child_by_field_name("command_elements")
        if name is not None:
            yield _text(name), tuple(_parameters(elements))


def _parameters(elements: tree_sitter.Node | None) -> Iterator[str]:
    for child in elements.children if elements is not None else ():
        if child.type == "command_parameter":
            yield _read_back(_text(child)).removeprefix("-").rstrip(":")


def recorded(table: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    """Returns the table of cmdlets in lower case, for comparison."""
    return {name.lower(): frozenset(names.lower().split()) for name, names in table.items()}
