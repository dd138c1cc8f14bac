"""What the linter's rooms hand to each other: values, calls, verdicts, and the findings that come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

HOLE = "\ufffc"
"""Stands in a string for the part whose value is only known when the script runs."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file: lines and columns in characters, both from 1; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The line a finding is about, secrets masked, and which of its characters are meant."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong in a file.

    Attributes:
        file: as named by the caller.
        span: where.
        rule: id of the pitfall, or ``syntax``, ``suppression-…``.
        severity: ``error``, ``warning`` or ``note``.
        excerpt: the source line with secrets masked.
        values: for the placeholders of a rule's own text (``syntax`` and ``suppression-…`` have them).
        references: ids in ``knowledge/references.yaml``.
    """

    file: str
    span: Span
    rule: str
    severity: Severity
    excerpt: Excerpt
    values: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    @property
    def line(self) -> int:
        """The first line of the span."""
        return self.span.line

    @property
    def column(self) -> int:
        """The first column of the span."""
        return self.span.column


# -- values -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instance:
    """An object a script makes: its type's last name, lower case, and what it was made from."""

    kind: str
    arguments: tuple[Values, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A hash table; keys in lower case."""

    entries: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Block:
    """A script block, as source text, for whoever wants to know that it only says ``$true``."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list; each item has its own possible values."""

    items: tuple[Values, ...]


Value = str | Instance | Table | Block | Items
Values = tuple[Value, ...]
"""The values an expression can have, as far as one file tells; never empty."""

UNKNOWN: Values = (HOLE,)
MAX_ALTERNATIVES = 16
"""Alternatives kept for one expression: a script may not make us multiply without end."""


def constants(values: Values, depth: int = 0) -> Iterator[str]:
    """Yields every string among the values and in their lists, holes included."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Items) and depth < 8:
            for item in value.items:
                yield from constants(item, depth + 1)


def known(text: str) -> bool:
    """Returns whether a string has no part that is only known when the script runs."""
    return HOLE not in text


# -- calls --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line.

    Attributes:
        values: what it can be.
        parameter: name of a PowerShell parameter, lower case, without its dash; else ``""``.
        attached: whether ``values`` were glued to the parameter by a colon.
        splat: the word is ``@name``.
    """

    values: Values
    parameter: str = ""
    attached: bool = False
    splat: bool = False


Branch = tuple[tuple[int, int], ...]
"""The conditional statements around a place: each with an id and the number of its arm."""
NEVER_SURE = -1
"""The arm of what is not run when all goes well: a ``catch``, a function nobody calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command of a script, its quoting, variables and aliases resolved.

    Attributes:
        name: lower case, without folder, ``.exe`` or module.
        shell: ``powershell``, ``cmd`` or ``sh``.
        words: what follows the name.
        span: in the file.
        order: its place among all of the unit's calls.
        branch: conditional statements around it.
        piped: values that come through the pipe, as far as they are known.
        source: the call before it in the pipe.
        targets: files its output is redirected to.
        cast_off: a spelling of which only some versions of the shell make this call.
    """

    name: str
    shell: str
    words: tuple[Word, ...]
    span: Span
    order: int = 0
    branch: Branch = ()
    piped: Values = ()
    source: Call | None = None
    targets: tuple[str, ...] = ()
    cast_off: bool = False

    def argvs(self) -> Iterator[list[str]]:
        """Yields the argument lists a program can be started with, one for each alternative."""
        lists: list[list[str]] = [[]]
        for word in self.words:
            texts = self._texts(word)
            if len(texts) == 1 or len(lists) * len(texts) > MAX_ALTERNATIVES:
                for one in lists:
                    one.extend(texts[0])
            else:
                lists = [[*one, *text] for one in lists for text in texts]
        yield from lists

    @staticmethod
    def _texts(word: Word) -> list[list[str]]:
        if word.parameter and not word.attached:
            return [[f"-{word.parameter}"]]
        found: list[list[str]] = []
        for value in word.values:
            if isinstance(value, Items):
                found.append([next(constants(item), HOLE) for item in value.items])
            else:
                found.append([value if isinstance(value, str) else HOLE])
        if word.parameter:
            found = [[f"-{word.parameter}:{texts[0] if texts else ''}"] for texts in found]
        return found or [[HOLE]]


# -- verdicts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a call.

    Attributes:
        rule: id of the pitfall.
        bad: false for a call that sets right what ``keys`` name.
        keys: what is changed; a later call with the same keys and ``bad`` false takes a finding back.
        severity: when it is not the pitfall's own.
        secrets: strings that must never be printed.
        needs: a key that an earlier call must have named, or the verdict is none.
    """

    rule: str
    bad: bool = True
    keys: frozenset[str] = frozenset()
    severity: Severity | None = None
    secrets: tuple[str, ...] = ()
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Nested:
    """Code inside a call's words.

    Attributes:
        text: the code.
        language: ``powershell``, ``cmd`` or ``sh``.
        encoded: the word it was decoded from; not to be printed when there is a secret inside.
    """

    text: str
    language: str
    encoded: str = ""
