"""What the rules share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from l2tp_doctor.lint.model import Call, Values, constants

Bound = Mapping[str, Values]
"""A cmdlet's parameters by their full names; empty for a program."""


def folded(text: str) -> str:
    """Returns a text as Windows compares it."""
    return text.strip().lower()


def first(bound: Bound, name: str) -> str:
    """Returns the first string a parameter can be, or ``""``."""
    return next(constants(bound.get(name, ())), "")


def every(bound: Bound, *names: str) -> Iterator[str]:
    """Yields every string parameters can be."""
    for name in names:
        yield from constants(bound.get(name, ()))


def truthy(text: str) -> bool:
    """Returns whether a value switches something on."""
    return folded(text) in ("true", "1", "$true", "yes", "enabled", "on")


def falsy(text: str) -> bool:
    """Returns whether a value switches something off."""
    return folded(text) in ("false", "0", "$false", "no", "disabled", "off")


def number(text: str) -> int | None:
    """Returns a whole number written as ``4``, ``0x4`` or ``dword:00000004``."""
    digits = folded(text).removeprefix("dword:") if folded(text).startswith("dword:") else ""
    try:
        return int(digits, 16) if digits else int(folded(text), 0)
    except ValueError:
        return int(text) if text.strip().isdecimal() else None


def option(argv: list[str], *names: str) -> str | None:
    """Returns the word after an option, in any case and with ``/`` or ``-``."""
    wanted = {name.lower() for name in names}
    for index, word in enumerate(argv):
        if word.lower().lstrip("/-") in wanted and word[:1] in "/-":
            return argv[index + 1] if index + 1 < len(argv) else ""
    return None


def arguments(call: Call) -> list[Values]:
    """Returns the arguments of a method call."""
    return [word.values for word in call.words]
