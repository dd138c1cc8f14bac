"""Shows a check while it runs: a live ladder on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import Listener
from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.report.drawing import Glyphs, Pen, milliseconds
from l2tp_doctor.report.ladder import Kind, Ladder
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.sentences import sentence
from l2tp_doctor.report.words import Words

_OPEN_ROWS = 8  # newest rows that may still change: repetitions are counted on them
_FRAMES_PER_SECOND = 10


class Progress(Listener, Protocol):
    """A listener that is opened before the check and closed behind it."""

    def __enter__(self) -> Self:
        """Begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the terminal as it was."""

    def finish(self, *, connected: bool) -> None:
        """Draws what is still open in its final form."""


@dataclass
class Experiments:
    """The differential experiments under way and done, with what each showed."""

    words: Words
    glyphs: Glyphs
    running: dict[str, Spinner] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)

    def change(self, name: str, running: bool) -> None:
        """Notes a beginning or an end."""
        if running:
            self.running[name] = Spinner(self.glyphs.spinner, Text(f" {self.label(name)}"), style="cyan")
        else:
            self.running.pop(name, None)
            self.done.setdefault(name, "")

    def observe(self, observation: Observation) -> None:
        """Keeps the newest result of the experiment that an observation comes from."""
        name = observation.source.removeprefix("probe:")
        if observation.value is None or name == observation.source:
            return
        if name in self.running or name in self.done or observation.name.startswith("experiment."):
            self.done[name] = sentence(observation, self.words)

    def label(self, name: str) -> str:
        """Returns the experiment's name for people."""
        key = f"experiment.{name.replace('-', '_')}"
        return self.words(key) if key in self.words else printable(name)

    def finished_lines(self) -> list[Text]:
        """Returns one line for each experiment that has ended."""
        lines = []
        for name, result in self.done.items():
            if name not in self.running:
                said = result or f"{self.label(name)}: {self.words('experiments.done')}"
                lines.append(Text(f"   {self.glyphs.check} ", "cyan").append(said))
        return lines

    def lines(self) -> list[RenderableType]:
        """Returns the whole list for the live region."""
        if not self.running and not self.done:
            return []
        lines: list[RenderableType] = [Text(f" {self.words('experiments.title')}", "bold")]
        lines += self.finished_lines()
        for spinner in self.running.values():
            lines.append(_Indented(spinner, 3))
        return lines


@dataclass
class _Indented:
    """A spinner with blanks before it."""

    spinner: Spinner
    cells: int

    def __rich_console__(self, console: Console, options: object) -> list[Text]:
        frame = self.spinner.render(console.get_time())
        text = frame if isinstance(frame, Text) else Text(str(frame))
        return [Text(" " * self.cells).append_text(text)]


class LiveLadder:
    """A ladder that grows on a terminal.

    Rows that can no longer change are printed for good; the newest few, with the
    experiments, are drawn again and again below them.
    """

    def __init__(
        self, console: Console, words: Words, glyphs: Glyphs, gateway: str, ports: Mapping[str, int]
    ) -> None:
        self._console = console
        self._pen = Pen(words, console.width, glyphs, ports)
        self._gateway = gateway
        self._ladder = Ladder()
        self._experiments = Experiments(words, glyphs)
        self._headed = False
        self._live = Live(
            console=console,
            get_renderable=self._region,
            refresh_per_second=_FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _region(self) -> RenderableType:
        rows = self._ladder.rows[self._ladder.committed :]
        lines: list[RenderableType] = []
        for row in list(rows):
            waiting = row is rows[-1] and row.kind is Kind.MESSAGE and row.direction is Direction.OUT
            lines.append(self._pen.row(row, waiting=waiting))
        return Group(*lines, *self._experiments.lines())

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _commit(self, up_to: int) -> None:
        if not self._headed and self._ladder.rows:
            self._headed = True
            self._print(self._pen.head(self._gateway))
        while self._ladder.committed < up_to:
            self._print(self._pen.row(self._ladder.rows[self._ladder.committed]))
            self._ladder.committed += 1

    def on_trace(self, event: TraceEvent) -> None:
        """Adds a message."""
        self._ladder.add(event)
        self._commit(max(self._ladder.committed, len(self._ladder.rows) - _OPEN_ROWS))

    def on_observation(self, observation: Observation) -> None:
        """Learns the lane, and an experiment's result."""
        self._ladder.observe(observation)
        self._experiments.observe(observation)

    def on_experiment(self, name: str, running: bool) -> None:
        """Shows that an experiment began or ended."""
        self._experiments.change(name, running)

    def finish(self, *, connected: bool) -> None:
        """Prints the last rows in their final form, and the experiments."""
        self._ladder.finish(connected=connected)
        self._live.stop()
        self._commit(len(self._ladder.rows))
        if self._experiments.done:
            self._print(Text())
            self._print(Text(f" {self._experiments.words('experiments.title')}", "bold"))
            for line in self._experiments.finished_lines():
                self._console.print(line, soft_wrap=False, overflow="ellipsis", no_wrap=True)


class PlainProgress:
    """One plain line for each message, for logs and pipes."""

    def __init__(self, console: Console, words: Words, glyphs: Glyphs) -> None:
        self._console = console
        self._glyphs = glyphs
        self._experiments = Experiments(words, glyphs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def on_trace(self, event: TraceEvent) -> None:
        """Prints a message."""
        arrows = {
            Direction.OUT: self._glyphs.right,
            Direction.IN: self._glyphs.left,
            Direction.NOTE: self._glyphs.bullet,
        }
        size = f" ({event.size} B)" if event.size else ""
        text = printable(event.summary)
        self._print(f"{milliseconds(event.at):>9} {arrows[event.direction]} {event.layer}: {text}{size}")

    def on_observation(self, observation: Observation) -> None:
        """Keeps an experiment's result."""
        self._experiments.observe(observation)

    def on_experiment(self, name: str, running: bool) -> None:
        """Prints that an experiment began or ended."""
        words = self._experiments.words
        label = self._experiments.label(name)
        state = words("experiments.running" if running else "experiments.done")
        self._experiments.change(name, running)
        result = "" if running else self._experiments.done.get(name, "")
        self._print(f"{'':>9} {self._glyphs.bullet} {label}: {result or state}")

    def finish(self, *, connected: bool) -> None:
        """Says nothing more; the report follows."""
