"""Fixes and experiments by id: what a cause or a rule may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from l2tp_doctor.knowledge.files import load_mapping
from l2tp_doctor.knowledge.localized import LocalizedText

FIX_CLASSES = ("safe", "needs-reboot", "changes-security")
FIX_PLACES = ("client", "network", "gateway")


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that removes a cause.

    Attributes:
        id: stable id, e.g. ``open-udp-4500``.
        title: what is changed.
        fix_class: ``safe``, ``needs-reboot`` or ``changes-security``.
        place: where: ``client``, ``network`` or ``gateway``.
    """

    id: str
    title: LocalizedText
    fix_class: str
    place: str


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
def _fixes() -> Mapping[str, Fix]:
    found: dict[str, Fix] = {}
    for key, node in load_mapping("fixes.yaml").items():
        if node["class"] not in FIX_CLASSES or node["place"] not in FIX_PLACES:
            raise ValueError(f"fixes.yaml: {key}: unknown class or place")
        found[key] = Fix(key, LocalizedText.parse(node["title"], key), node["class"], node["place"])
    return found


@cache
def _experiments() -> Mapping[str, Experiment]:
    return {
        key: Experiment(key, LocalizedText.parse(node["title"], key), node.get("observation"))
        for key, node in load_mapping("experiments.yaml").items()
    }


def fix(identifier: str) -> Fix:
    """Returns a fix; ``KeyError`` when there is none of that id."""
    return _fixes()[identifier]


def fix_ids() -> tuple[str, ...]:
    """Returns every fix id."""
    return tuple(_fixes())


def experiment(identifier: str) -> Experiment:
    """Returns an experiment; ``KeyError`` when there is none of that id."""
    return _experiments()[identifier]


def experiment_ids() -> tuple[str, ...]:
    """Returns every experiment id."""
    return tuple(_experiments())
