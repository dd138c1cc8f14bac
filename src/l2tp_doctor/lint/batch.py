"""One cmd text: its calls, with carets, quotes and variables resolved as cmd.exe does it.

The tree says where the commands are.  cmd.exe replaces variables before it looks at anything else and leaves
the splitting into words to the program it starts, so the words are taken from the command's own text, by the
rule of CommandLineToArgvW; the grammar has no such words, nor carets inside names.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from l2tp_doctor.lint.model import HOLE, MAX_ALTERNATIVES, Branch, Call, Values, Word, constants, known
from l2tp_doctor.lint.parsed import ParsedScript, ascii_view, captured, grammar

if TYPE_CHECKING:
    from tree_sitter import Node

    from l2tp_doctor.lint.source import Part

_QUERY = """
(cmd) @command
(call_stmt) @call
(variable_assignment) @assignment
(for_stmt) @for
(label) @label
(comment) @comment
(ERROR) @error
"""
_REFERENCE = re.compile(
    r"%~?\w*(?=[0-9*])[0-9*]|%%~?\w*?[A-Za-z](?![A-Za-z])|%(\w[^%\n:=]*)%|!(\w[^!\n:=]*)!"
)
_SECTION = -5  # the id of "which labels a place is behind" among conditional statements


@cache
def _grammar() -> tuple[Any, Any]:
    import tree_sitter_batch

    return grammar(tree_sitter_batch.language(), _QUERY)


def split(text: str) -> list[str]:
    """Returns the words of a command line by the rule Windows programs share."""
    found: list[str] = []
    word: list[str] = []
    started = quoted = False
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            run = len(text[position:]) - len(text[position:].lstrip("\\"))
            position += run
            if text.startswith('"', position):
                word.append("\\" * (run // 2))
                if run % 2:
                    word.append('"')
                    position += 1
            else:
                word.append("\\" * run)
            started = True
            continue
        if char == '"':
            quoted, started = not quoted, True
        elif char in " \t\n" and not quoted:
            if started:
                found.append("".join(word))
            word, started = [], False
        else:
            word.append(char)
            started = True
        position += 1
    return [*found, "".join(word)] if started else found


def uncareted(text: str) -> str:
    """Returns a text without the carets that only protect the next character; inside quotes they stay."""
    found: list[str] = []
    quoted = False
    position = 0
    while position < len(text):
        char = text[position]
        if char == '"':
            quoted = not quoted
        if char == "^" and not quoted:
            position += 1
            found.append(text[position : position + 1].replace("\n", " "))
        else:
            found.append(char)
        position += 1
    return "".join(found)


def program_name(word: str) -> str:
    """Returns a program's name: lower case, no folder, no suffix."""
    name = word.strip('"').lower().replace("/", "\\").rpartition("\\")[2]
    for suffix in (".exe", ".com", ".cmd", ".bat"):
        name = name.removesuffix(suffix)
    return name.lstrip("@")


