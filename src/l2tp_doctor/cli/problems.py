"""Errors that end a command with one line and an exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; stable from the first release."""

    HEALTHY = 0
    FAULTY = 1
    USAGE = 2
    UNDETERMINED = 3
    INTERRUPTED = 130
    TERMINATED = 143


class UsageProblemError(Exception):
    """What the user gave cannot be used.

    Attributes:
        key: text in ``texts/cli.yaml``.
        values: for its placeholders; never a secret's content.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values
