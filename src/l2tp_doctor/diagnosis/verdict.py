"""What a diagnosis says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l2tp_doctor.knowledge.localized import LocalizedText

Verdict = Literal["healthy", "faulty", "undetermined"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence of proof.

    Attributes:
        text: with the observations' values filled in.
        observations: ids of the observations it rests on, oldest first.
        log_odds: natural logarithm of the row's likelihood ratio; 0 in warnings.
        direction: ``for`` or ``against`` the cause.
    """

    text: LocalizedText
    observations: tuple[str, ...]
    log_odds: float
    direction: Literal["for", "against"]


@dataclass(frozen=True, slots=True)
class SeparatingExperiment:
    """What would tell a cause from the neighbour shown beside it."""

    neighbour: str
    experiment: str
    text: LocalizedText


@dataclass(frozen=True, slots=True)
class RankedCause:
    """A cause, or a warning of the same shape.

    Attributes:
        id: cause id.
        probability: 0 to 1.  All causes of one diagnosis and its ``unexplained`` sum to at
            most 1.  1 for a warning, which states a fact.
        evidence: ids of all observations that speak for it, oldest first.
        proof: the sentences, weightiest first.
        experiment: how to tell it from the likeliest neighbour that is also shown; ``None``
            when none is near.
    """

    id: str
    probability: float
    evidence: tuple[str, ...]
    proof: tuple[Reason, ...]
    experiment: SeparatingExperiment | None = None


@dataclass(frozen=True, slots=True)
class Undetermined:
    """Why there is no verdict.

    Attributes:
        reason: ``nothing-measured``, ``cannot-send``, ``needs-psk``, ``needs-credentials``,
            ``needs-certificate``, ``ambiguous`` or ``unexplained``; its text has the key
            ``diagnosis.undetermined.<reason>``.
        observations: ids of the observations that say so.
        text: that text with its placeholders filled.
    """

    reason: str
    observations: tuple[str, ...]
    text: LocalizedText


@dataclass(frozen=True, slots=True)
class WindowsError:
    """The code Windows would show."""

    code: int
    name: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The whole verdict.

    Attributes:
        verdict: ``healthy``, ``faulty`` or ``undetermined``.
        stage: the furthest stage the dial reached.
        windows_error: what Windows would show, or ``None``.
        causes: likeliest first; empty when healthy.
        warnings: things worth saying that did not make this dial fail.
        undetermined: why, when the verdict is ``undetermined``.
        unexplained: probability that it is something no rule knows.
    """

    verdict: Verdict
    stage: str
    windows_error: WindowsError | None
    causes: tuple[RankedCause, ...]
    warnings: tuple[RankedCause, ...]
    undetermined: Undetermined | None
    unexplained: float
