"""From observations to ranked causes with proof.  Pure: no sockets, no clock."""

from l2tp_doctor.diagnosis.diagnose import NAMING_THRESHOLD, SHOWING_THRESHOLD, diagnose
from l2tp_doctor.diagnosis.direction import Loss, losses
from l2tp_doctor.diagnosis.explain import Explanation, RowTrace, explain
from l2tp_doctor.diagnosis.sources import FRESH, Combined, Occasion, Origin, SourceLog, combine, origin
from l2tp_doctor.diagnosis.verdict import (
    Diagnosis,
    RankedCause,
    Reason,
    SeparatingExperiment,
    Undetermined,
    Verdict,
    WindowsError,
)

__all__ = [
    "FRESH",
    "NAMING_THRESHOLD",
    "SHOWING_THRESHOLD",
    "Combined",
    "Diagnosis",
    "Explanation",
    "Loss",
    "Occasion",
    "Origin",
    "RankedCause",
    "Reason",
    "RowTrace",
    "SeparatingExperiment",
    "SourceLog",
    "Undetermined",
    "Verdict",
    "WindowsError",
    "combine",
    "diagnose",
    "explain",
    "losses",
    "origin",
]
