"""The diagnosis rules, read from ``rules/*.yaml``.

``rules/definitions.yaml`` names conditions that several rules share.  Every other file
maps cause ids to::

    prior: 0.05                 # odds against "something not in this book", before any evidence
    evidence:                   # likelihood ratios; below 1 speaks against the cause
      - {when: …, ratio: 200, because: {ja: …, en: …}}
    excluded_by:                # hard contradictions
      - {when: …, because: {…}}
    warns:                      # worth saying although the dial works, or fails for another reason
      - {when: …, because: {…}}
    separates:                  # what would tell it from a neighbour
      - {from: other-cause, experiment: id, text: {…}}

Texts quote observations as ``{name.of.observation}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from l2tp_doctor.knowledge.conditions import Condition, parse
from l2tp_doctor.knowledge.files import load_mapping, names
from l2tp_doctor.knowledge.localized import LocalizedText

QUOTE = re.compile(r"\{([a-z0-9_.]+)\}")
"""A quoted observation in a rule's text."""

_FIELDS = frozenset({"prior", "evidence", "excluded_by", "warns", "separates"})


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One thing to look for.

    Attributes:
        when: fires when true.
        ratio: how many times likelier this is when the cause holds than when it does not;
            0 in a row that excludes, 1 in a row that warns.
        because: the sentence for the reader.
    """

    when: Condition
    ratio: float
    because: LocalizedText


@dataclass(frozen=True, slots=True)
class Separation:
    """The experiment that would tell a cause from a neighbour."""

    neighbour: str
    experiment: str
    text: LocalizedText


@dataclass(frozen=True, slots=True)
class CauseRule:
    """Everything that speaks for and against one cause."""

    cause: str
    prior: float
    evidence: tuple[EvidenceRow, ...]
    excluded_by: tuple[EvidenceRow, ...]
    warns: tuple[EvidenceRow, ...]
    separates: tuple[Separation, ...]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules by cause id, and the shared definitions by name."""

    rules: Mapping[str, CauseRule]
    definitions: Mapping[str, Condition]


@cache
def rulebook() -> RuleBook:
    """Returns the rule book of this package.

    Raises:
        ValueError: a file has the wrong shape.
    """
    definitions: dict[str, Condition] = {}
    for name, node in load_mapping("rules", "definitions.yaml").items():
        definitions[name] = parse(node, definitions, f"definitions: {name}")
    rules: dict[str, CauseRule] = {}
    for group in names("rules"):
        if group == "definitions":
            continue
        for identifier, node in load_mapping("rules", f"{group}.yaml").items():
            where = f"rules/{group}.yaml: {identifier}"
            if identifier in rules:
                raise ValueError(f"{where}: defined twice")
            rules[identifier] = _rule(identifier, node, definitions, where)
    return RuleBook(rules, definitions)


def _rule(identifier: str, node: Any, definitions: Mapping[str, Condition], where: str) -> CauseRule:
    if not isinstance(node, Mapping) or not set(node) <= _FIELDS or "prior" not in node:
        raise ValueError(f"{where}: wants prior and some of {sorted(_FIELDS)}")
    return CauseRule(
        cause=identifier,
        prior=float(node["prior"]),
        evidence=_rows(node.get("evidence", []), None, definitions, where),
        excluded_by=_rows(node.get("excluded_by", []), 0.0, definitions, where),
        warns=_rows(node.get("warns", []), 1.0, definitions, where),
        separates=tuple(
            Separation(item["from"], item["experiment"], LocalizedText.parse(item["text"], where))
            for item in node.get("separates", [])
        ),
    )


def _rows(
    nodes: list[Any], ratio: float | None, definitions: Mapping[str, Condition], where: str
) -> tuple[EvidenceRow, ...]:
    fields = {"when", "because", "ratio"} if ratio is None else {"when", "because"}
    rows: list[EvidenceRow] = []
    for node in nodes:
        if set(node) != fields:
            raise ValueError(f"{where}: a row has {sorted(node)}, wants {sorted(fields)}")
        value = float(node["ratio"]) if ratio is None else ratio
        if ratio is None and value <= 0:
            raise ValueError(f"{where}: a ratio is above 0; what is impossible belongs to excluded_by")
        rows.append(
            EvidenceRow(
                parse(node["when"], definitions, where), value, LocalizedText.parse(node["because"], where)
            )
        )
    return tuple(rows)
