"""Files that hold scripts: Markdown with fenced blocks, YAML and JSON plans, .reg files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from l2tp_doctor.lint.model import Span
from l2tp_doctor.lint.source import Part, whole
from l2tp_doctor.lint.suppressions import Suppression, parse

if TYPE_CHECKING:
    import yaml

_FENCES = {
    **dict.fromkeys(("powershell", "pwsh", "ps1", "ps", "posh", "ps1con", "psm1"), "powershell"),
    **dict.fromkeys(("cmd", "bat", "batch", "dos", "batchfile", "winbatch", "dosbatch"), "cmd"),
    **dict.fromkeys(("sh", "bash", "shell", "zsh", "ksh", "dash", "shellscript"), "sh"),
    **dict.fromkeys(
        ("console", "shell-session", "sh-session", "bash-session", "terminal", "shellsession"), "session"
    ),
    **dict.fromkeys(("reg", "registry"), "reg"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    "json": "json",
    **dict.fromkeys(("", "text", "plaintext", "txt", "none", "plain"), "unknown"),
}
_MAX_DEPTH = 60
_SHELLS = {
    "powershell": "powershell",
    "pwsh": "powershell",
    "ps": "powershell",
    "cmd": "cmd",
    "batch": "cmd",
    "bat": "cmd",
    "sh": "sh",
    "bash": "sh",
    "shell": "sh",
    "zsh": "sh",
}
_COMMAND_KEYS = ("command", "commands", "run", "script")


@dataclass(frozen=True)
class Document:
    """What a file is made of.

    Attributes:
        units: parts that belong together: a later part of a unit may set right what an earlier one did.
        suppressions: comments outside the parts.
        errors: lines (from 1) that could not be read.
    """

    units: tuple[tuple[Part, ...], ...]
    suppressions: tuple[Suppression, ...] = ()
    errors: tuple[int, ...] = ()


def split(text: str, language: str) -> Document:
    """Returns the scripts in a file; ``text`` has ``\\n`` line ends."""
    if language == "markdown":
        return _markdown(text)
    if language in ("yaml", "json"):
        return _plan(text, language)
    return Document(((whole(text, language),),))


# -- Markdown -------------------------------------------------------------------------------------


def _markdown(text: str) -> Document:
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    # What is inside paragraphs is looked at as it is written: parsing it would take a third of the time.
    parser = MarkdownIt("commonmark", {"maxNesting": 20}).disable(["inline", "text_join"])
    tokens = parser.parse(text)
    parts: list[Part] = []
    suppressions: list[tuple[Suppression, int]] = []
    for token in tokens:
        if token.map is None:
            continue
        if token.type in ("html_block", "inline") and "l2tp-doctor:" in token.content:
            found = _comments(lines, token.map[0], token.map[1])
            suppressions += [(one, len(parts)) for one in found]
        elif token.type == "fence":
            parts += _fence(token.info, token.content, token.map[0] + 1, lines)
    for one, index in suppressions:  # a comment covers the block after it
        if index < len(parts) and one.first == one.span.line:
            one.last = parts[index].lines[-1][0]
    return Document((tuple(parts),), tuple(one for one, _ in suppressions))


def _comments(lines: list[str], first: int, last: int) -> Iterator[Suppression]:
    for row in range(first, min(last, len(lines))):
        line = lines[row]
        place = line.find("<!--")
        if place >= 0:
            found = parse(line[place:], row + 1, place + 1, row + 1, row + 2)
            if found is not None:
                yield found


def _fence(info: str, content: str, first: int, lines: list[str]) -> Iterator[Part]:
    words = info.strip().lower().replace("{", " ").replace(",", " ").split()
    name = words[0].lstrip(".") if words else ""
    language = _FENCES.get(name)
    if language is None:
        return
    content = content.removesuffix("\n")
    rows = content.split("\n")
    places = []
    for number, row in enumerate(rows):
        raw = lines[first + number] if first + number < len(lines) else row
        indent = len(raw) - len(row) if raw.endswith(row) else 0
        places.append((first + number + 1, max(indent, 0) + 1))
    rows, prompted = _without_prompts(rows)
    tolerant = False
    if language in ("unknown", "session"):
        tolerant = True
        language = prompted or ("sh" if language == "session" else guess(rows))
        if not language:
            return
    elif prompted and language != prompted and {language, prompted} <= {"powershell", "cmd"}:
        language = prompted
    if language in ("yaml", "json"):
        inner = _plan("\n".join(rows), language)
        for unit in inner.units:
            for part in unit:
                moved = tuple(
                    (places[line - 1][0], places[line - 1][1] + column - 1) for line, column in part.lines
                )
                pinned = None
                if part.pinned is not None:
                    line, shift = places[part.pinned.line - 1]
                    pinned = Span(
                        line, part.pinned.column + shift - 1, line, part.pinned.end_column + shift - 1
                    )
                yield Part(part.text, part.language, moved, pinned, tolerant=True)
        return
    yield Part("\n".join(rows), language, tuple(places), tolerant=tolerant)


def _prompt(row: str) -> tuple[str, int]:
    """Returns the shell a prompt belongs to and the prompt's length."""
    plain = row.lstrip()
    indent = len(row) - len(plain)
    head, found, _ = plain.partition(">")
    if found and plain.startswith("PS ") and (":\\" in head or head.strip() == "PS"):
        return "powershell", indent + len(head) + 1
    if plain.startswith("PS> "):
        return "powershell", indent + 3
    if found and len(head) > 2 and head[1:3] == ":\\" and head[0].isalpha():
        return "cmd", indent + len(head) + 1
    if plain.startswith(("$ ", "# ", "% ")) and len(plain) > 2 and plain[2] != "#":
        return "sh", indent + 1
    return "", 0


