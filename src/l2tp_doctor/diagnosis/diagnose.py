"""Ranks causes: prior odds times the likelihood ratios of every row that fires.

``something no rule knows`` always competes with odds of 1.  A cause that no row supports
does not compete, and one that a row contradicts is out.  The odds of all, divided by
their sum, are the probabilities; so a verdict can be checked by hand from ``check --why``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from l2tp_doctor.diagnosis.evidence import Evidence
from l2tp_doctor.diagnosis.verdict import (
    Diagnosis,
    RankedCause,
    Reason,
    SeparatingExperiment,
    Undetermined,
    WindowsError,
)
from l2tp_doctor.knowledge.cause_texts import CauseCodes, cause
from l2tp_doctor.knowledge.localized import LocalizedText
from l2tp_doctor.knowledge.rulebook import CauseRule, EvidenceRow, RuleBook, rulebook
from l2tp_doctor.knowledge.ui_texts import text
from l2tp_doctor.knowledge.windows_codes import windows_code
from l2tp_doctor.observations import Observation

NAMING_THRESHOLD = 0.5
"""Below this the first cause is not named: the verdict is ``undetermined`` and shows the candidates."""

SHOWING_THRESHOLD = 0.03
"""Causes less likely than this are left out."""

_MISSING = {
    "needs-psk": "ike.main.needs_psk",
    "needs-certificate": "ike.main.needs_certificate",
    "needs-credentials": "ppp.auth.needs_credentials",
}
"""Reasons for a dial that stopped for want of something, in the order the dial meets them."""

_DIAL = (
    "resolve.ok", "udp500.reply", "udp4500.reply", "udp500.icmp", "udp4500.icmp",
    "ike.main.reply_2", "ike.main.reply_4", "ike.main.established", "dial.connected",
)  # fmt: skip
"""At least one of these was measured, or nothing was."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A rule after meeting the evidence.

    Attributes:
        rule: the rule.
        log_odds: logarithm of prior times ratios; minus infinity when excluded.
        reasons: the rows that fired, weightiest first.
        supported: a row speaks for it.
    """

    rule: CauseRule
    log_odds: float
    reasons: tuple[Reason, ...]
    supported: bool


def diagnose(
    observations: Sequence[Observation], *, stage: str = "resolve", rules: RuleBook | None = None
) -> Diagnosis:
    """Returns the verdict on one run.

    Args:
        observations: in any order; of several sources when :func:`combine` has put them together.
        stage: the furthest stage the dial reached.
        rules: the package's own rule book unless given.
    """
    evidence = Evidence(observations)
    book = rules if rules is not None else rulebook()
    if evidence.value("dial.connected") is True:
        return Diagnosis("healthy", stage, None, (), _warnings(evidence, book), None, 0.0)
    causes, unexplained = _rank(score(evidence, book))
    named = bool(causes) and causes[0].probability >= NAMING_THRESHOLD
    error = _windows_error(causes[:1] if named else causes, stage, evidence)
    known = {item.id for item in causes[:1] if named}
    warnings = tuple(item for item in _warnings(evidence, book) if item.id not in known)
    if named:
        return Diagnosis("faulty", stage, error, causes, warnings, None, unexplained)
    why = _why_undetermined(evidence, causes, stage)
    return Diagnosis("undetermined", stage, error, causes, warnings, why, unexplained)


def score(evidence: Evidence, book: RuleBook) -> tuple[Scored, ...]:
    """Returns every rule with what the evidence makes of it, in the book's order."""
    return tuple(_score(rule, evidence) for rule in book.rules.values())


def _score(rule: CauseRule, evidence: Evidence) -> Scored:
    excluding = _fired(rule.excluded_by, evidence)
    if excluding:
        return Scored(rule, -math.inf, excluding, supported=False)
    reasons = _fired(rule.evidence, evidence)
    total = math.log(rule.prior) + sum(reason.log_odds for reason in reasons)
    ordered = tuple(sorted(reasons, key=lambda reason: -abs(reason.log_odds)))
    return Scored(rule, total, ordered, any(reason.direction == "for" for reason in reasons))


def _fired(rows: Sequence[EvidenceRow], evidence: Evidence) -> tuple[Reason, ...]:
    found: list[Reason] = []
    for row in rows:
        answer = evidence.answer(row.when)
        if answer.truth:
            found.append(
                Reason(
                    text=evidence.fill(row.because, answer.because),
                    observations=evidence.in_order(answer.because),
                    log_odds=math.log(row.ratio) if row.ratio else -math.inf,
                    direction="for" if row.ratio >= 1 else "against",
                )
            )
    return tuple(found)


