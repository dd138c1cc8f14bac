"""The waist of the program: small immutable facts with names from a closed vocabulary."""

from l2tp_doctor.observations.types import Observation, ObservationLog, Value

__all__ = ["Observation", "ObservationLog", "Value"]