def _without_prompts(rows: list[str]) -> tuple[list[str], str]:
    """Blanks prompts out; where there are any, lines without one are what the commands printed."""
    found = [_prompt(row) for row in rows]
    kinds = {kind for kind, _ in found if kind}
    if kinds == {"sh"} and not any(row.lstrip().startswith("$ ") for row in rows):
        return rows, ""  # comments, not the prompt of root
    if not kinds:
        return rows, ""
    blanked = [
        " " * size + row[size:]
        if kind
        else ("" if "sh" not in kinds or not row.startswith((" ", "\t")) else row)
        for row, (kind, size) in zip(rows, found, strict=True)
    ]
    return blanked, sorted(kinds)[0]


def guess(rows: list[str]) -> str:
    """Returns the language of a block that does not name it, or ``""`` for a text that is no script."""
    for row in rows:
        words = row.replace("|", " ").split()
        if not words:
            continue
        head = words[0].lstrip("@").lower()
        verb, dash, noun = head.partition("-")
        if head.startswith("$") or (
            dash and verb.isalpha() and noun.isalnum() and len(verb) > 2 and "=" not in row
        ):
            return "powershell"
        if head.startswith("windows") and "registry editor" in row.lower():
            return "reg"
        if head in (
            "sudo",
            "apt",
            "apt-get",
            "yum",
            "dnf",
            "systemctl",
            "chmod",
            "#!/bin/sh",
            "#!/bin/bash",
            "ufw",
            "iptables",
        ):
            return "sh"
        name = head.rpartition("\\")[2].removesuffix(".exe")
        if name in (
            "icacls",
            "sc",
            "reg",
            "net",
            "netsh",
            "takeown",
            "cacls",
            "set",
            "rem",
            "powershell",
            "echo",
        ):
            return "cmd"
    return ""


# -- YAML and JSON ----------------------------------------------------------------------------------


