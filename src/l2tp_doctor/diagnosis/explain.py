"""The working behind a verdict, for ``check --why``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from l2tp_doctor.diagnosis.diagnose import Scored, probabilities, score, separation
from l2tp_doctor.diagnosis.evidence import Evidence
from l2tp_doctor.diagnosis.verdict import Reason, SeparatingExperiment
from l2tp_doctor.knowledge.rulebook import RuleBook, rulebook
from l2tp_doctor.observations import Observation


@dataclass(frozen=True, slots=True)
class RowTrace:
    """One cause's calculation.

    Attributes:
        cause: cause id.
        prior_log_odds: logarithm of its prior odds.
        reasons: rows that fired; when ``excluded``, the contradictions.
        excluded: a hard contradiction was found.
        supported: some row speaks for it; without one it does not compete.
        log_odds: prior plus reasons; minus infinity when excluded.
        probability: its share, 0 when it does not compete.
    """

    cause: str
    prior_log_odds: float
    reasons: tuple[Reason, ...]
    excluded: bool
    log_odds: float
    probability: float
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a verdict came about.

    Attributes:
        rows: every cause that a row spoke for or against, likeliest first, then the excluded ones.
        unexplained: probability that it is something no rule knows.
        experiment: what would separate the first cause from the second, however unlikely that one is.
    """

    rows: tuple[RowTrace, ...]
    unexplained: float
    experiment: SeparatingExperiment | None = None


def explain(observations: Sequence[Observation], *, rules: RuleBook | None = None) -> Explanation:
    """Returns the calculation that :func:`diagnose` makes from the same observations."""
    scores = score(Evidence(observations), rules if rules is not None else rulebook())
    chances, unexplained = probabilities(scores)
    rows = [_row(item, chances.get(item.rule.cause, 0.0)) for item in scores if item.reasons]
    rows.sort(key=lambda row: (row.excluded, -row.probability, row.cause))
    order = [row.cause for row in rows if row.supported][:2]
    first = next((item.rule for item in scores if order and item.rule.cause == order[0]), None)
    return Explanation(
        tuple(rows), unexplained, separation(first, order, scores) if first is not None else None
    )


def _row(item: Scored, probability: float) -> RowTrace:
    return RowTrace(
        cause=item.rule.cause,
        prior_log_odds=math.log(item.rule.prior),
        reasons=item.reasons,
        excluded=item.log_odds == -math.inf,
        log_odds=item.log_odds,
        probability=probability,
        supported=item.supported,
    )
