"""The causes: what each is, which code Windows shows for it, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from l2tp_doctor.knowledge.files import load_mapping, names
from l2tp_doctor.knowledge.localized import LocalizedText

_FIELDS = frozenset({"title", "explanation", "windows_error", "seed", "next_steps", "fixes", "references"})


@dataclass(frozen=True, slots=True)
class CauseCodes:
    """The code Windows usually shows for a cause.

    Attributes:
        usual: the code, or ``None`` where no code belongs to this cause.
        by_stage: codes that differ from it, by the stage the dial reached.
        also: other codes people report for the same cause.
        observed: the observation in which the gateway itself gives the code, or ``None``.
    """

    usual: int | None
    by_stage: Mapping[str, int]
    also: tuple[int, ...]
    observed: str | None = None

    def at(self, stage: str) -> int | None:
        """Returns the code to expect when the dial ended in ``stage``."""
        return self.by_stage.get(stage, self.usual)


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a failed dial.

    Attributes:
        id: from the closed list.
        title: short name.
        explanation: what it is and why it gives that code.
        codes: the codes Windows shows.
        seed: numbers in the original article's list of causes; empty for related cases.
        next_steps: what to do, in order.
        fixes: fix ids.
        references: primary sources.
    """

    id: str
    title: LocalizedText
    explanation: LocalizedText
    codes: CauseCodes
    seed: tuple[int, ...]
    next_steps: tuple[LocalizedText, ...]
    fixes: tuple[str, ...]
    references: tuple[str, ...]


def _codes(node: Any) -> CauseCodes:
    if not isinstance(node, Mapping):
        return CauseCodes(usual=node, by_stage={}, also=())
    return CauseCodes(
        usual=node["usual"],
        by_stage=dict(node.get("by_stage", {})),
        also=tuple(node.get("also", ())),
        observed=node.get("observed"),
    )


@cache
def cause(identifier: str) -> Cause:
    """Returns a cause.

    Raises:
        KeyError: there is none of that id.
        ValueError: its file has the wrong shape.
    """
    if identifier not in cause_ids():
        raise KeyError(identifier)
    node = load_mapping("causes", f"{identifier}.yaml")
    if set(node) != _FIELDS:
        raise ValueError(f"causes/{identifier}.yaml: has {sorted(node)}, wants {sorted(_FIELDS)}")
    where = f"causes/{identifier}.yaml"
    return Cause(
        id=identifier,
        title=LocalizedText.parse(node["title"], where),
        explanation=LocalizedText.parse(node["explanation"], where),
        codes=_codes(node["windows_error"]),
        seed=tuple(node["seed"]),
        next_steps=tuple(LocalizedText.parse(step, where) for step in node["next_steps"]),
        fixes=tuple(node["fixes"]),
        references=tuple(node["references"]),
    )


@cache
def cause_ids() -> tuple[str, ...]:
    """Returns every cause id, sorted."""
    return names("causes")
