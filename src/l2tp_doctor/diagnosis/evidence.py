"""The observations of one dial and what else is known of it, arranged for questions, and the three-valued
answers.  :mod:`l2tp_doctor.diagnosis.sources` says how sources that differ are treated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from l2tp_doctor.diagnosis.sources import origin
from l2tp_doctor.knowledge.conditions import (
    EARLIER,
    ELSEWHERE,
    PLACE,
    REFLECTOR,
    All,
    AnyOf,
    Condition,
    Not,
    Test,
    Unless,
)
from l2tp_doctor.knowledge.localized import LocalizedText
from l2tp_doctor.knowledge.rulebook import QUOTE
from l2tp_doctor.observations import Observation, Value

_NUMBER = re.compile(r"(\d+)$")


def _number(observation: Observation) -> int:
    number = _NUMBER.search(observation.id)
    return int(number.group()) if number else 0


def _age(observation: Observation) -> tuple[float, int, int, str]:
    """Orders observations by time, those of one instant by how active their source was, then by number."""
    activity = origin(observation.source).activity
    return observation.at, activity, _number(observation), observation.id


def _key(observation: Observation) -> str:
    """Returns the name under which rules find an observation; empty when they never do."""
    source, name = origin(observation.source), observation.name
    if source.kind == "reflect" and not name.startswith("reflect."):
        return ""  # about the reflector's host, not about the gateway
    if source.now:
        return name
    if source.place:
        return "" if source.run else ELSEWHERE + name
    return EARLIER + name


def _place(observation: Observation) -> str:
    return origin(observation.source).place


def _counting(items: Sequence[Observation]) -> Sequence[Observation]:
    """Returns what counts of one place's observations of a name, oldest first."""
    if items and isinstance(items[-1].value, (bool, int, float)):
        return items[-1:]
    return items


@dataclass(frozen=True, slots=True)
class Answer:
    """The truth of a condition (``None``: unknown) and the observations that decided it."""

    truth: bool | None
    because: frozenset[str] = frozenset()


