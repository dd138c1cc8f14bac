"""The parser, what is asked of its trees, and the second try for a text it cannot read at once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from l2tp_doctor.lint.parsed import grammar, nodes
from l2tp_doctor.lint.powershell.lexer import simplified

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

_QUERY = """
(command) @command
(assignment_expression) @assignment
(invokation_expression) @invocation
(foreach_statement) @foreach
(function_statement) @function
(script_parameter) @parameter
(comment) @comment
(ERROR) @error
(MISSING) @error
"""
_MAX_NESTING = 250


@cache
def _grammar() -> tuple[Any, Any]:
    import tree_sitter_powershell

    return grammar(tree_sitter_powershell.language(), _QUERY)


def _too_deep(view: str) -> bool:
    depth = deepest = 0
    for char in view:
        if char in "({[":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")}]":
            depth = max(0, depth - 1)
    return deepest > _MAX_NESTING


def parsed(view: str) -> tuple[Tree | None, dict[str, list[Node]], list[int]]:
    """Parses a text's view.

    Returns:
        The tree (``None`` for brackets nested deeper than any script's), its nodes by what they are, and the
        positions it could make nothing of.
    """
    if _too_deep(view):
        return None, {}, [0]
    parser, query = _grammar()
    tree: Tree = parser.parse(view.encode())
    if tree.root_node.has_error:
        second = simplified(view)
        if second != view:
            tree = parser.parse(second.encode())
    found = nodes(query, tree)
    errors = sorted(node.start_byte for node in found.get("error", []))
    code = any(line.strip() and not line.lstrip().startswith("#") for line in view.split("\n"))
    return tree, found, errors if code else []  # the grammar wants a statement where there is none
