"""One PowerShell text as a tree: its calls, variables, functions and what surrounds them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from l2tp_doctor.lint.model import (
    MAX_ALTERNATIVES,
    NEVER_SURE,
    UNKNOWN,
    Branch,
    Call,
    Instance,
    Items,
    Table,
    Value,
    Values,
    Word,
    constants,
)
from l2tp_doctor.lint.parsed import ParsedScript
from l2tp_doctor.lint.powershell import lexer
from l2tp_doctor.lint.powershell.cmdlets import ALIASES, CMDLETS, bind
from l2tp_doctor.lint.powershell.grammar import parsed
from l2tp_doctor.lint.powershell.values import Evaluator, combined, merged

if TYPE_CHECKING:
    from tree_sitter import Node

    from l2tp_doctor.lint.source import Part

_ARMS = ("if_statement", "switch_clauses")
_EACH = ("foreach-object", "where-object")
_PASSING = (*_EACH, "sort-object", "select-object")
_CHOOSING = ("eq", "in", "like", "match", "ieq")
_PIPE_VARIABLES = ("_", "psitem")


class Script(ParsedScript):
    """A parsed PowerShell text."""

    def __init__(self, part: Part, shared: dict[str, Values] | None = None) -> None:
        super().__init__(part, lexer.ascii_view(part.text), shared)
        self.values = Evaluator(self)
        self._tree, found, self.errors = parsed(self.view)
        self._root = self._tree.root_node if self._tree is not None else None
        self._found = found
        self.comments = [(node.start_byte, node.end_byte) for node in found.get("comment", [])]
        self._commands: dict[int, Call | None] = {}
        self._names: dict[int, str] = {}
        self._scopes: dict[int, int] = {}
        self._callers: dict[str, list[Node]] | None = None
        self._parameters: dict[int, list[str]] | None = None
        self._aliases: dict[str, str] = {}
        self._functions = {self._function_name(node): node for node in found.get("function", [])}
        self._updates: dict[str, list[tuple[int, str, Node]]] = {}
        self._assigned = self._assignments()
        self._aliases = self._own_aliases()

    # -- places -----------------------------------------------------------------------------------

    def node_at(self, start: int, end: int) -> Node | None:
        """Returns the outermost node that covers exactly a range."""
        if self._root is None:
            return None
        node: Node | None = self._root.descendant_for_byte_range(start, end)
        # The grammar counts white space before some tokens as theirs.
        while node is not None and self._outside(node, start, end):
            inner = [child for child in node.children if child.start_byte <= start and child.end_byte >= end]
            if not inner:
                return None
            node = inner[0]
        return node

    def _outside(self, node: Node, start: int, end: int) -> bool:
        covered = self.view[node.start_byte : node.end_byte].strip()
        return len(covered) > end - start

    def branch(self, node: Node) -> Branch:
        """Returns the arms of conditional statements around a node, ``catch`` and uncalled functions too."""
        found: list[tuple[int, int]] = []
        below, above = node, node.parent
        while above is not None:
            if above.type == "catch_clause" or self._uncalled(above):
                found.append((above.start_byte, NEVER_SURE))
            elif above.type in _ARMS or (above.type == "elseif_clauses"):
                holder = above.parent if above.type == "elseif_clauses" else above
                key = (holder or above).start_byte
                found.append((key, below.start_byte))
                if above.type == "elseif_clauses" and holder is not None:
                    above = holder
            below, above = above, above.parent
        return tuple(reversed(found))

    def _uncalled(self, node: Node) -> bool:
        return node.type == "function_statement" and not self._called(self._function_name(node))

    def _called(self, function: str) -> list[Node]:
        """Returns the commands that call one of our functions."""
        if self._callers is None:
            self._callers = {}
            for node in self._found.get("command", []):
                self._callers.setdefault(self.name_of(node), []).append(node)
        return self._callers.get(function, [])

    def _function_of(self, node: Node) -> int:
        """Returns where the function around a node begins; -1 for none."""
        if node.id not in self._scopes:
            above = node.parent
            while above is not None and above.type != "function_statement":
                above = above.parent
            self._scopes[node.id] = above.start_byte if above is not None else -1
        return self._scopes[node.id]

    # -- names ------------------------------------------------------------------------------------

    def _function_name(self, node: Node) -> str:
        for child in node.named_children:
            if child.type == "function_name":
                return self._slice(child).lower().rpartition(":")[2]
        return ""

    def _slice(self, node: Node) -> str:
        return super()._slice(node).strip()

    def _own_aliases(self) -> dict[str, str]:
        found = {}
        for node in self._found.get("command", []):
            if self.name_of(node) in ("set-alias", "new-alias"):
                call = self.call(node)
                bound = self.bound(call) if call else {}
                name = next(constants(bound.get("name", UNKNOWN)), "").lower()
                found[name] = next(constants(bound.get("value", UNKNOWN)), "").lower()
        if found:
            self._names.clear()
            self._commands.clear()
        return found

    def name_of(self, node: Node) -> str:
        """Returns a command's name: lower case, aliases resolved, no folder, module or ``.exe``."""
        if node.start_byte not in self._names:
            self._names[node.start_byte] = self._name_of(node.start_byte)
        return self._names[node.start_byte]

    def _name_of(self, start: int) -> str:
        position = start
        view = self.view
        while position < len(view) and view[position] in " \t\n`":
            position += 1
        operator = ""
        if position < len(view) and (
            view[position] == "&" or view.startswith((". ", ".'", '."', ".$"), position)
        ):
            operator = view[position]
            position += 1
            while position < len(view) and view[position] in " \t":
                position += 1
        tokens, _ = lexer.words(view, position) if operator else self._first(position)
        if not tokens or tokens[0].kind != "word":
            return ""
        name = next(constants(self.values.word(tokens[0].items[:1])), "").strip()
        return self.resolved(name)

    def _first(self, position: int) -> tuple[list[lexer.Token], int]:
        token = lexer._word(self.view, position)  # the words behind it are often not wanted
        return [token], token.end

    def resolved(self, name: str) -> str:
        """Returns what a command name stands for."""
        base = name.lower().replace("/", "\\").rpartition("\\")[2]
        exact = base
        for suffix in (".exe", ".com", ".cmd", ".bat"):
            base = base.removesuffix(suffix)
        if exact == base:
            base = self._aliases.get(base, base) if base not in ("", "sc") else base
            return ALIASES.get(base, base)
        return base if base != "sc" else "sc.exe"

    # -- calls ------------------------------------------------------------------------------------

    def call(self, node: Node) -> Call | None:
        """Returns a command's call, or ``None`` for one without a name we can tell."""
        if node.start_byte not in self._commands:
            self._commands[node.start_byte] = None
            self._commands[node.start_byte] = self._call(node)
        return self._commands[node.start_byte]

    def _call(self, node: Node) -> Call | None:
        name = self.name_of(node)
        if not name:
            return None
        start = node.start_byte
        while start < node.end_byte and self.view[start] in " \t\n`":
            start += 1
        begin = start
        while (begin < len(self.view) and self.view[begin] in "& \t") or self.view.startswith(". ", begin):
            begin += 1
        tokens, end = lexer.words(self.view, begin)
        cmdlet = "-" in name or name in self._functions
        found = [word for token in tokens[1:] for word in self._word(token, program=not cmdlet)]
        targets = tuple(
            text
            for token in tokens
            if token.kind == "redirection" and token.items
            for text in constants(self.values.word(token.items))
        )
        stop = tokens[-1].end if tokens else end
        piped, source = self._piped(node)
        cast_off = False
        if name == "sc.exe":
            name = "sc"
        elif name == "sc":
            name, cast_off = self._sc(found)
        return Call(
            name,
            "powershell",
            tuple(found),
            self._part.span(self.place(start), self.place(stop)),
            start,
            self.branch(node),
            piped,
            source,
            targets,
            cast_off,
        )

    @staticmethod
    def _sc(words: list[Word]) -> tuple[str, bool]:
        """``sc`` is Set-Content up to PowerShell 5.1, which takes two values, and the program from 6 on."""
        bare = [word for word in words if not word.parameter]
        first = next(constants(bare[0].values), "").lower() if bare else ""
        program = first in ("config", "stop", "delete", "sdset") or first.startswith("\\\\")
        return ("sc", True) if program and len(bare) > 2 else ("set-content", False)

    def _word(self, token: lexer.Token, *, program: bool) -> Iterator[Word]:
        if token.kind == "redirection":
            return
        if token.kind == "verbatim":
            for text in self.text[token.start : token.end].split():
                yield Word((text.strip('"'),))
            return
        if token.kind == "splat":
            yield Word(self.values.variable("$" + token.name, token.start), splat=True)
            return
        if token.kind == "parameter":
            values = self.values.word(token.items) if token.items else ()
            yield Word(values, token.name, attached=bool(token.items))
            return
        for items in [token.items] if program else _parted(self.view, token.items):
            yield Word(self.values.word(items, program=program))

    def _piped(self, node: Node) -> tuple[Values, Call | None]:
        before = node.prev_named_sibling
        chain = node.parent
        if chain is None or chain.type != "pipeline_chain" or before is None:
            return (), None
        if before.type == "command":
            source = self.call(before)
            values = self.values.node(before)
            if (
                source is not None
                and source.name == "where-object"
                and (names := self._chosen(before, source))
            ):
                return names, source
            if source is not None and values == UNKNOWN and source.name in _PASSING:
                return source.piped, source
            return (() if values == UNKNOWN else values), source
        return self.values.node(before), None

    def _chosen(self, node: Node, call: Call) -> Values:
        """``Where-Object Name -in a, b`` and ``{ $_.Name -eq 'a' }``: the names that are let through."""
        words = call.words
        first = next(constants(words[0].values), "").lower() if words else ""
        if first == "name" and len(words) > 2 and words[1].parameter in _CHOOSING:
            return tuple(constants(words[2].values))
        found: list[Value] = []
        stack = [node]
        while stack:
            one = stack.pop()
            stack += one.named_children
            if one.type == "comparison_expression" and one.child_count == 3:
                left, operator = self._slice(one.children[0]).lower(), self._slice(one.children[1]).lower()
                if left in ("$_.name", "$psitem.name") and operator.lstrip("-") in _CHOOSING:
                    found += constants(self.values.node(one.children[2]))
        return tuple(found[:MAX_ALTERNATIVES])

    def bound(self, call: Call) -> dict[str, Values]:
        """Returns a cmdlet's parameters by their full names."""
        return bind(call, CMDLETS.get(call.name))

    def calls(self, wanted: frozenset[str]) -> Iterator[Call]:
        """Yields the calls somebody may want to judge: commands, method calls, assignments to properties."""
        for node in self._found.get("command", []):
            name = self.name_of(node)
            if name in wanted or name == "sc" or name == "sc.exe":
                call = self.call(node)
                if call is not None and (call.name in wanted):
                    yield call
        for node in self._found.get("invocation", []):
            call = self._method_call(node)
            if call is not None and call.name in wanted:
                yield call
        for node in self._found.get("assignment", []):
            call = self._assignment_call(node)
            if call is not None and call.name in wanted:
                yield call

    def method_of(self, node: Node) -> str:
        """Returns the name of the method a call is of, lower case."""
        for child in node.named_children:
            if child.type == "member_name":
                return self._slice(child).strip("'\"").lower()
        return ""

    def _method_call(self, node: Node) -> Call | None:
        method = self.method_of(node)
        if not method or not node.named_children:
            return None
        target = node.named_children[0]
        empty: Values = ()
        if target.type == "type_literal":
            kind = self._slice(target).strip("[]").lower().rpartition(".")[2]
            name, piped = f"{kind}::{method}", empty
        else:
            name, piped = f".{method}", self.values.node(target)
        words = tuple(Word(values) for values in self.values.arguments(node))
        return self._made(name, words, node, piped)

    def _made(self, name: str, words: tuple[Word, ...], node: Node, piped: Values = ()) -> Call:
        start = node.start_byte
        while start < node.end_byte and self.view[start] in " \t\n":
            start += 1
        span = self._part.span(self.place(start), self.place(node.end_byte))
        return Call(name, "powershell", words, span, start, self.branch(node), piped)

    def _assignment_call(self, node: Node) -> Call | None:
        left = self._slice(node.named_children[0])
        right = node.named_children[-1]
        key = left.lower().replace(" ", "")
        if key.startswith(("$env:", "${env:")):
            return self._made("=" + key.lstrip("${").rstrip("}"), (Word(self.values.node(right)),), node)
        if key.startswith("$psdefaultparametervalues"):
            index = left[left.find("[") + 1 : left.rfind("]")] if "[" in left else ""
            values = self.values.node(right)
            if index:
                values = (Table({index.strip("'\" ").lower(): values}),)
            return self._made("=psdefaultparametervalues", (Word(values),), node)
        if key.endswith(("policy", "callback")):
            member = key.rpartition(".")[2].rpartition(":")[2]
            return self._made("=" + member, (Word(self.values.node(right)),), node)
        return None

    # -- variables ----------------------------------------------------------------------------------

    def _assignments(self) -> dict[str, list[tuple[int, Node, Node]]]:
        """Returns by variable: where it is assigned, the node that does so, and the value's node."""
        found: dict[str, list[tuple[int, Node, Node]]] = {}
        for node in self._found.get("assignment", []):
            left = self._slice(node.named_children[0])
            left = left.rpartition("]")[2] if left.startswith("[") else left
            key = left.lstrip("$").strip("{}").lower()
            for scope in ("script:", "global:", "local:", "private:", "variable:"):
                key = key.removeprefix(scope)
            self._update(left, node)
            if left.startswith("$") and all(char.isalnum() or char in "_:" for char in key):
                found.setdefault(key, []).append((node.end_byte, node, node.named_children[-1]))
        for node in self._found.get("foreach", []):
            names = [child for child in node.named_children if child.type == "variable"]
            blocks = [child for child in node.named_children if child.type == "statement_block"]
            if names and blocks:
                key = self._slice(names[0]).lstrip("$").lower()
                sources = [child for child in node.named_children if names[0].end_byte <= child.start_byte]
                found.setdefault(key, []).append((sources[0].end_byte, node, sources[0]))
        for node in self._found.get("parameter", []):
            names = [child for child in node.named_children if child.type == "variable"]
            if names:
                key = self._slice(names[0]).lstrip("$").lower()
                found.setdefault(key, []).append((node.end_byte, node, node))
        for entries in found.values():
            entries.sort(key=lambda entry: entry[0])
        return found

    def _update(self, left: str, node: Node) -> None:
        """``$table.key = …`` and ``$table['key'] = …``."""
        name, dot, member = left.lstrip("$").partition(".")
        if not dot and left.endswith("]"):
            name, dot, member = left[:-1].lstrip("$").partition("[")
            if member[:1] not in ("'", '"'):
                return
        member = member.strip("'\"").lower()
        if dot and left.startswith("$") and member.isalnum() and name.isidentifier():
            entry = (node.end_byte, member, node.named_children[-1])
            self._updates.setdefault(name.lower(), []).append(entry)

    def _updated(self, key: str, position: int, found: Values) -> Values:
        updates = [entry for entry in self._updates.get(key, []) if entry[0] <= position]
        if not updates:
            return found
        more = {member: self.values.node(value) for _end, member, value in updates}
        return tuple(
            Table({**value.entries, **more}) if isinstance(value, Table) else value for value in found
        )

    def variables(self, key: str, position: int) -> Values | None:
        """Returns what a variable can be at a position, or ``None`` when nothing here says so."""
        if key in _PIPE_VARIABLES:
            return self._pipe_variable(position)
        entries = self._assigned.get(key)
        if not entries or self._root is None:
            return self._shared.get(key)
        place = self._root.descendant_for_byte_range(position, position + 1)
        function = self._function_of(place) if place is not None else -1
        here = self.branch(place) if place is not None else ()
        found: list[Values] = []
        for _end, node, value in self._assignments_before(entries, position, function):
            there = self.branch(node)
            if _excludes(there, here):
                continue
            found.append(self._assigned_values(node, value))
            loop = node.type == "foreach_statement"
            sure = node.end_byte >= position if loop else there == here[: len(there)]
            if sure or len(found) > MAX_ALTERNATIVES:
                break
        if not found:
            return self._shared.get(key)
        return self._updated(key, position, merged(found))

    def _assignments_before(
        self, entries: list[tuple[int, Node, Node]], position: int, function: int
    ) -> Iterator[tuple[int, Node, Node]]:
        """Yields what may have set a variable, the latest first; a function sees the script's own too."""
        own = False
        for index in range(bisect_right(entries, position, key=lambda entry: entry[0]) - 1, -1, -1):
            if self._function_of(entries[index][1]) == function:
                own = True
                yield entries[index]
        if not own and function != -1:
            yield from (entry for entry in reversed(entries) if self._function_of(entry[1]) == -1)

    def _assigned_values(self, node: Node, value: Node) -> Values:
        if node.type == "script_parameter":
            return self._parameter_values(node)
        values = self.values.node(value)
        if node.type == "foreach_statement":
            return _each(values)
        operator = next((child for child in node.children if child.type == "assignement_operator"), None)
        sign = self._slice(operator) if operator is not None else "="
        if sign == "+=":
            key = self._slice(node.named_children[0]).lstrip("$").lower()
            before = self.variables(key, node.start_byte) if node.start_byte else None
            return combined([before, values]) if before is not None else UNKNOWN
        return values if sign == "=" else UNKNOWN

    def _parameter_values(self, node: Node) -> Values:
        found: list[Values] = []
        found += [
            self.values.node(child.named_children[-1])
            for child in node.named_children
            if child.type == "script_parameter_default"
        ]
        function = node.parent
        while function is not None and function.type != "function_statement":
            function = function.parent
        names = self._parameters_of(function) if function is not None else []
        own = next(
            (self._slice(c).lstrip("$").lower() for c in node.named_children if c.type == "variable"), ""
        )
        if function is not None and own in names:
            found += self._arguments(self._function_name(function), own, names)
        return merged(found) if found else UNKNOWN

    def _parameters_of(self, function: Node) -> list[str]:
        if self._parameters is None:
            self._parameters = {}
            for node in self._found.get("parameter", []):
                names = [
                    self._slice(child).lstrip("$").lower()
                    for child in node.named_children
                    if child.type == "variable"
                ]
                self._parameters.setdefault(self._function_of(node), []).extend(names)
        return self._parameters.get(function.start_byte, [])

    def _arguments(self, function: str, own: str, names: list[str]) -> Iterator[Values]:
        """Yields what the calls of one of our functions give to one of its parameters."""
        seen = 0
        for node in self._called(function):
            call = self.call(node)
            if call is None:
                continue
            given = bind(call, None, tuple(names))
            if own in given:
                yield given[own]
                seen += 1
            if seen > MAX_ALTERNATIVES:
                return

    def _pipe_variable(self, position: int) -> Values | None:
        """``$_`` of ``… | ForEach-Object { … }`` is each of the values that come through the pipe.

        So it is in ``(…).ForEach({ … })``, each of the values before the dot.
        """
        if self._root is None:
            return None
        node = self._root.descendant_for_byte_range(position, position + 1)
        while node is not None:
            if node.type == "command" and node.start_byte < position and self.name_of(node) in _EACH:
                values, _source = self._piped(node)
                return _each(values) if values else None
            if node.type == "invokation_foreach_expression":
                return _each(self.values.node(node.named_children[0]))
            node = node.parent
        return None

    def exported(self) -> dict[str, Values]:
        """Returns the variables as they are at the end: the next block of an article goes on with them."""
        return {
            key: values
            for key in self._assigned
            if (values := self.variables(key, max(0, len(self.view) - 1))) is not None and values != UNKNOWN
        }


def _parted(view: str, items: list[list[lexer.Piece]]) -> list[list[list[lexer.Piece]]]:
    """``Name(1, 2)`` in a cmdlet's arguments is two of them: ``Name`` and ``(1, 2)``."""
    if len(items) != 1:
        return [items]
    pieces = items[0]
    for index, piece in enumerate(pieces):
        if index and piece.kind == "group" and view[piece.start] == "(":
            return [[pieces[:index]], *_parted(view, [pieces[index:]])]
    return [items]


def _excludes(one: Branch, other: Branch) -> bool:
    """Whether two places are in different arms of the same statement."""
    arms = dict(one)
    return any(arms.get(key, arm) != arm for key, arm in other)


def _each(values: Values) -> Values:
    """Returns the values a loop over these would see."""
    found: list[Value] = []
    for value in values:
        if isinstance(value, Items):
            for item in value.items:
                found += item
        elif isinstance(value, Instance) and value.arguments:
            found += _each(value.arguments[0])
        else:
            found.append(value)
    return tuple(found[:MAX_ALTERNATIVES]) or UNKNOWN
