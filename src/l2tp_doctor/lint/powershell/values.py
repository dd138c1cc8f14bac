"""What an expression's value is, as far as one file tells: constant propagation over the tree."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from l2tp_doctor.lint.model import (
    HOLE,
    MAX_ALTERNATIVES,
    UNKNOWN,
    Block,
    Instance,
    Items,
    Table,
    Value,
    Values,
    constants,
    known,
)
from l2tp_doctor.lint.powershell import lexer

if TYPE_CHECKING:
    from tree_sitter import Node

    from l2tp_doctor.lint.powershell.script import Script

_MAX_DEPTH = 40
_MAX_TEXT = 100_000
_BUILT_IN = {"true": "True", "false": "False", "null": ""}
# Well-known SIDs by the name .NET gives them.
_WELL_KNOWN = {"worldsid": "S-1-1-0", "authenticatedusersid": "S-1-5-11", "builtinuserssid": "S-1-5-32-545"}
_HIVES = {
    "localmachine": "HKEY_LOCAL_MACHINE",
    "currentuser": "HKEY_CURRENT_USER",
    "classesroot": "HKEY_CLASSES_ROOT",
    "users": "HKEY_USERS",
}
# Nodes that say something themselves although they have one child only.
_WHOLE = frozenset({"variable", "expandable_string_literal", "expandable_here_string_literal", "command"})
_WRITERS = ("write-output", "echo", "write")


def combined(parts: Iterable[Values]) -> Values:
    """Returns the strings that parts can be put together to."""
    texts = [""]
    for values in parts:
        choices = list(dict.fromkeys(_as_text(value) for value in values))
        if len(texts) * len(choices) > MAX_ALTERNATIVES:
            choices = [HOLE]
        texts = [text + choice for text in texts for choice in choices]
        texts = [text if len(text) <= _MAX_TEXT else HOLE for text in texts]
    return tuple(dict.fromkeys(texts))


def _as_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Items):
        return " ".join(next(constants(item), HOLE) for item in value.items[:MAX_ALTERNATIVES])
    return HOLE


def merged(groups: Iterable[Values]) -> Values:
    """Returns alternatives of alternatives as one tuple, bounded."""
    found: list[Value] = []
    for values in groups:
        found += [value for value in values if value not in found]
        if len(found) > MAX_ALTERNATIVES:
            break
    return tuple(found[:MAX_ALTERNATIVES]) or UNKNOWN


class Evaluator:
    """Values of the nodes of one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._depth = 0
        self._cache: dict[int, Values] = {}

    def node(self, node: Node | None) -> Values:
        """Returns what a node can be; ``UNKNOWN`` for what only the run tells."""
        if node is None or self._depth > _MAX_DEPTH:
            return UNKNOWN
        if node.id not in self._cache:
            self._cache[node.id] = UNKNOWN  # what a value that rests on itself finds
            self._depth += 1
            try:
                self._cache[node.id] = self._evaluate(node)
            finally:
                self._depth -= 1
        return self._cache[node.id]

    def _evaluate(self, node: Node) -> Values:
        while node.child_count == 1 and node.type not in _WHOLE:
            node = node.children[0]
        handler = _HANDLERS.get(node.type)
        return handler(self, node) if handler else UNKNOWN

    # -- strings --------------------------------------------------------------------------------

    def _single(self, node: Node) -> Values:
        return (self._script.text[node.start_byte + 1 : node.end_byte - 1].replace("''", "'"),)

    def _double(self, node: Node) -> Values:
        return self.expand(node.start_byte + 1, node.end_byte - 1)

    def _here(self, node: Node) -> Values:
        content = self._script.text[node.start_byte : node.end_byte]
        begin, end = content.find("\n") + 1, content.rfind("\n")
        if not 0 < begin <= end:
            return ("",)
        if node.type.startswith("verbatim"):
            return (content[begin:end],)
        return self.expand(node.start_byte + begin, node.start_byte + end, quotes=False)

    def expand(self, start: int, end: int, *, quotes: bool = True) -> Values:
        """Returns an expandable string's value: variables, sub-expressions and backticks resolved."""
        view, text = self._script.view, self._script.text
        parts: list[Values] = []
        literal: list[str] = []
        position = start
        while position < end:
            char = view[position]
            step = position + 1
            value: Values | None = None
            if char == "`":
                step = position + 2
                literal.append(_escaped(text[position + 1 : step]))
            elif char == '"' and quotes and view.startswith('"', position + 1):
                step = position + 2
                literal.append('"')
            elif char == "$" and view.startswith("(", position + 1):
                step = lexer.end_of_group(view, position + 1)
                value = self.at(position, min(step, end))
            elif char == "$" and (match := lexer._VARIABLE.match(view, position, end)):
                step = match.end()
                value = self.variable(match[0], position)
            else:
                literal.append(text[position])
            if value is not None:
                parts += [("".join(literal),), value]
                literal = []
            position = step
        return combined([*parts, ("".join(literal),)])

    # -- words of a command ---------------------------------------------------------------------

    def at(self, start: int, end: int) -> Values:
        """Returns the value of whatever node covers a range."""
        node = self._script.node_at(start, end)
        return UNKNOWN if node is None else self.node(node)

    def word(self, items: list[list[lexer.Piece]], *, program: bool = False) -> Values:
        """Returns what a word of a command line can be.

        Args:
            items: its pieces, one list for each element of a list.
            program: the command is a program: brackets after text are text, as their writer means them.
        """
        values = [self._pieces(pieces, program=program) for pieces in items if pieces]
        if not values:
            return ("",)
        return values[0] if len(items) == 1 else (Items(tuple(values)),)

    def _pieces(self, pieces: list[lexer.Piece], *, program: bool) -> Values:
        if len(pieces) == 1:
            return self._piece(pieces[0])
        parts: list[Values] = []
        for piece in pieces:
            inner = self._script.text[piece.start + 1 : piece.end - 1]
            bracket = piece.kind == "group" and self._script.view[piece.start] == "("
            if bracket and program and inner.replace(",", "").isalnum():
                parts.append((f"({inner})",))
            else:
                parts.append(self._piece(piece))
        return combined(parts)

    def _piece(self, piece: lexer.Piece) -> Values:
        text = self._script.text[piece.start : piece.end]
        match piece.kind:
            case "text":
                return (text,)
            case "escape":
                return (_escaped(text[1:]),)
            case "single":
                return (text[1:-1].replace("''", "'"),)
            case "double":
                return self.expand(piece.start + 1, max(piece.end - 1, piece.start + 1))
            case "variable":
                return self.variable(self._script.view[piece.start : piece.end], piece.start)
        return self.at(piece.start, piece.end)

    def variable(self, name: str, position: int) -> Values:
        """Returns what ``$name`` can be where it stands."""
        key = name.lstrip("$@").strip("{}").lower()
        for scope in ("script:", "global:", "local:", "private:", "using:", "variable:"):
            key = key.removeprefix(scope)
        if key in _BUILT_IN:
            return (_BUILT_IN[key],)
        self._depth += 1
        try:
            found = self._script.variables(key, position) if self._depth <= _MAX_DEPTH else None
        finally:
            self._depth -= 1
        if found is not None:
            return found
        return (f"%{key[4:]}%",) if key.startswith("env:") else UNKNOWN

    def _variable(self, node: Node) -> Values:
        return self.variable(self._script.view[node.start_byte : node.end_byte].strip(), node.start_byte)

    # -- operators ------------------------------------------------------------------------------

    def _number(self, node: Node) -> Values:
        text = self._script.view[node.start_byte : node.end_byte].strip().lower()
        try:
            return (str(int(text, 0)),)
        except ValueError:
            return (text,)

    def _operands(self, node: Node) -> list[Node]:
        return list(node.named_children)

    def _addition(self, node: Node) -> Values:
        left, right = node.child(0), node.child(node.child_count - 1)
        operator = self._script.view[node.child(1).start_byte] if node.child_count == 3 else ""
        if operator != "+":
            return UNKNOWN
        ours, theirs = self.node(left), self.node(right)
        if len(ours) == 1 and isinstance(ours[0], Items):
            more = theirs[0].items if isinstance(theirs[0], Items) else (theirs,)
            return (Items((*ours[0].items, *more)[:MAX_ALTERNATIVES]),)
        return combined([ours, theirs])

    def _format(self, node: Node) -> Values:
        if node.child_count != 3:
            return UNKNOWN
        arguments: list[Values] = []
        for value in self.node(node.child(2))[:1]:
            arguments = list(value.items) if isinstance(value, Items) else [(value,)]
        given = [_as_text(values[0]) for values in arguments]
        return tuple(_formatted(pattern, given) for pattern in constants(self.node(node.child(0)))) or UNKNOWN

    def _comparison(self, node: Node) -> Values:
        if node.child_count == 2 or (
            node.child_count == 3 and node.children[0].type == "comparison_operator"
        ):
            return UNKNOWN
        if node.child_count != 3:
            return UNKNOWN
        operator = self._script.view[node.children[1].start_byte : node.children[1].end_byte].strip().lower()
        left, right = self.node(node.child(0)), self.node(node.child(2))
        if operator in ("-replace", "-creplace", "-ireplace"):
            return _replaced(left, right)
        if operator == "-join":
            return _joined(left, next(constants(right), ""))
        if operator in ("-split", "-csplit", "-isplit"):
            pieces = next(constants(left), HOLE).split(next(constants(right), " ") or None)
            return (Items(tuple((piece,) for piece in pieces[:MAX_ALTERNATIVES])),)
        return UNKNOWN

    def _unary(self, node: Node) -> Values:
        first = node.child(0)
        last = node.child(node.child_count - 1)
        text = self._script.view[node.start_byte : node.end_byte].lower()
        if text.startswith("-join"):
            return _joined(self.node(last), "")
        if first is not None and first.type == "cast_expression":
            return self.node(first)
        return UNKNOWN

    def _cast(self, node: Node) -> Values:
        values = self.node(node.child(node.child_count - 1))
        name = self._type(node.child(0))
        if name == "char":
            return tuple(_character(value) for value in values)
        if name in ("securityidentifier", "ntaccount"):
            return (Instance(name, (values,)),)
        return values

    def _list(self, node: Node) -> Values:
        return (Items(tuple(self.node(child) for child in node.named_children[:200])),)

    def _array(self, node: Node) -> Values:
        found: list[Values] = []
        for child in node.named_children:
            for statement in child.named_children if child.type == "statement_list" else [child]:
                value = self.node(statement)
                found += value[0].items if isinstance(value[0], Items) else [value]
        return (Items(tuple(found[:200])),)

    def _inner(self, node: Node) -> Values:
        children = [child for child in node.named_children if child.type != "comment"]
        if len(children) == 1 and children[0].type == "statement_list":
            children = [child for child in children[0].named_children if child.type != "empty_statement"]
        return self.node(children[-1]) if len(children) == 1 else UNKNOWN

    def _hash(self, node: Node) -> Values:
        entries: dict[str, Values] = {}
        for body in node.named_children:
            for entry in body.named_children:
                named = [child for child in entry.named_children if child.type != "empty_statement"]
                if entry.type == "hash_entry" and len(named) >= 2:
                    entries[self._key(named[0])] = self.node(named[-1])
        return (Table(entries),)

    def _key(self, node: Node) -> str:
        key = self._script.text[node.start_byte : node.end_byte].strip()
        if key[:1] in ("'", '"', "$", "("):
            return next(constants(self.node(node)), HOLE).lower()
        return key.lower()

    def _block(self, node: Node) -> Values:
        return (Block(self._script.text[node.start_byte : node.end_byte].strip()),)

    def _pipeline(self, node: Node) -> Values:
        children = list(node.named_children)
        last = children[-1] if children else None
        if len(children) == 1:
            return self.node(last)
        if last is not None and last.type == "command":
            name = self._script.name_of(last)
            if name in ("convertto-securestring", "select-object", "out-string", *_WRITERS):
                return self.node(children[-2]) if len(children) == 2 else UNKNOWN
        return UNKNOWN

    def _conditional(self, node: Node) -> Values:
        blocks = [child for child in node.named_children if child.type == "statement_block"]
        for clause in node.named_children:
            if clause.type in ("else_clause", "elseif_clauses", "elseif_clause"):
                blocks += _descendants(clause, "statement_block")
        return merged(self._inner(block) for block in blocks)

    # -- objects and calls ------------------------------------------------------------------------

    def _type(self, node: Node | None) -> str:
        if node is None:
            return ""
        text = self._script.text[node.start_byte : node.end_byte].strip().strip("[]").lower()
        return text.rpartition(".")[2]

    def _type_literal(self, node: Node) -> Values:
        return (f"[{self._type(node)}]",)

    def _member(self, node: Node) -> Values:
        named = node.named_children
        if len(named) < 2:
            return UNKNOWN
        member = self._script.text[named[-1].start_byte : named[-1].end_byte].strip()
        if named[0].type == "type_literal":
            if self._type(named[0]) == "registry":
                return (_HIVES.get(member.lower(), HOLE),)
            if member.lower() in _WELL_KNOWN:
                return (_WELL_KNOWN[member.lower()],)
            return (member,)
        base = self.node(named[0])
        if member.lower() in ("value", "name", "fullname"):
            return base
        found = [value.entries.get(member.lower(), UNKNOWN) for value in base if isinstance(value, Table)]
        return merged(found) if found else UNKNOWN

    def _element(self, node: Node) -> Values:
        named = node.named_children
        if len(named) < 2:
            return UNKNOWN
        base, key = self.node(named[0]), next(constants(self.node(named[-1])), HOLE)
        for value in base:
            if isinstance(value, Table):
                return value.entries.get(key.lower(), UNKNOWN)
            if isinstance(value, Items) and key.lstrip("-").isdigit() and -1 <= int(key) < len(value.items):
                return value.items[int(key)]
        return UNKNOWN

    def _bracketed(self, node: Node) -> Values:
        """``New-Object Name(1, 2)``: to the grammar its words are a method's arguments."""
        found = [self.node(one) for part in node.named_children for one in part.named_children]
        return found[0] if len(found) == 1 else (Items(tuple(found)),)

    def arguments(self, node: Node) -> list[Values]:
        """Returns the arguments of a method call."""
        found = []
        for child in node.named_children:
            if child.type == "argument_list":
                for part in child.named_children:
                    found += [self.node(one) for one in part.named_children if one.type != "comment"]
        return found

    def _invocation(self, node: Node) -> Values:
        method, target = self._script.method_of(node), node.named_children[0]
        arguments = self.arguments(node)
        if target.type == "type_literal":
            return self._static(self._type(target), method, arguments)
        base = self.node(target)
        if method in ("translate", "tostring", "trim", "getenumerator", "normalize", "trimend", "trimstart"):
            return base
        if method == "opensubkey" and arguments:
            return combined([base, ("\\",), arguments[0]])
        if method in ("tolower", "toupper"):
            return tuple(value.lower() if isinstance(value, str) else value for value in base)
        if method == "replace" and len(arguments) > 1:
            return _replaced(base, (Items(tuple(arguments[:2])),), literal=True)
        if method in ("getstring", "frombase64string") and arguments:
            return arguments[0]
        return UNKNOWN

    def _static(self, kind: str, method: str, arguments: list[Values]) -> Values:
        if method == "new":
            return (Instance(kind, tuple(arguments)),)
        if kind == "convert" and method == "frombase64string" and arguments:
            return tuple(_decoded(value) for value in constants(arguments[0])) or UNKNOWN
        if kind == "string" and method == "concat":
            return combined(arguments)
        if kind == "string" and method == "join" and len(arguments) == 2:
            return _joined(arguments[1], next(constants(arguments[0]), HOLE))
        if kind == "registrykey" and method == "openbasekey" and arguments:
            return tuple(_HIVES.get(value.lower(), HOLE) for value in constants(arguments[0])) or UNKNOWN
        if kind == "path" and method == "combine":
            return combined([part for value in arguments for part in (value, ("\\",))][:-1])
        return UNKNOWN

    def _command(self, node: Node) -> Values:
        call = self._script.call(node)
        if call is None:
            return UNKNOWN
        if call.name == "new-object":
            return _new_object(self._script.bound(call))
        if call.name in _WRITERS and len(call.words) == 1:
            return call.words[0].values
        bound = self._script.bound(call)
        if call.name == "convertto-securestring":
            return bound.get("string", UNKNOWN)
        if call.name == "join-path":
            return combined([bound.get("path", UNKNOWN), ("\\",), bound.get("childpath", UNKNOWN)])
        if call.name in ("get-service", "get-item", "get-process"):
            return (Instance(call.name, (bound.get("name") or bound.get("path") or UNKNOWN,)),)
        if call.name in ("get-wmiobject", "get-ciminstance"):
            filters = bound.get("filter") or bound.get("query") or UNKNOWN
            return (Instance("cim", (bound.get("class") or bound.get("classname") or UNKNOWN, filters)),)
        return UNKNOWN


