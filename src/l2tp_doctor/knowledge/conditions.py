"""The small language in which a rule says what it looks for, as a tree of values.

In YAML, a mapping is a conjunction of its entries::

    when: {udp500.reply: false, host.ping_reply: true}      # both
    when: {any: [a_definition, {ike.notify.clear: {in: [A, B], after: main-5}}]}

An entry's key is an observation name, or ``all``, ``any``, ``not``, ``unless``; an item
that is a bare string names a definition.  The value is compared for equality,
or it is a mapping of one operator of :data:`OPERATORS` with its operand, and perhaps

* ``after``: the companion observation ``<name>_after`` has this value too,
* ``of``: the operand is multiplied by this other observation before comparing.

A name may begin with ``elsewhere.`` or ``earlier.``: the same observation made at another place, or by an
older dial at this one.  What another place saw says nothing about this dial by itself.

The logic has three values.  A comparison with something that was not measured is
*unknown*, ``not`` keeps it unknown, and only *true* fires a rule.  ``unless`` is for
guards: it is true as long as its operand is not true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OPERATORS = frozenset({"equals", "in", "contains", "empty", "at_least", "at_most", "measured", "among"})
"""``in``: one of a list.  ``contains``: text found in the value or in one of its items, whatever the case.
``empty``: a tuple or text has no content.  ``measured``: there is a value at all.  ``among``: the value is
one of the items of another observation."""


ELSEWHERE = "elsewhere."
EARLIER = "earlier."
PLACE = "elsewhere.place"
"""Quoted in a rule's text: the other places whose observations decided."""
REFLECTOR = "reflect.host"
"""Quoted in a rule's text: the reflector that was asked."""


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of one observation."""

    name: str
    operator: str
    operand: Any
    after: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when the part is false; unknown when it is unknown."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Unless:
    """True when the part is false or unknown."""

    part: Condition


Condition = Test | All | AnyOf | Not | Unless


def parse(node: Any, definitions: Mapping[str, Condition], where: str) -> Condition:
    """Reads a condition.

    Raises:
        ValueError: the text is not of this language.
    """
    if isinstance(node, str):
        if node not in definitions:
            raise ValueError(f"{where}: no definition {node!r}")
        return definitions[node]
    if not isinstance(node, Mapping) or not node:
        raise ValueError(f"{where}: wants a mapping or the name of a definition, has {node!r}")
    parts = tuple(_entry(key, value, definitions, where) for key, value in node.items())
    return parts[0] if len(parts) == 1 else All(parts)


def _entry(key: str, value: Any, definitions: Mapping[str, Condition], where: str) -> Condition:
    if key in ("all", "any"):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{where}: {key} wants a list")
        parts = tuple(parse(item, definitions, where) for item in value)
        return All(parts) if key == "all" else AnyOf(parts)
    if key == "not":
        return Not(parse(value, definitions, where))
    if key == "unless":
        return Unless(parse(value, definitions, where))
    if not isinstance(value, Mapping):
        return Test(key, "equals", value)
    operators = [item for item in value if item not in ("after", "of")]
    if len(operators) != 1 or operators[0] not in OPERATORS:
        raise ValueError(f"{where}: {key} wants one operator of {sorted(OPERATORS)}, has {operators}")
    operator = operators[0]
    return Test(key, operator, value[operator], value.get("after"), value.get("of"))


def bare(name: str) -> str:
    """Returns the vocabulary's name of what a condition looks at."""
    return name.removeprefix(ELSEWHERE).removeprefix(EARLIER)


def names_in(condition: Condition) -> Iterator[str]:
    """Yields every observation name a condition looks at."""
    match condition:
        case Test(name, operator, operand, after, of):
            yield name
            if after is not None:
                yield f"{name}_after"
            if of is not None:
                yield of
            if operator == "among":
                yield operand
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from names_in(part)
        case Not(part) | Unless(part):
            yield from names_in(part)
