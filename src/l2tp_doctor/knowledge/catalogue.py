"""Experiments by id: what a rule may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from l2tp_doctor.knowledge.files import load_mapping
from l2tp_doctor.knowledge.localized import LocalizedText


@dataclass(frozen=True, slots=True)
class Experiment:
    """Something that can be tried to tell two causes apart.

    Attributes:
        id: stable id, e.g. ``main-mode-on-4500``.
        title: what is tried.
        observation: the vocabulary name that its outcome is recorded under, or ``None``
            when only a person can do it (stop the other client, read the gateway's log).
    """

    id: str
    title: LocalizedText
    observation: str | None


@cache
def _experiments() -> Mapping[str, Experiment]:
    return {
        key: Experiment(key, LocalizedText.parse(node["title"], key), node.get("observation"))
        for key, node in load_mapping("experiments.yaml").items()
    }


def experiment(identifier: str) -> Experiment:
    """Returns an experiment; ``KeyError`` when there is none of that id."""
    return _experiments()[identifier]


def experiment_ids() -> tuple[str, ...]:
    """Returns every experiment id."""
    return tuple(_experiments())