def _new_object(bound: dict[str, Values]) -> Values:
    kind = next(constants(bound.get("typename", UNKNOWN)), HOLE).lower().rpartition(".")[2]
    arguments: tuple[Values, ...] = ()
    for value in bound.get("argumentlist", ())[:1]:
        arguments = value.items if isinstance(value, Items) else ((value,),)
    return (Instance(kind, arguments),)


def _formatted(pattern: str, arguments: list[str]) -> str:
    """``-f`` without its number formats: ``{1}``, ``{0,-8}`` and ``{0:x}`` all give the argument itself."""
    parts = []
    for number, piece in enumerate(pattern.replace("{{", "\x01").replace("}}", "\x02").split("{")):
        if number == 0:
            parts.append(piece)
            continue
        field, closed, rest = piece.partition("}")
        index = field.split(",")[0].split(":")[0].strip()
        if not closed or not index.isdecimal() or len(index) > 3 or int(index) >= len(arguments):
            return HOLE
        parts += [arguments[int(index)], rest]
    return "".join(parts).replace("\x01", "{").replace("\x02", "}")


def _escaped(char: str) -> str:
    return {"n": "\n", "t": "\t", "r": "\r", "0": "", "a": "", "b": "", "f": "", "v": "", "\n": ""}.get(
        char, char
    )