def probabilities(scores: Sequence[Scored]) -> tuple[dict[str, float], float]:
    """Returns the probability of every competing cause, and of something no rule knows."""
    odds = {
        item.rule.cause: math.exp(min(item.log_odds, 700.0))  # beyond it a float overflows
        for item in scores
        if item.supported
    }
    total = math.fsum(odds.values()) + 1.0
    return {name: value / total for name, value in odds.items()}, 1.0 / total


def _rank(scores: Sequence[Scored]) -> tuple[tuple[RankedCause, ...], float]:
    chances, unexplained = probabilities(scores)
    shown = sorted(
        (item for item in scores if chances.get(item.rule.cause, 0.0) >= SHOWING_THRESHOLD),
        key=lambda item: (-chances[item.rule.cause], item.rule.cause),
    )
    order = [item.rule.cause for item in shown]
    ranked = tuple(
        RankedCause(
            id=item.rule.cause,
            probability=chances[item.rule.cause],
            evidence=_supporting(item.reasons),
            proof=item.reasons,
            experiment=separation(item.rule, order, scores),
        )
        for item in shown
    )
    return ranked, unexplained


def _supporting(reasons: Sequence[Reason]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            identifier
            for reason in reasons
            if reason.direction == "for"
            for identifier in reason.observations
        )
    )


def separation(
    rule: CauseRule, shown: Sequence[str], scores: Sequence[Scored]
) -> SeparatingExperiment | None:
    """Returns the experiment against the likeliest other cause shown, whichever of the two wrote it down."""
    by_cause = {item.rule.cause: item.rule for item in scores}
    for neighbour in shown:
        if neighbour == rule.cause:
            continue
        for owner, other in ((rule, neighbour), (by_cause[neighbour], rule.cause)):
            for item in owner.separates:
                if item.neighbour == other:
                    return SeparatingExperiment(neighbour, item.experiment, item.text)
    return None


def _warnings(evidence: Evidence, book: RuleBook) -> tuple[RankedCause, ...]:
    found: list[RankedCause] = []
    for rule in book.rules.values():
        reasons = _fired(rule.warns, evidence)
        if reasons:
            found.append(RankedCause(rule.cause, 1.0, _supporting(reasons), reasons))
    return tuple(found)


def _windows_error(causes: Sequence[RankedCause], stage: str, evidence: Evidence) -> WindowsError | None:
    """Returns the code that all the causes agree on; candidates that disagree give none."""
    codes = {_code(cause(item.id).codes, stage, evidence) for item in causes}
    number = codes.pop() if len(codes) == 1 else None
    known = windows_code(number) if number is not None else None
    return WindowsError(known.code, known.name) if known is not None else None


def _code(codes: CauseCodes, stage: str, evidence: Evidence) -> int | None:
    said = evidence.value(codes.observed) if codes.observed is not None else None
    if isinstance(said, int) and said in (codes.usual, *codes.also):
        return said
    return codes.at(stage)


def _why_undetermined(evidence: Evidence, causes: Sequence[RankedCause], stage: str) -> Undetermined:
    for reason, name in _MISSING.items():
        if evidence.value(name) is True:
            return _undetermined(reason, evidence.ids([name]), stage=stage)
    if evidence.value("route.error") is not None:
        return _undetermined(
            "cannot-send", evidence.ids(["route.error"]), error=evidence.value("route.error")
        )
    if causes:
        return _undetermined("ambiguous", causes[0].evidence)
    if all(evidence.value(name) is None for name in _DIAL):
        return _undetermined("nothing-measured", ())
    return _undetermined("unexplained", (), stage=stage)


def _undetermined(reason: str, observations: tuple[str, ...], **values: object) -> Undetermined:
    key = f"diagnosis.undetermined.{reason}"
    filled: dict[str, str] = {}
    for language in ("ja", "en"):
        shown = dict(values)
        if "stage" in shown:
            shown["stage"] = text(f"diagnosis.stage.{shown['stage']}", language)
        filled[language] = text(key, language, **shown)
    return Undetermined(reason, observations, LocalizedText(ja=filled["ja"], en=filled["en"]))
