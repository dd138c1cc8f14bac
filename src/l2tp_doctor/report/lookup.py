"""Where the reports find what is known about a cause."""

from __future__ import annotations

from collections.abc import Callable

from l2tp_doctor.knowledge import Cause, cause

CauseLookup = Callable[[str], Cause]


def known_cause(identifier: str) -> Cause:
    """Returns the knowledge's entry; ``KeyError`` for an id outside it (a bug of ours)."""
    return cause(identifier)
