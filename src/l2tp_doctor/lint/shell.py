"""One sh or bash text: its calls, with quoting, constants and wrappers (sudo, env …) resolved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from l2tp_doctor.lint.model import (
    HOLE,
    MAX_ALTERNATIVES,
    UNKNOWN,
    Branch,
    Call,
    Items,
    Values,
    Word,
    constants,
)
from l2tp_doctor.lint.parsed import ParsedScript, ascii_view, captured, grammar
from l2tp_doctor.lint.powershell.values import combined

if TYPE_CHECKING:
    from tree_sitter import Node

    from l2tp_doctor.lint.source import Part

_QUERY = """
(command) @command
(variable_assignment) @assignment
(for_statement) @for
(comment) @comment
(ERROR) @error
"""
_MAX_NESTING = 400
# Programs that run the rest of their own words, with those of their options that take a value.
_WRAPPERS = {
    "sudo": frozenset(
        ["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "-D", "-T", "--user", "--group", "--host", "--chdir"]
    ),
    "doas": frozenset({"-u", "-C"}),
    "env": frozenset({"-u", "-C", "-S"}),
    "nohup": frozenset(),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
    "time": frozenset({"-f", "-o"}),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "setsid": frozenset(),
    "timeout": frozenset({"-s", "-k"}),
    "xargs": frozenset({"-n", "-I", "-P", "-d", "-L"}),
    "builtin": frozenset(),
    "busybox": frozenset(),
    "chroot": frozenset(),
    "unbuffer": frozenset(),
}
_ARMS = ("else_clause", "elif_clause")


@cache
def _grammar() -> tuple[Any, Any]:
    import tree_sitter_bash

    return grammar(tree_sitter_bash.language(), _QUERY)


class Script(ParsedScript):
    """A parsed shell text."""

    def __init__(self, part: Part, shared: dict[str, Values] | None = None) -> None:
        super().__init__(part, ascii_view(part.text), shared)
        self._depth = 0
        self._found: dict[str, list[Node]] = {}
        if max(self.view.count("("), self.view.count("{"), self.view.count("`")) < 50 * _MAX_NESTING:
            self._tree, self._found = captured(*_grammar(), self.view)
        self.errors = sorted(node.start_byte for node in self._found.get("error", []))
        self.comments = [(node.start_byte, node.end_byte) for node in self._found.get("comment", [])]
        self._assigned = self._assignments()

    def _assignments(self) -> dict[str, list[tuple[int, list[Node]]]]:
        found: dict[str, list[tuple[int, list[Node]]]] = {}
        for node in self._found.get("assignment", []):
            children = node.named_children
            if children and children[0].type == "variable_name":
                found.setdefault(self._slice(children[0]), []).append((node.end_byte, children[1:]))
        for node in self._found.get("for", []):
            children = node.named_children
            values = [child for child in children[1:] if child.type != "do_group"]
            if children and children[0].type == "variable_name":
                found.setdefault(self._slice(children[0]), []).append((children[0].end_byte, values))
        return found

    def _variable(self, name: str, position: int) -> Values:
        earlier = [nodes for end, nodes in self._assigned.get(name, []) if end <= position]
        if not earlier:
            return self._shared.get(name, (f"%{name.lower()}%",) if name not in self._assigned else UNKNOWN)
        if not earlier[-1]:
            return ("",)
        found = [value for node in earlier[-1][:MAX_ALTERNATIVES] for value in self.values(node)]
        return tuple(dict.fromkeys(found)) or UNKNOWN

    def values(self, node: Node) -> Values:
        """Returns what a word can be."""
        self._depth += 1
        try:
            return self._values(node) if self._depth < 30 else UNKNOWN
        finally:
            self._depth -= 1

    def _values(self, node: Node) -> Values:
        text = self._slice(node)
        match node.type:
            case "word" | "number" | "variable_name" | "extglob_pattern" | "regex":
                return (_unescaped(text),)
            case "raw_string":
                return (text[1:-1],)
            case "ansi_c_string":
                return (text[2:-1].replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"'),)
            case "string":
                return self._string(node)
            case "string_content":
                return (_unescaped(text, quoted=True),)
            case "concatenation":
                return combined(self.values(child) for child in node.named_children)
            case "simple_expansion" | "expansion":
                return self._expansion(node)
            case "array":
                return (Items(tuple(self.values(child) for child in node.named_children[:100])),)
            case "command_name":
                return self.values(node.named_children[0]) if node.named_children else (text,)
        return UNKNOWN

    def _string(self, node: Node) -> Values:
        parts: list[Values] = []
        last = node.start_byte + 1
        for child in node.named_children:  # white space around expansions is nobody's node
            parts += [(_unescaped(self.text[last : child.start_byte], quoted=True),), self.values(child)]
            last = child.end_byte
        return combined([*parts, (_unescaped(self.text[last : max(node.end_byte - 1, last)], quoted=True),)])

    def _expansion(self, node: Node) -> Values:
        named = node.named_children
        if len(named) == 1 and named[0].type == "variable_name":
            return self._variable(self._slice(named[0]), node.start_byte)
        text = self._slice(node)
        if len(named) == 2 and ":-" in text:
            return self._variable(self._slice(named[0]), node.start_byte) + self.values(named[1])
        if len(named) == 1 and named[0].type == "subscript":
            return self._variable(self._slice(named[0].named_children[0]), node.start_byte)
        return UNKNOWN

    # -- calls ------------------------------------------------------------------------------------

    def calls(self, wanted: frozenset[str]) -> Iterator[Call]:
        """Yields the calls somebody may want to judge."""
        for node in self._found.get("command", []):
            call = self._call(node)
            if call is not None and call.name in wanted:
                yield call

    def _call(self, node: Node) -> Call | None:
        children = [
            child
            for child in node.named_children
            if child.type
            not in ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect")
        ]
        values = [self.values(child) for child in children]
        while values:
            name = next(constants(values[0]), "").rpartition("/")[2]
            if name not in _WRAPPERS:
                break
            values = _unwrapped(values[1:], _WRAPPERS[name], skip=1 if name in ("timeout", "chroot") else 0)
        if not values:
            return None
        name = next(constants(values[0]), "").rpartition("/")[2].removesuffix(".exe")
        above = node.parent
        holder = above if above is not None and above.type == "redirected_statement" else node
        pipe = holder.parent if holder.parent is not None and holder.parent.type == "pipeline" else above
        span = self._part.span(self.place(node.start_byte), self.place(node.end_byte))
        words = tuple(Word(value) for value in values[1:])
        piped = self._stdin(node, holder, pipe)
        return Call(
            name, "sh", words, span, node.start_byte, self._branch(node), piped, None, self._targets(node)
        )

    def _stdin(self, node: Node, holder: Node, pipe: Node | None) -> Values:
        for child in holder.named_children if holder is not node else node.named_children:
            if child.type == "heredoc_redirect":
                for part in child.named_children:
                    if part.type == "heredoc_body":
                        return (self._heredoc(part),)
            if child.type == "herestring_redirect" and child.named_children:
                return self.values(child.named_children[0])
        before = (holder if pipe is not None and holder.parent == pipe else node).prev_named_sibling
        if pipe is not None and pipe.type == "pipeline" and before is not None and before.type == "command":
            words = [self.values(child) for child in before.named_children]
            if words and next(constants(words[0]), "") in ("echo", "printf"):
                return combined(part for word in words[1:] for part in (word, ("\n",)))
        return ()

    def _heredoc(self, node: Node) -> str:
        parts, last = [], node.start_byte
        for child in node.named_children:
            if child.type in ("simple_expansion", "expansion", "command_substitution"):
                values = self.values(child)
                text = next(constants(values), HOLE) if len(values) == 1 else HOLE
                parts += [self.text[last : child.start_byte], HOLE if text.startswith("%") else text]
                last = child.end_byte
        return "".join([*parts, self.text[last : node.end_byte]])

    def _targets(self, node: Node) -> tuple[str, ...]:
        found: list[str] = []
        above: Node | None = node
        while above is not None and above.type in (
            "command",
            "pipeline",
            "redirected_statement",
            "compound_statement",
        ):
            stack = [child for child in above.named_children if child.type.endswith("_redirect")]
            while stack:
                child = stack.pop()
                if child.type == "file_redirect" and child.named_children:
                    found += constants(self.values(child.named_children[-1]))
                elif child.type == "heredoc_redirect":
                    stack += [one for one in child.named_children if one.type == "file_redirect"]
            above = above.parent
        return tuple(found)

    def _branch(self, node: Node) -> Branch:
        found: list[tuple[int, int]] = []
        below, above = node, node.parent
        while above is not None:
            if above.type == "if_statement":
                found.append((above.start_byte, below.start_byte if below.type in _ARMS else 0))
            elif above.type == "case_statement":
                found.append((above.start_byte, below.start_byte))
            below, above = above, above.parent
        return tuple(reversed(found))

    def exported(self) -> dict[str, Values]:
        """Returns the variables as they are at the end."""
        return {name: self._variable(name, len(self.text)) for name in self._assigned}


def _unwrapped(values: list[Values], with_value: frozenset[str], *, skip: int) -> list[Values]:
    position = 0
    while position < len(values):
        text = next(constants(values[position]), "")
        if text in with_value:
            position += 2
        elif text.startswith("-") or (
            "=" in text and not text.startswith("=") and "/" not in text.split("=")[0]
        ):
            position += 1
        elif skip:
            skip -= 1
            position += 1
        else:
            break
    return values[position:]


def _unescaped(text: str, *, quoted: bool = False) -> str:
    if "\\" not in text:
        return text
    found: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text) and (not quoted or text[position + 1] in '$`"\\\n'):
            position += 1
            char = text[position].replace("\n", "")
        found.append(char)
        position += 1
    return "".join(found)
