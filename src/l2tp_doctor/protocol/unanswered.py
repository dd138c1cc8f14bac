"""What an engine is asking again and again at a moment, for an owner that weighs the silence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request under way.

    Attributes:
        what: the message, as its layer names it.
        transmissions: how often it has been sent.
        first_sent: seconds, on the engine's scale.
        last_sent: the same.
    """

    what: str
    transmissions: int
    first_sent: float
    last_sent: float
