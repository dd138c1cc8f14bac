"""The terminal: progress on standard error, the report on standard output."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from l2tp_doctor.diagnosis import Combined, Diagnosis, explain
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.report.drawing import glyphs_for
from l2tp_doctor.report.live import LiveLadder, PlainProgress, Progress
from l2tp_doctor.report.text import TextReport
from l2tp_doctor.report.verbose import packet_trees
from l2tp_doctor.report.words import Words


class Screen:
    """Where one check is shown.

    Attributes:
        live: the ladder grows on standard error while the check runs.
    """

    def __init__(self, words: Words, *, color: bool = True) -> None:
        self._words = words
        no_color = None if color else True  # None leaves it to NO_COLOR
        self._error = Console(file=sys.stderr, no_color=no_color, highlight=False)
        self._out = Console(file=sys.stdout, no_color=no_color, highlight=False)
        self.live = self._error.is_terminal and not self._error.is_dumb_terminal

    def progress(self, gateway: str, ports: dict[str, int]) -> Progress:
        """Returns the listener that fits standard error."""
        glyphs = glyphs_for(self._error.encoding)
        if self.live:
            return LiveLadder(self._error, self._words, glyphs, gateway, ports)
        return PlainProgress(self._error, self._words, glyphs)

    def report(
        self,
        measurement: Measurement,
        diagnosis: Diagnosis,
        ports: dict[str, int],
        combined: Combined | None = None,
        *,
        verbose: bool = False,
        why: bool = False,
    ) -> None:
        """Prints the report; the ladder too unless the reader has just seen it grow."""
        glyphs = glyphs_for(self._out.encoding)
        known = measurement.observations if combined is None else combined.observations
        explanation = explain(known) if why else None
        report = TextReport(
            measurement, diagnosis, self._words, glyphs, self._out.width, ports,
            explanation=explanation, combined=combined,
        )  # fmt: skip
        if verbose:
            self._print(Text())
            self._print(Text(self._words("section.packets"), "bold"))
            for line in packet_trees(measurement.trace, glyphs):
                self._print(line)
        seen = self.live and self._out.is_terminal
        for line in report.full(with_ladder=not seen, with_why=why):
            self._print(line)

    def _print(self, line: Text) -> None:
        self._out.print(line, soft_wrap=True)