def _replaced(values: Values, pair: Values, *, literal: bool = False) -> Values:
    """``-replace`` where its pattern has nothing a regular expression would treat specially."""
    old = new = ""
    for value in pair[:1]:
        items = value.items if isinstance(value, Items) else ((value,),)
        old = next(constants(items[0]), HOLE) if items else HOLE
        new = next(constants(items[1]), HOLE) if len(items) > 1 else ""
    special = set("\\.[](){}*+?^$|") & set(old)
    found: list[Value] = []
    for value in values:
        if not isinstance(value, str) or not old or (special and not literal) or not known(old):
            # Whatever was there: what replaces it may be on a line of its own afterwards.
            found.append(f"{HOLE}\n{new}\n{HOLE}" if known(new) and new else HOLE)
        elif not known(value):
            found.append(f"{HOLE}\n{new}\n{HOLE}" if known(new) and new else HOLE)
        elif literal:
            found.append(value.replace(old, new)[:_MAX_TEXT])
        else:
            found.append(_replace_any_case(value, old, new))
    return tuple(found)


def _replace_any_case(text: str, old: str, new: str) -> str:
    parts, lower, key, last = [], text.lower(), old.lower(), 0
    if len(lower) != len(text):
        return HOLE
    while (place := lower.find(key, last)) >= 0:
        parts += [text[last:place], new]
        last = place + len(key)
    return "".join([*parts, text[last:]])