def _plan(text: str, language: str) -> Document:
    import yaml

    readable = "".join(char if _readable(char) else "\ufffd" for char in text)
    if language == "json":
        readable = readable.replace("\t", " ")
    lines = text.split("\n")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    units: list[tuple[Part, ...]] = []
    errors: tuple[int, ...] = ()
    try:
        # Anchors can make a small file a huge tree: nodes are walked once each.
        seen: set[int] = set()
        for root in yaml.compose_all(readable, Loader=loader):
            units += _walk(root, lines, "", seen, 0)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        errors = ((mark.line + 1) if mark is not None else 1,)
    except (RecursionError, ValueError):
        errors = (1,)
    suppressions = []
    if language == "yaml":
        covered = {line for unit in units for part in unit for line, _ in part.lines}
        for row, line in enumerate(lines):
            place = line.find("#")
            if (
                place >= 0
                and row + 1 not in covered
                and (found := parse(line[place:], row + 1, place + 1, row + 1, row + 2))
            ):
                starts = [part for unit in units for part in unit if part.lines[0][0] in (row + 2, row + 3)]
                found.last = max([found.last, *(part.lines[-1][0] for part in starts)])
                suppressions.append(found)
    return Document(tuple(units), tuple(suppressions), errors)


def _readable(char: str) -> bool:
    return (
        char in "\t\n\x85"
        or " " <= char <= "~"
        or "\xa0" <= char <= "\ud7ff"
        or "\ue000" <= char <= "\ufffd"
        or char > "\uffff"
    )


def _walk(
    node: yaml.Node | None, lines: list[str], shell: str, seen: set[int], depth: int
) -> Iterator[tuple[Part, ...]]:
    import yaml

    if node is None or id(node) in seen or depth > _MAX_DEPTH:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        own = _shell_of(keys) or shell
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in _COMMAND_KEYS and own != "gui":
                parts = tuple(_command_parts(value, lines, own))
                if parts:
                    yield parts
                    continue
            yield from _walk(value, lines, own, seen, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _walk(item, lines, shell, seen, depth + 1)


def _shell_of(keys: dict[str, yaml.Node]) -> str:
    for name in ("shell", "language", "platform"):
        node = keys.get(name)
        value = node.value if node is not None and isinstance(node.value, str) else ""
        if name == "shell" and value == "gui":
            return "gui"
        if value.lower() in _SHELLS:
            return _SHELLS[value.lower()]
        if name == "platform" and value.lower() in ("linux", "macos", "strongswan", "libreswan"):
            return "sh"
    return ""


def _command_parts(node: yaml.Node, lines: list[str], shell: str) -> Iterator[Part]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                yield _scalar(item, lines, shell)
    elif isinstance(node, yaml.ScalarNode):
        yield _scalar(node, lines, shell)


def _scalar(node: yaml.ScalarNode, lines: list[str], shell: str) -> Part:
    text = node.value.removesuffix("\n")
    rows = text.split("\n")
    language = shell or guess(rows) or "cmd"
    start, end = node.start_mark, node.end_mark
    if node.style == "|":
        first = start.line + 1
        places = []
        for number, row in enumerate(rows):
            raw = lines[first + number] if first + number < len(lines) else row
            places.append((first + number + 1, max(len(raw) - len(row), 0) + 1 if raw.endswith(row) else 1))
        return Part(text, language, tuple(places), tolerant=not shell)
    shift = 0 if node.style is None else 1
    line = lines[start.line] if start.line < len(lines) else ""
    if len(rows) == 1 and line[start.column + shift : start.column + shift + len(text)] == text:
        return Part(text, language, ((start.line + 1, start.column + shift + 1),), tolerant=not shell)
    # Folded or escaped: its characters are elsewhere in the file.
    end_column = end.column + 1 if end.line == start.line else len(line) + 1
    pinned = Span(start.line + 1, start.column + 1, start.line + 1, max(end_column, start.column + 2))
    return Part(text, language, ((start.line + 1, start.column + 1),), pinned, tolerant=not shell)