class Evidence:
    """What was measured.  Unmeasured observations are dropped here and never seen again.

    Of a yes-or-no or a number the newest observation counts.  A text or a list that was
    once seen stays seen: a gateway that sent two notifications sent both.  ``elsewhere.NAME``
    is what other places observed, the newest of each; ``earlier.NAME`` what older dials here did.
    """

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._all = sorted((item for item in observations if item.value is not None), key=_age)
        self._by_name: dict[str, list[Observation]] = {}
        for item in self._all:
            key = _key(item)
            if key:
                self._by_name.setdefault(key, []).append(item)

    def __len__(self) -> int:
        return len(self._all)

    def relevant(self, name: str) -> Sequence[Observation]:
        """Returns the observations of ``name`` that count."""
        items = self._by_name.get(name, [])
        if not name.startswith(ELSEWHERE):
            return _counting(items)
        places = groupby(sorted(items, key=_place), key=_place)  # stable: each place's oldest come first
        return [item for _, found in places for item in _counting(list(found))]

    def value(self, name: str) -> Value:
        """Returns the newest value of ``name``, or ``None``."""
        items = self._by_name.get(name)
        return items[-1].value if items else None

    def ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns the ids of what counts under these names, oldest first."""
        return self.in_order(item.id for name in names for item in self.relevant(name))

    def in_order(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Returns observation ids oldest first, each once."""
        wanted = set(ids)
        return tuple(item.id for item in self._all if item.id in wanted)

    def answer(self, condition: Condition) -> Answer:
        """Returns whether a condition holds."""
        match condition:
            case Test():
                return self._test(condition)
            case All(parts):
                return _conjunction([self.answer(part) for part in parts])
            case AnyOf(parts):
                return _inverse(_conjunction([_inverse(self.answer(part)) for part in parts]))
            case Not(part):
                return _inverse(self.answer(part))
            case Unless(part):
                inner = self.answer(part)
                return Answer(False, inner.because) if inner.truth else Answer(True)

    def _test(self, test: Test) -> Answer:
        items = self.relevant(test.name)
        answers = [self._one(test, item) for item in items]
        yes = [answer for answer in answers if answer.truth]
        if yes:
            return Answer(True, frozenset().union(*(answer.because for answer in yes)))
        if not answers or any(answer.truth is None for answer in answers):
            return Answer(None)
        return Answer(False, frozenset().union(*(answer.because for answer in answers)))

    def _one(self, test: Test, item: Observation) -> Answer:
        because = {item.id}
        operand = test.operand
        if test.of is not None or test.operator == "among":
            other = self.relevant(test.of if test.of is not None else operand)
            if not other:
                return Answer(None)
            because.add(other[-1].id)
            scale: Any = other[-1].value
            operand = scale if test.operator == "among" else operand * scale
        truth = _compare(test.operator, item.value, operand)
        if truth and test.after is not None:
            companion = self._companion(test.name, item)
            if companion is None:
                return Answer(None)
            because.add(companion.id)
            truth = companion.value == test.after
        return Answer(truth, frozenset(because))

    def _companion(self, name: str, item: Observation) -> Observation | None:
        """Returns the ``_after`` observation recorded with ``item``: same source, nearest in time."""
        others = self._by_name.get(f"{name}_after", [])
        if not others:
            return None
        number = _number(item)
        return min(
            others,
            key=lambda other: (
                other.source != item.source,
                abs(other.at - item.at),
                abs(_number(other) - number),
            ),
        )

    def fill(self, text: LocalizedText, because: Iterable[str] = ()) -> LocalizedText:
        """Returns a rule's text with the observations it quotes filled in.

        Args:
            text: may also quote ``{elsewhere.place}``, the places that decided, and ``{reflect.host}``,
                the reflector that was asked.
            because: ids of the observations that decided.
        """
        decided = frozenset(because)
        return LocalizedText(
            ja=QUOTE.sub(lambda found: self._shown(found.group(1), "不明", decided), text.ja),
            en=QUOTE.sub(lambda found: self._shown(found.group(1), "unknown", decided), text.en),
        )

    def _names(self, quoted: str, decided: frozenset[str]) -> Iterator[str]:
        """Yields the places, or the reflectors, among what decided."""
        for item in self._all:
            source = origin(item.source)
            if quoted == PLACE and item.id in decided and source.place:
                yield source.place
            if quoted == REFLECTOR and source.kind == "reflect" and source.now:
                yield source.detail

    def _shown(self, name: str, unknown: str, decided: frozenset[str]) -> str:
        if name in (PLACE, REFLECTOR):
            return ", ".join(sorted(set(self._names(name, decided)))) or unknown
        value = self.value(name)
        if isinstance(value, tuple):
            return ", ".join(value) or "–"
        if isinstance(value, float):
            return f"{value:.3g}"
        return unknown if value is None else str(value)


def _conjunction(answers: Sequence[Answer]) -> Answer:
    false = [answer for answer in answers if answer.truth is False]
    if false:
        return Answer(False, frozenset().union(*(answer.because for answer in false)))
    if any(answer.truth is None for answer in answers):
        return Answer(None)
    return Answer(True, frozenset().union(*(answer.because for answer in answers)))


def _inverse(answer: Answer) -> Answer:
    return answer if answer.truth is None else Answer(not answer.truth, answer.because)


def _compare(operator: str, value: Any, operand: Any) -> bool:
    """Compares; a value of another type than the operand is simply not equal to it."""
    match operator:
        case "in" | "among":
            return value in operand
        case "contains":
            items = value if isinstance(value, tuple) else (str(value),)
            return any(str(operand).casefold() in item.casefold() for item in items)
        case "empty":
            return (len(value) == 0) is operand
        case "at_least":
            return bool(value >= operand)
        case "at_most":
            return bool(value <= operand)
        case "measured":
            return True
        case _:
            return bool(value == operand) and isinstance(value, bool) is isinstance(operand, bool)
