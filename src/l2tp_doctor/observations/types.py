"""The observation and the log that numbers observations as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from l2tp_doctor.observations.vocabulary import VOCABULARY

Value = bool | int | float | str | tuple[str, ...] | None
"""What an observation can say.  ``None`` means: tried, and it could not be measured (see ``reason``)."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One fact, with where it comes from.

    Attributes:
        id: ``obs-N``, unique within one run.
        name: a name from :mod:`l2tp_doctor.observations.vocabulary`.
        value: the fact; ``None`` when it could not be measured.
        at: seconds since the run began.
        source: ``probe:<experiment>``, ``host:<check>`` or ``capture:<file>``.
        evidence: pointers into the timeline, packet numbers counted from 1.
        reason: why it was not measured; empty otherwise.
    """

    id: str
    name: str
    value: Value
    at: float
    source: str
    evidence: tuple[int, ...] = ()
    reason: str = ""


@dataclass
class ObservationLog:
    """Collects observations in order and gives each its id.

    Raises:
        KeyError: from :meth:`add`, for a name outside the vocabulary (a bug of ours).
    """

    listener: Callable[[Observation], None] | None = None
    _items: list[Observation] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: Value,
        *,
        at: float,
        source: str,
        evidence: tuple[int, ...] = (),
        reason: str = "",
    ) -> Observation:
        """Appends an observation and returns it."""
        VOCABULARY[name].check(value)
        observation = Observation(f"obs-{len(self._items) + 1}", name, value, at, source, evidence, reason)
        self._items.append(observation)
        if self.listener is not None:
            self.listener(observation)
        return observation

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def latest(self, name: str) -> Observation | None:
        """Returns the newest observation of that name, or ``None``."""
        return next((item for item in reversed(self._items) if item.name == name), None)
