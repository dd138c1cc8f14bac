"""From observations to ranked causes with proof.  Pure: no sockets, no clock."""

from l2tp_doctor.diagnosis.diagnose import NAMING_THRESHOLD, SHOWING_THRESHOLD, diagnose
from l2tp_doctor.diagnosis.explain import Explanation, RowTrace, explain
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
    "NAMING_THRESHOLD",
    "SHOWING_THRESHOLD",
    "Diagnosis",
    "Explanation",
    "RankedCause",
    "Reason",
    "RowTrace",
    "SeparatingExperiment",
    "Undetermined",
    "Verdict",
    "WindowsError",
    "diagnose",
    "explain",
]
