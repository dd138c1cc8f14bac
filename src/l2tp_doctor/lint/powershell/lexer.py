"""Splits PowerShell's command lines into words: what the grammar lacks.

The tree says where commands, blocks, pipes and functions are.  PowerShell reads a command's arguments by
rules of their own (about_Parsing, "argument mode"), which the grammar follows in part only: ``a, b``,
``-L2tpPsk``, ``$env:windir\\x``, ``Everyone:(F)`` and ``$user`:F`` make it lose the rest of the line or of
the file.  So the words of a command always come from here, and where a text has parse errors,
:func:`simplified` puts plain letters in the place of such arguments before it is parsed once more.

All functions work on the *view* of a text: the same text with one ASCII character for each of its own.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from l2tp_doctor.lint.parsed import ascii_view as plain_view

_LOOKALIKES = {ord(char): "'" for char in "\u2018\u2019\u201a\u201b"}
_LOOKALIKES |= {ord(char): '"' for char in "\u201c\u201d\u201e"}
_LOOKALIKES |= {ord(char): "-" for char in "\u2013\u2014\u2015"}
_LOOKALIKES |= {ord(char): " " for char in "\u00a0\u3000\u2002\u2003\u2009"}

_SPACE = re.compile(r"(?:[ \t\f\v]+|`\n|<#.*?(?:#>|\Z))+", re.S)
_TEXT = re.compile(r"[^\s'\"`$@(){},;|&]+")
_VARIABLE = re.compile(r"\$(?:\{[^}]*\}|(?:\w+:(?!:))?[\w?]+|[$^])")
_SPLAT = re.compile(r"@[A-Za-z_]\w*")
_PARAMETER = re.compile(r"-(?:[A-Za-z_?]|`[A-Za-z_])(?:[\w?-]|`\w)*")
_ACCESS = re.compile(r"(?:\.|::)[A-Za-z_]\w*")
_REDIRECTION = re.compile(r"[\d*]?>>?(?:&\d)?")
_BAREWORD = re.compile(r"(?:[A-Za-z_\\./~%?*+!^:#\d-]|`.)(?:[^\s'\"`$@(){},;|&=]|`.)*", re.S)
_KEYWORDS = frozenset(
    [
        "begin",
        "break",
        "catch",
        "class",
        "clean",
        "continue",
        "data",
        "do",
        "dynamicparam",
        "else",
        "elseif",
        "end",
        "enum",
        "exit",
        "filter",
        "finally",
        "for",
        "foreach",
        "function",
        "if",
        "in",
        "param",
        "process",
        "return",
        "switch",
        "throw",
        "trap",
        "try",
        "until",
        "using",
        "while",
        "workflow",
    ]
)
_MAX_DEPTH = 60
_MAX_WORDS = 400
_CLOSERS = {"(": ")", "{": "}", "[": "]"}


def ascii_view(text: str) -> str:
    """Returns one ASCII character for each; typographic quotes and dashes as PowerShell reads them."""
    return text if text.isascii() else plain_view(text.translate(_LOOKALIKES))


@dataclass(slots=True)
class Piece:
    """A part of a word: ``text escape single double variable expression`` or ``group``."""

    kind: str
    start: int
    end: int


@dataclass(slots=True)
class Token:
    """A word.

    Attributes:
        kind: ``word``, ``parameter``, ``splat``, ``redirection`` or ``verbatim`` (after ``--%``).
        start: of it.
        end: of it.
        name: of a parameter.
        items: its pieces; more than one list when the word is a list with commas.
    """

    kind: str
    start: int
    end: int
    name: str = ""
    items: list[list[Piece]] = field(default_factory=list)


def end_of_string(view: str, position: int) -> int:
    """Returns where a quoted string ends; a here-string too."""
    if view.startswith(("@'", '@"'), position):
        found = view.find("\n" + view[position + 1] + "@", position)
        return len(view) if found < 0 else found + 3
    quote = view[position]
    position += 1
    while position < len(view):
        char = view[position]
        if char == "`" and quote == '"':
            position += 2
        elif char == quote:
            if view.startswith(quote, position + 1):
                position += 2
            else:
                return position + 1
        elif char == "$" and quote == '"' and view.startswith("(", position + 1):
            position = end_of_group(view, position + 1)
        else:
            position += 1
    return len(view)


_INTERESTING = re.compile(r"[(){}\[\]'\"`#]|@['\"][ \t]*\n|<#")


def end_of_group(view: str, position: int) -> int:
    """Returns where the bracket at ``position`` is closed, strings and comments skipped."""
    stack: list[str] = []
    while True:
        match = _INTERESTING.search(view, position)
        if match is None:
            return len(view)
        position = match.start()
        char = match[0]
        if char in _CLOSERS:
            stack.append(_CLOSERS[char])
            position += 1
        elif char in ")}]":
            while stack and stack[-1] != char:
                stack.pop()
            if stack:
                stack.pop()
            position += 1
            if not stack:
                return position
        else:
            position = _skip(view, position, char)


def _skip(view: str, position: int, token: str) -> int:
    if token == "`":
        return position + 2
    if token == "<#":
        found = view.find("#>", position)
        return len(view) if found < 0 else found + 2
    if token == "#":
        if position and (view[position - 1].isalnum() or view[position - 1] in "_$"):
            return position + 1
        found = view.find("\n", position)
        return len(view) if found < 0 else found
    # A quote between a backslash and letters cannot be told from one that opens a string; it opens one.
    return end_of_string(view, position)


def words(view: str, position: int) -> tuple[list[Token], int]:
    """Returns the words of the command that begins at ``position``, its name the first, and where it ends."""
    found: list[Token] = []
    joins = False
    while len(found) < _MAX_WORDS:
        space = _SPACE.match(view, position)
        if space:
            position = space.end()
        if joins and view.startswith("\n", position):
            position += 1
            continue
        if position >= len(view) or view[position] in "\n;|)}#":
            break
        char = view[position]
        if char == "&" and found:
            break
        if char == ",":
            joins = bool(found) and found[-1].kind in ("word", "parameter")
            position += 1
            if found:
                found[-1].end = position
            continue
        token = _word(view, position)
        if token.end <= position:  # a character that begins nothing
            position += 1
            continue
        position = token.end
        if joins and token.kind == "word":
            found[-1].items.extend(token.items)
            found[-1].end = token.end
        elif found and _takes(view, found[-1], token):
            found[-1].items, found[-1].end = token.items, token.end
        else:
            found.append(token)
        joins = False
    return found, position


def _takes(view: str, last: Token, token: Token) -> bool:
    """``-Name: value``: the parameter before takes the word."""
    return last.kind == "parameter" and not last.items and view[last.end - 1] == ":" and token.kind == "word"


def _word(view: str, position: int) -> Token:
    if view.startswith("--%", position) and (position + 3 >= len(view) or view[position + 3] in " \t\n"):
        ends = [view.find(char, position) for char in "\n|"]
        end = min((place for place in ends if place >= 0), default=len(view))
        return Token("verbatim", position + 3, end)
    redirection = _REDIRECTION.match(view, position)
    if redirection:
        end = redirection.end()
        if redirection[0][-1] != ">":
            return Token("redirection", position, end)
        space = _SPACE.match(view, end)
        pieces, end = _pieces(view, space.end() if space else end)
        return Token("redirection", position, end, items=[pieces])
    splat = _SPLAT.match(view, position)
    if splat:
        return Token("splat", position, splat.end(), splat[0][1:].lower())
    parameter = _PARAMETER.match(view, position)
    if parameter:
        end = parameter.end()
        name = parameter[0][1:].replace("`", "").lower()
        if end >= len(view) or view[end] in " \t\n;|&)},":
            return Token("parameter", position, end, name)
        if view[end] == ":":
            pieces, after = _pieces(view, end + 1)
            return Token("parameter", position, after, name, [pieces] if pieces else [])
    pieces, end = _pieces(view, position)
    return Token("word", position, end, items=[pieces])


def _pieces(view: str, position: int) -> tuple[list[Piece], int]:
    pieces: list[Piece] = []
    while position < len(view):
        char = view[position]
        start, kind = position, ""
        if char in "'\"":
            kind, position = ("single" if char == "'" else "double"), end_of_string(view, position)
        elif char == "@" and view[position + 1 : position + 2] in ("'", '"') and not pieces:
            kind, position = "group", end_of_string(view, position)
        elif char == "`":
            if view.startswith("\n", position + 1):
                break
            kind, position = "escape", position + 2
        elif char == "(" or (char in "$@" and view[position + 1 : position + 2] == "("):
            kind, position = "group", end_of_group(view, position + (char != "("))
        elif char == "{" or (char == "@" and view[position + 1 : position + 2] == "{"):
            if pieces:
                break
            kind, position = "group", end_of_group(view, position + (char != "{"))
        elif char == "$" and (variable := _VARIABLE.match(view, position)):
            kind, position = _accessed(view, variable.end())
        elif text := _TEXT.match(view, position):
            kind, position = "text", text.end()
        elif char in "$@":
            kind, position = "text", position + 1
        else:
            break
        pieces.append(Piece(kind, start, min(position, len(view))))
    return pieces, min(position, len(view))


def _accessed(view: str, position: int) -> tuple[str, int]:
    kind = "variable"
    while True:
        access = _ACCESS.match(view, position)
        if access:
            kind, position = "expression", access.end()
            if view.startswith("(", position):
                position = end_of_group(view, position)
        elif view.startswith("[", position):
            kind, position = "expression", end_of_group(view, position)
        else:
            return kind, position


# -- the second parse -----------------------------------------------------------------------------


def simplified(view: str) -> str:
    """Returns the view with plain letters where arguments are written in a way the grammar lacks."""
    edits = list(_edits(view, 0, len(view), 0))
    if not edits:
        return view
    parts, last = [], 0
    for start, end, new in sorted(edits):
        if start < last:
            continue
        parts += [view[last:start], new * (end - start)]
        last = end
    return "".join([*parts, view[last:]])


_STATEMENT_STARTS = frozenset("\n;{}(=|&")
_NEXT = re.compile(r"[ \t]+([A-Za-z]+|['\"$\[])")
_CONTINUING = frozenset({"else", "elseif", "catch", "finally", "while", "until"})
_EXPRESSION = re.compile(r"[^\n;{}(='\"`#<@\[|&]+")


_EACH_METHOD = re.compile(r"\.foreach[ \t]*\Z", re.IGNORECASE)

_Edit = tuple[int, int, str]
"""A range, and the character that stands for each of its own."""


def _edits(view: str, position: int, end: int, depth: int) -> Iterator[_Edit]:
    """Yields the ranges to be replaced between two positions."""
    if depth > _MAX_DEPTH:
        return
    fresh = True  # a statement may begin here
    while position < end:
        char = view[position]
        if char in " \t\f\v":
            position += 1
            continue
        if char in _STATEMENT_STARTS:
            if char == "(" and _EACH_METHOD.search(view, max(0, position - 12), position):
                yield from _unbraced(view, position)
            fresh = True
            position += 1
            if char == "}" and _begins_statement(view, position):
                yield position, position + 1, "\n"  # the grammar wants a line end there
            continue
        if char == "." and fresh and view[position + 1 : position + 2] in (" ", "'", '"'):
            position += 1
            continue
        if char in "'\"`#" or view.startswith(("<#", "@'", '@"'), position):
            if char in "'\"" and fresh and _after_operator(view, position):
                position = yield from _command_edits(view, position, depth)
            else:
                position = _skip(view, position, view[position : position + 2] if char == "<" else char)
            fresh = False
            continue
        if char == "[":
            position = end_of_group(view, position)
            continue
        bareword = _BAREWORD.match(view, position) if fresh else None
        if bareword and not view.startswith("$", position):
            word = bareword[0].lower()
            after = _SPACE.match(view, bareword.end())
            place = after.end() if after else bareword.end()
            if word in _KEYWORDS:
                position = bareword.end()
                fresh = word not in ("function", "filter", "class", "enum", "workflow", "using")
                if word in ("function", "filter", "workflow"):
                    name = _BAREWORD.match(view, place)
                    position = name.end() if name else place
                elif word == "param" and view.startswith("(", place):
                    close = end_of_group(view, place)
                    if _begins_statement(view, close):
                        yield close, close + 1, "\n"
            elif view.startswith("=", place) or word[0].isdigit() or word[0] in "-+!":
                position, fresh = bareword.end(), False
            else:
                position = yield from _command_edits(view, position, depth)
                fresh = False
            continue
        fresh = False
        expression = _EXPRESSION.match(view, position)
        position = expression.end() if expression else position + 1


def _unbraced(view: str, position: int) -> Iterator[_Edit]:
    """``.ForEach({ … })`` becomes ``.ForEach { … } ``, which means the same and the grammar knows."""
    close = end_of_group(view, position) - 1
    space = _SPACE.match(view, position + 1)
    if view.startswith("{", space.end() if space else position + 1) and view.startswith(")", close):
        yield position, position + 1, " "
        yield close, close + 1, " "


def _after_operator(view: str, position: int) -> bool:
    before = view[max(0, position - 4) : position].rstrip(" ")
    return before.endswith(("&", "."))


def _begins_statement(view: str, position: int) -> bool:
    """Whether a new statement begins on the line, after one blank at least, at what ended with a bracket."""
    match = _NEXT.match(view, position)
    return match is not None and match[1].lower() not in _CONTINUING


def _command_edits(view: str, position: int, depth: int) -> Generator[_Edit, None, int]:
    tokens, end = words(view, position)
    for token in tokens[1:]:
        if token.kind == "parameter":  # the grammar knows no digits in names, as in -L2tpPsk
            yield from ((place, place + 1, "x") for place in _digits(view, token))
        pieces = [piece for item in token.items for piece in item]
        if token.kind == "verbatim" or (token.kind == "word" and not _plain(view, token)):
            stop = token.end - 1 if view[token.end - 1] == "," else token.end
            yield token.start, max(stop, token.start), "x"
        elif token.kind == "parameter" and token.items and not _plain(view, token):
            yield token.items[0][0].start, token.end, "x"
        else:
            for piece in pieces:
                if piece.kind == "group" and not view.startswith(("@'", '@"'), piece.start):
                    opening = 1 + (view[piece.start] in "$@")
                    yield from _edits(view, piece.start + opening, piece.end - 1, depth + 1)
    return end


def _digits(view: str, token: Token) -> Iterator[int]:
    stop = token.items[0][0].start if token.items else token.end
    return (place for place in range(token.start, stop) if view[place].isdigit())


def _plain(view: str, token: Token) -> bool:
    """Whether the grammar reads a word as one node."""
    if len(token.items) != 1 or len(token.items[0]) != 1:
        return False
    piece = token.items[0][0]
    if piece.kind == "text":
        return view[piece.start] not in "-"  # ``-x=5`` is a text to a program, and an error to the grammar
    if piece.kind == "expression":  # it reads no method's call as an argument
        return "(" not in view[piece.start : piece.end]
    return piece.kind in ("single", "double", "variable", "group")
