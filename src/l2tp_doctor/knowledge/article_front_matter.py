"""The YAML block at the head of an article: read as nodes, so that every mistake has its line.

Nothing is constructed from the YAML: a value counts as what its node says it is.  So an unquoted date stays
the text that was written, and an alias that repeats itself a million times costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from l2tp_doctor.knowledge.article_types import MAX_FRONT_MATTER, Problem, problem
from l2tp_doctor.knowledge.localized import LANGUAGES

if TYPE_CHECKING:
    import yaml

REQUIRED: tuple[str, ...] = ("title", "errorText", "tags", "updatedAt", "lang")
OPTIONAL: tuple[str, ...] = ("codes", "keywords")
# Windows' RAS codes have three digits, IPsec's (13801 …) five.
_MAX_CODE_DIGITS = 5
_TEXT, _NUMBER, _DATE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:timestamp"


@dataclass
class FrontMatter:
    """The values that are right; the others have a problem each."""

    line: int
    language: str = ""
    title: str = ""
    error_text: str = ""
    updated_at: str = ""
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    problems: list[Problem] = field(default_factory=list)


def read(lines: list[str], first_line: int) -> FrontMatter:
    """Reads the lines between the two ``---``.

    Args:
        lines: them, without line ends.
        first_line: the file's line number of the ``---`` before them.
    """
    matter = FrontMatter(first_line)
    text = "\n".join(lines)
    if len(text) > MAX_FRONT_MATTER:
        matter.problems.append(problem(first_line, "front-matter-large", limit=MAX_FRONT_MATTER))
        return matter
    nodes = _compose(text, matter)
    if nodes is None:
        return matter
    for key in REQUIRED:
        if key not in nodes:
            matter.problems.append(problem(first_line, "front-matter-missing", key=key))
    for key, node in nodes.items():
        line = first_line + 1 + node.start_mark.line
        reader = _READERS.get(key)
        if reader is None:
            matter.problems.append(
                problem(line, "front-matter-unknown", key=key, known=", ".join((*REQUIRED, *OPTIONAL)))
            )
        else:
            complaint = reader(matter, node)
            if complaint:
                matter.problems.append(problem(line, complaint, key=key))
    return matter


def _compose(text: str, matter: FrontMatter) -> Mapping[str, yaml.Node] | None:
    """Returns the nodes by key, or ``None`` when it is no mapping."""
    import yaml  # costs 15 ms; only who reads articles needs it

    try:
        root = _root(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = matter.line + 1 + (mark.line if mark else 0)
        matter.problems.append(problem(at, "front-matter-yaml", reason=error.problem or error.context or ""))
        return None
    except yaml.YAMLError as error:
        # A character YAML forbids; its message ends in a position nobody can use.
        matter.problems.append(
            problem(matter.line, "front-matter-yaml", reason=str(error).partition("\n")[0])
        )
        return None
    except (RecursionError, ValueError, OverflowError):
        # Nested a thousand deep, or an escape for a character beyond Unicode.
        matter.problems.append(problem(matter.line, "front-matter-mapping"))
        return None
    if not isinstance(root, yaml.MappingNode):
        matter.problems.append(problem(matter.line, "front-matter-mapping"))
        return None
    nodes: dict[str, yaml.Node] = {}
    for key, value in root.value:
        at = matter.line + 1 + key.start_mark.line
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in nodes:
            matter.problems.append(problem(at, "front-matter-duplicate", key=name))
        else:
            # A value may begin on a later line than its key; the author looks for the key.
            value.start_mark = key.start_mark
            nodes[name] = value
    return nodes


def _root(text: str) -> yaml.Node | None:
    """Returns the nodes, by libyaml where there is one: ten times as fast, and less clear about mistakes."""
    import yaml

    quick = getattr(yaml, "CSafeLoader", None)
    if quick is not None:
        try:
            found: yaml.Node | None = yaml.compose(text, Loader=quick)
        except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
            pass
        else:
            return found
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _scalar(node: yaml.Node, *tags: str) -> str | None:
    """Returns a scalar of one of these types that is not blank."""
    if node.tag not in tags or not isinstance(node.value, str) or not node.value.strip():
        return None
    return node.value.strip()


def _scalars(node: yaml.Node, tag: str) -> tuple[str, ...] | None:
    if node.tag != "tag:yaml.org,2002:seq" or not isinstance(node.value, list):
        return None
    values = [_scalar(item, tag) for item in node.value]
    return None if None in values else tuple(value for value in values if value is not None)


def _title(matter: FrontMatter, node: yaml.Node) -> str:
    matter.title = _scalar(node, _TEXT) or ""
    return "" if matter.title else "front-matter-text"


def _error_text(matter: FrontMatter, node: yaml.Node) -> str:
    matter.error_text = _scalar(node, _TEXT) or ""
    return "" if matter.error_text else "front-matter-text"


def _language(matter: FrontMatter, node: yaml.Node) -> str:
    value = _scalar(node, _TEXT) or ""
    if value not in LANGUAGES:
        return "front-matter-language"
    matter.language = value
    return ""


def _updated_at(matter: FrontMatter, node: yaml.Node) -> str:
    value = _scalar(node, _TEXT, _DATE) or ""
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return "front-matter-date"
    matter.updated_at = value
    return ""


def _tags(matter: FrontMatter, node: yaml.Node) -> str:
    values = _scalars(node, _TEXT)
    matter.tags = values or ()
    return "front-matter-list" if values is None else ""


def _keywords(matter: FrontMatter, node: yaml.Node) -> str:
    values = _scalars(node, _TEXT)
    matter.keywords = values or ()
    return "front-matter-list" if values is None else ""


def _codes(matter: FrontMatter, node: yaml.Node) -> str:
    values = _scalars(node, _NUMBER)
    if values is None or not all(_is_code(value) for value in values):
        return "front-matter-codes"
    matter.codes = tuple(int(value) for value in values)
    return ""


def _is_code(value: str) -> bool:
    # YAML's integers may also be written 0x1F, 1_000 and 1:30; a code is never written so.
    return value.isascii() and value.isdecimal() and len(value) <= _MAX_CODE_DIGITS


_READERS: Mapping[str, Callable[[FrontMatter, yaml.Node], str]] = {
    "title": _title,
    "errorText": _error_text,
    "tags": _tags,
    "updatedAt": _updated_at,
    "lang": _language,
    "codes": _codes,
    "keywords": _keywords,
}
