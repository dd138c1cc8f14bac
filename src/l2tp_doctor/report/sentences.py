"""Observations in words."""

from __future__ import annotations

from l2tp_doctor.observations import Observation, Value
from l2tp_doctor.report.drawing import milliseconds
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.words import Words


def value_text(value: Value, words: Words) -> str:
    """Returns a value for people."""
    if isinstance(value, tuple):
        return words.joined([printable(item) for item in value]) or words("value.none")
    if value is None:
        return words("value.none")
    key = f"value.{value}"
    return words(key) if key in words else printable(str(value))


def sentence(observation: Observation, words: Words) -> str:
    """Returns what an observation says as a sentence."""
    value = observation.value
    key = f"observation.{observation.name}"
    if isinstance(value, bool):
        return words(f"{key}.{'true' if value else 'false'}")
    if key not in words:
        return f"{observation.name} = {value_text(value, words)}"
    number = value if isinstance(value, (int, float)) else 0.0
    return words(key, value=value_text(value, words), ms=milliseconds(number), percent=f"{number:.0%}")


def not_measured(observations: tuple[Observation, ...]) -> list[Observation]:
    """Returns the observations that were tried without result and never measured otherwise."""
    measured = {item.name for item in observations if item.value is not None}
    missing: dict[str, Observation] = {}
    for item in observations:
        if item.value is None and item.name not in measured:
            missing[item.name] = item
    return list(missing.values())