class Script(ParsedScript):
    """A parsed cmd text."""

    def __init__(self, part: Part, shared: dict[str, Values] | None = None) -> None:
        super().__init__(part, ascii_view(part.text), shared)
        self._tree, self._found = captured(*_grammar(), self.view)
        self.errors = sorted(node.start_byte for node in self._found.get("error", []))
        self.comments = [(node.start_byte, node.end_byte) for node in self._found.get("comment", [])]
        self._assigned = self._assignments()
        self._labels = sorted(
            (node.start_byte, self._slice(node).lstrip(":").split(" ")[0].lower())
            for node in self._found.get("label", [])
        )
        self._given = self._label_arguments()
        self._sections = [start for start, label in self._labels if self._closed(start, label)]

    # -- variables --------------------------------------------------------------------------------

    def _assignments(self) -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for node in self._found.get("assignment", []):
            kinds = {child.type: child for child in node.named_children}
            if "prompt_assignment" in kinds or "arithmetic_assignment" in kinds:
                inner = next((c for c in node.named_children if c.type.endswith("_assignment")), node)
                names = [child for child in inner.named_children if child.type == "variable_name"]
                for name in names:
                    found.setdefault(self._slice(name).lower(), []).append((node.end_byte, HOLE))
                continue
            value = kinds.get("quoted_assignment_value") or kinds.get("assignment_value")
            if "variable_name" in kinds:
                text = self._slice(value) if value is not None else ""
                key = self._slice(kinds["variable_name"]).strip().lower()
                found.setdefault(key, []).append((node.end_byte, text))
        for node in self._found.get("for", []):
            kinds = {child.type: child for child in node.named_children}
            if "for_variable" in kinds:
                options = self._slice(kinds["for_options"]).lower() if "for_options" in kinds else ""
                text = self._slice(kinds["for_set"]) if "for_set" in kinds else ""
                plain = not options.strip() and not set("*?'`") & set(text)
                key = self._slice(kinds["for_variable"]).lstrip("%").lower()
                found.setdefault("%" + key, []).append(
                    (kinds["for_variable"].end_byte, text if plain else HOLE)
                )
        return found

    def _label_arguments(self) -> dict[str, list[list[str]]]:
        found: dict[str, list[list[str]]] = {}
        for node in self._found.get("call", []):
            words = split(uncareted(self._slice(node)))
            if len(words) > 1 and words[1].startswith(":"):
                found.setdefault(words[1][1:].lower(), []).append(words[2:])
        return found

    def _closed(self, start: int, label: str) -> bool:
        """Whether a label is reached by ``goto`` only: the line before it leaves, and nobody calls it."""
        lines = [line for line in self.text[:start].split("\n") if line.strip()]
        before = lines[-1].strip().lower().lstrip("@") if lines else ""
        return label not in self._given and before.split(" ")[0].split(":")[0] in ("goto", "exit")

    def _lookup(self, name: str, position: int, depth: int) -> list[str]:
        if name[0] in "0123456789*":
            before = [label for start, label in self._labels if start < position]
            given = self._given.get(before[-1], []) if before else []
            if not name.isdigit() or name == "0":
                return [HOLE]
            return [words[int(name) - 1] if len(words) >= int(name) else "" for words in given] or [HOLE]
        entries = self._assigned.get(name, [])
        earlier = [text for end, text in entries if end <= position]
        if not earlier and not name.startswith("%"):
            later = [text for _end, text in entries]
            if later:
                return [HOLE]
            shared = list(constants(self._shared.get(name, ())))
            return shared or [HOLE if name in self._assigned else f"%{name}%"]
        if not earlier:
            return [HOLE]
        texts = (
            split(earlier[-1].replace(",", " ").replace(";", " ")) if name.startswith("%") else [earlier[-1]]
        )
        return [value for text in texts for value in self.expanded(text, position, depth + 1)]

    def expanded(self, text: str, position: int, depth: int = 0) -> list[str]:
        """Returns a text with its variables replaced, in every way it can be."""
        if depth > 8 or len(text) > 20_000:
            return [HOLE]
        found = [""]
        last = 0
        for match in _REFERENCE.finditer(text):
            token = match[0]
            if match[1] or match[2]:
                choices = self._lookup((match[1] or match[2]).lower(), position, depth)
            elif token.startswith("%%"):
                choices = self._lookup("%" + token[-1].lower(), position, depth)
            else:
                choices = self._lookup(token[-1], position, depth)
            choices = list(dict.fromkeys(choices))
            if len(choices) * len(found) > MAX_ALTERNATIVES:
                choices = [HOLE]
            before = text[last : match.start()]
            found = [one + before + choice for one in found for choice in choices]
            found = [one if len(one) < 50_000 else HOLE for one in found]
            last = match.end()
        return [one + text[last:] for one in found]

    # -- calls ------------------------------------------------------------------------------------

    def calls(self, wanted: frozenset[str]) -> Iterator[Call]:
        """Yields the calls somebody may want to judge, in the order of the text."""
        seen: set[int] = set()
        nodes = [*self._found.get("command", []), *self._found.get("call", [])]
        for node in sorted(nodes, key=lambda one: one.start_byte):
            row = self.place(node.start_byte)[0]
            seen.add(row)
            yield from self._calls(node.start_byte, node.end_byte, self._branch(node), node, wanted)
        yield from self._settings(wanted)
        for error in self._found.get("error", []):
            row = self.place(error.start_byte)[0]
            if row not in seen and not any(start <= error.start_byte < end for start, end in self.comments):
                seen.add(row)
                yield from self._line(row, wanted)

    def _settings(self, wanted: frozenset[str]) -> Iterator[Call]:
        """Variables that some program looks at."""
        for node in self._found.get("assignment", []):
            names = [
                self._slice(child).strip() for child in node.named_children if child.type == "variable_name"
            ]
            name = f"=env:{names[0].lower()}" if names else ""
            if name in wanted:
                value = self._slice(node.named_children[-1])
                span = self._part.span(self.place(node.start_byte), self.place(node.end_byte))
                yield Call(name, "cmd", (Word((value,)),), span, node.start_byte, self._branch(node))

    def _line(self, row: int, wanted: frozenset[str]) -> Iterator[Call]:
        """A line the grammar could make nothing of: cut at what joins commands outside quotes."""
        start = self._breaks[row - 1] + 1 if row else 0
        end = self._breaks[row] if row < len(self._breaks) else len(self.text)
        begin, quoted = start, False
        for position in range(start, end + 1):
            char = self.text[position] if position < end else "&"
            quoted ^= char == '"'
            if position == end or (char in "&|()" and not quoted and self.text[max(position - 1, 0)] != "^"):
                if self.text[begin:position].strip():
                    begin += len(self.text[begin:position]) - len(self.text[begin:position].lstrip())
                    yield from self._calls(begin, position, (), None, wanted)
                begin = position + 1

    def _calls(
        self, start: int, end: int, branch: Branch, node: Node | None, wanted: frozenset[str]
    ) -> Iterator[Call]:
        span = self._part.span(self.place(start), self.place(end))
        targets, order = (self._targets(node) if node is not None else ()), start
        for text in self.expanded(self.text[start:end].lstrip("@ \t"), start):
            words = split(uncareted(text))
            if words and words[0].lower() == "call" and words[1:2][0:1] != [":"]:
                words = words[1:]
            if not words:
                continue
            name = program_name(words[0])
            # ``echo.text`` and ``echo(text``
            if name.startswith("echo") and name[4:5] in (".", "(", ":", "/"):
                words, name = ["echo", name[5:], *words[1:]], "echo"
            if name not in wanted:
                continue
            if name == "echo":
                raw = uncareted(text).lstrip()[4:].strip()
                words = ["echo", raw]
            yield Call(
                name,
                "cmd",
                tuple(Word((word,)) for word in words[1:]),
                span,
                order,
                branch,
                self._piped(node),
                None,
                targets,
            )

    def _piped(self, node: Node | None) -> Values:
        """``echo text | program`` gives the program the text."""
        before = node.prev_named_sibling if node is not None else None
        operator = node.prev_sibling if node is not None else None
        if before is None or operator is None or self._slice(operator) != "|":
            return ()
        text = self._slice(before).strip()
        return (uncareted(text[5:]),) if text.lower().startswith("echo ") else ()

    def _targets(self, node: Node) -> tuple[str, ...]:
        above = node.parent
        while above is not None and above.type in ("parenthesized", "command_sep"):
            above = above.parent
        if above is None or above.type != "redirect_stmt":
            return ()
        found = []
        for child in above.named_children:
            for target in child.named_children:
                if target.type == "redirect_target":
                    found += self.expanded(self._slice(target).strip('"'), node.start_byte)
        return tuple(found)

    def _branch(self, node: Node) -> Branch:
        found: list[tuple[int, int]] = []
        below, above = node, node.parent
        while above is not None:
            if above.type == "if_stmt":
                found.append((above.start_byte, 1 if below.type == "else_clause" else 0))
            below, above = above, above.parent
        section = bisect_right(self._sections, node.start_byte)
        return ((_SECTION, section), *reversed(found)) if self._sections else tuple(reversed(found))

    def exported(self) -> dict[str, Values]:
        """Returns the variables as they are at the end."""
        found: dict[str, Values] = {}
        for key in self._assigned:
            values = () if key.startswith("%") else tuple(self._lookup(key, len(self.text), 0))
            if values and all(known(text) for text in values):
                found[key] = values
        return found