def _joined(values: Values, separator: str) -> Values:
    return tuple(
        separator.join(_as_text(item[0]) for item in value.items) if isinstance(value, Items) else value
        for value in values
    )


def _character(value: Value) -> str:
    if isinstance(value, str) and value.isdigit() and 0 < int(value) < 0xD800:
        return chr(int(value))
    return value if isinstance(value, str) and len(value) == 1 else HOLE


def _decoded(value: str) -> str:
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return HOLE
    encoding = "utf-16-le" if len(content) > 1 and content[1::2].count(0) > len(content) // 4 else "utf-8"
    return content.decode(encoding, "replace").replace("\0", "")


def _descendants(node: Node, kind: str) -> list[Node]:
    found = []
    for child in node.named_children:
        found += [child] if child.type == kind else _descendants(child, kind)
    return found


_HANDLERS: dict[str, Callable[[Evaluator, Node], Values]] = {
    "verbatim_string_characters": Evaluator._single,
    "expandable_string_literal": Evaluator._double,
    "verbatim_here_string_characters": Evaluator._here,
    "expandable_here_string_literal": Evaluator._here,
    "variable": Evaluator._variable,
    "decimal_integer_literal": Evaluator._number,
    "hexadecimal_integer_literal": Evaluator._number,
    "additive_expression": Evaluator._addition,
    "additive_argument_expression": Evaluator._addition,
    "format_expression": Evaluator._format,
    "format_argument_expression": Evaluator._format,
    "comparison_expression": Evaluator._comparison,
    "comparison_argument_expression": Evaluator._comparison,
    "expression_with_unary_operator": Evaluator._unary,
    "cast_expression": Evaluator._cast,
    "array_literal_expression": Evaluator._list,
    "array_expression": Evaluator._array,
    "parenthesized_expression": Evaluator._inner,
    "sub_expression": Evaluator._inner,
    "statement_block": Evaluator._inner,
    "hash_literal_expression": Evaluator._hash,
    "script_block_expression": Evaluator._block,
    "pipeline_chain": Evaluator._pipeline,
    "type_literal": Evaluator._type_literal,
    "member_access": Evaluator._member,
    "element_access": Evaluator._element,
    "invokation_expression": Evaluator._invocation,
    "argument_list": Evaluator._bracketed,
    "command": Evaluator._command,
    "if_statement": Evaluator._conditional,
}
