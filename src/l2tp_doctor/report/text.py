"""The report for people: the ladder, then one paragraph, then what else is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from l2tp_doctor.diagnosis import Combined, Diagnosis, Explanation, losses
from l2tp_doctor.diagnosis.verdict import RankedCause
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.report.drawing import Glyphs, Pen, milliseconds
from l2tp_doctor.report.ladder import Ladder, build
from l2tp_doctor.report.lookup import CauseLookup, known_cause
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.sentences import not_measured, sentence
from l2tp_doctor.report.why import Why, percent
from l2tp_doctor.report.words import Words
from l2tp_doctor.report.wrapping import wrap

_BAR = 10
_PROOF_SENTENCES = 4  # the weightiest; --why shows all
_NEXT_STEPS = 3
_MAXIMUM_WIDTH = 100
_CIRCLED = "①②③④⑤⑥⑦⑧⑨"


@dataclass(frozen=True)
class TextReport:
    """Renders one finished check as lines of text.

    Attributes:
        measurement: what was found out.
        diagnosis: what it means.
        words: the language.
        glyphs: the characters of the terminal.
        width: of the terminal, in cells.
        ports: gateway ports by lane, ``udp500`` and ``udp4500``.
        lookup: what is known about a cause.
        explanation: the reckoning behind the diagnosis, for ``--why``.
        combined: the observations of all sources, when there are others than the dial.
    """

    measurement: Measurement
    diagnosis: Diagnosis
    words: Words
    glyphs: Glyphs
    width: int
    ports: dict[str, int]
    lookup: CauseLookup = known_cause
    explanation: Explanation | None = None
    combined: Combined | None = None

    # -- the ladder ---------------------------------------------------------------------------

    def ladder(self) -> list[Text]:
        """Returns the drawing of the dial."""
        measurement = self.measurement
        rows = build(
            measurement.trace, measurement.observations, connected=self.diagnosis.verdict == "healthy"
        )
        pen = Pen(self.words, self.width, self.glyphs, self.ports)
        return draw(rows, pen, gateway_label(measurement))

    # -- the paragraph ------------------------------------------------------------------------

    def paragraph(self) -> list[Text]:
        """Returns the verdict: what is wrong, the proof, and what to do next."""
        if self.diagnosis.verdict == "healthy":
            lines = list(self._healthy())
        elif self.diagnosis.verdict == "faulty":
            lines = list(self._faulty(self.diagnosis.causes[0]))
        else:
            lines = list(self._undetermined())
        if self.measurement.interrupted:
            head = Text(f"{self.glyphs.warning} {self.words('verdict.interrupted')}", "bold yellow")
            stage = self.words(f"stage.{self.measurement.stage}")
            lines = [head, *self._body(self.words("verdict.interrupted_detail", stage=stage)), Text(), *lines]
        return lines

    def _healthy(self) -> Iterator[Text]:
        yield Text(f"{self.glyphs.check} {self.words('verdict.healthy')}", "bold green")
        took = milliseconds(self.measurement.elapsed)
        yield from self._body(self.words("verdict.healthy_detail", time=took))
        yield from self._labelled("paragraph.lost", self._directions())

    def _faulty(self, cause: RankedCause) -> Iterator[Text]:
        known = self.lookup(cause.id)
        headline = self.words("verdict.faulty", title=self.words.pick(known.title))
        yield from self._headline(self.glyphs.cross, headline, "bold red")
        yield from (Text("  ").append(line, "dim") for line in self._packed(self._facts(cause)))
        yield Text()
        proof = [self.words.pick(reason.text) for reason in cause.proof if reason.direction == "for"]
        yield from self._labelled("paragraph.proof", [self.words.sentences(proof[:_PROOF_SENTENCES])])
        yield from self._labelled("paragraph.lost", self._directions())
        steps = [self.words.pick(step) for step in known.next_steps[:_NEXT_STEPS]]
        yield from self._labelled("paragraph.next", self._numbered(steps), "bold")

    def _directions(self) -> list[str]:
        """Returns what a reflector shows to be lost, one sentence for each direction."""
        shown = []
        found = losses(self._observations)
        for direction in ("out", "in"):
            lost = [item for item in found if item.direction == direction]
            if lost:
                host = self.words("lost.near" if lost[0].near_gateway else "lost.far", host=lost[0].reflector)
                what = self.words.joined([self.words(f"lost.{item.channel}") for item in lost])
                shown.append(self.words(f"lost.{direction}", host=host, what=what))
        return shown

    @property
    def _observations(self) -> tuple[Observation, ...]:
        return self.measurement.observations if self.combined is None else self.combined.observations

    def _facts(self, cause: RankedCause) -> list[str]:
        error = self.diagnosis.windows_error
        facts = [
            self.words("paragraph.sure", percent=percent(cause.probability)),
            milliseconds(self.measurement.elapsed),
            cause.id,
        ]
        if error is not None:
            facts.insert(0, self.words("verdict.windows_error", code=error.code, name=error.name))
        return facts

    def _undetermined(self) -> Iterator[Text]:
        yield from self._headline("?", self.words("verdict.undetermined"), "bold yellow")
        why = self.diagnosis.undetermined
        if why is not None:
            yield from self._body(self.words.pick(why.text))
            yield from self._labelled("paragraph.lost", self._directions())
            return
        stage = self.words(f"stage.{self.measurement.stage}")
        yield from self._body(self.words("verdict.undetermined_no_candidate", stage=stage))

    # -- the rest -----------------------------------------------------------------------------

    def others(self) -> list[Text]:
        """Returns the other causes with their probabilities and what would tell them apart."""
        undetermined = self.diagnosis.verdict == "undetermined"
        causes = self.diagnosis.causes if undetermined else self.diagnosis.causes[1:]
        if not causes:
            return []
        lines = [self._title("section.candidates" if undetermined else "section.others")]
        for cause in causes:
            filled = min(_BAR, max(1, round(cause.probability * _BAR)))
            line = Text("  ")
            line.append(self.glyphs.full * filled, "magenta")
            line.append(self.glyphs.empty * (_BAR - filled), "dim")
            line.append(f" {percent(cause.probability):>6}  ", "bold")
            first, *more = wrap(self.words.pick(self.lookup(cause.id).title), self._room(22))
            lines.append(line.append(first))
            lines += [Text(" " * 22 + item) for item in more]
        experiment = next((item.experiment for item in self.diagnosis.causes if item.experiment), None)
        if experiment is not None:
            text = f"{self.glyphs.arrow} {self.words.pick(experiment.text)}"
            lines += [Text("  " + item) for item in wrap(text, self._room(2))]
        return lines

    def warnings(self) -> list[Text]:
        """Returns what is worth saying although it did not make this dial fail."""
        if not self.diagnosis.warnings:
            return []
        lines = [self._title("section.warnings")]
        for warning in self.diagnosis.warnings:
            known = self.lookup(warning.id)
            proof = [self.words.pick(reason.text) for reason in warning.proof]
            steps = [self.words.pick(step) for step in known.next_steps[:1]]
            first, *more = wrap(self.words.pick(known.title), self._room(4))
            lines.append(Text(f"  {self.glyphs.warning} ", "yellow").append(first, "bold"))
            lines += [Text("    ").append(item, "bold") for item in more]
            lines += [
                Text("    " + item) for item in wrap(self.words.sentences(proof + steps), self._room(4))
            ]
        return lines

    def not_measured(self) -> list[Text]:
        """Returns what was tried without result, and why, grouped by the reason."""
        groups: dict[str, list[str]] = {}
        for item in not_measured(self.measurement.observations):
            groups.setdefault(item.reason, []).append(self._name(item))
        if not groups:
            return []
        lines = [self._title("section.not_measured")]
        for reason, names in groups.items():
            shown = printable(reason) or self.words("not_measured.no_reason")
            what = self.words.joined(list(dict.fromkeys(names)))
            text = self.words("not_measured.because", what=what, reason=shown)
            first, *more = wrap(text, self._room(4))
            lines.append(Text(f"  {self.glyphs.bullet} {first}", "dim"))
            lines += [Text(f"    {item}", "dim") for item in more]
        return lines

    def _name(self, item: Observation) -> str:
        if item.name.startswith("experiment."):
            key = f"experiment.{item.name.split('.')[1]}"
            if key in self.words:
                return self.words(key)
        return item.name

    def experiments(self) -> list[Text]:
        """Returns what each differential experiment showed."""
        lines = []
        for item in self.measurement.observations:
            shown = item.name.startswith("experiment.") and not item.name.endswith(".tried")
            if shown and item.value is not None:
                first, *more = wrap(sentence(item, self.words), self._room(4))
                lines.append(Text(f"  {self.glyphs.bullet} {first}"))
                lines += [Text(f"    {line}") for line in more]
        return [self._title("experiments.title"), *lines] if lines else []

    def why(self) -> list[Text]:
        """Returns every observation by its source, those the first cause rests on marked."""
        used = set(self.diagnosis.causes[0].evidence) if self.diagnosis.causes else set()
        return self._why.observations(self._observations, used)

    def reckoning(self) -> list[Text]:
        """Returns how each cause came by its probability: odds, multiplied by what each row says."""
        if self.explanation is None or not self.explanation.rows:
            return []
        return self._why.reckoning(self.explanation, self._observations)

    def sources(self) -> list[Text]:
        """Returns what was weighed beside the dial."""
        return self._why.sources(self.combined) if self.combined is not None else []

    @property
    def _why(self) -> Why:
        return Why(self.words, self.glyphs, min(self.width, _MAXIMUM_WIDTH), self.lookup)

    def full(self, *, with_ladder: bool, with_why: bool) -> list[Text]:
        """Returns the whole report, its parts separated by empty lines."""
        parts = [self.ladder(), self.experiments()] if with_ladder else []
        parts += [self.paragraph(), self.others(), self.warnings(), self.sources(), self.not_measured()]
        if with_why:
            parts += [self.why(), self.reckoning()]
        lines: list[Text] = []
        for part in parts:
            if part:
                lines += [Text(), *part]
        return lines

    # -- small things -------------------------------------------------------------------------

    def _room(self, indent: int) -> int:
        return max(24, min(self.width, _MAXIMUM_WIDTH) - indent)

    def _title(self, key: str) -> Text:
        return Text(self.words(key), "bold")

    def _packed(self, facts: list[str]) -> list[str]:
        """Returns the facts on as few lines as they fit, none of them broken."""
        lines = [facts[0]]
        for fact in facts[1:]:
            longer = f"{lines[-1]} {self.glyphs.dot} {fact}"
            if cell_len(longer) <= self._room(2):
                lines[-1] = longer
            else:
                lines.append(fact)
        return lines

    def _headline(self, mark: str, text: str, style: str) -> Iterator[Text]:
        first, *more = wrap(text, self._room(2))
        yield Text(f"{mark} {first}", style)
        yield from (Text(f"  {line}", style) for line in more)

    def _body(self, text: str) -> Iterator[Text]:
        return (Text(f"  {line}") for line in wrap(text, self._room(2)))

    def _numbered(self, steps: list[str]) -> list[str]:
        if len(steps) < 2:
            return steps
        fancy = self.glyphs.full == "█"
        marks = _CIRCLED if fancy else "123456789"
        return [f"{mark} {step}" for mark, step in zip(marks, steps, strict=False)]

    def _labelled(self, key: str, paragraphs: list[str], style: str = "") -> Iterator[Text]:
        label = self.words(key)
        indent = 2 + max(cell_len(self.words(name)) for name in ("paragraph.proof", "paragraph.next")) + 2
        for text in paragraphs:
            hanging = 2 if text[:1] in _CIRCLED or text[:2] in ("1 ", "2 ", "3 ") else 0
            first, *more = wrap(text, self._room(indent + hanging))
            line = Text("  ").append(label, "bold cyan")
            line.append(" " * (indent - cell_len(line.plain)))
            yield line.append(first, style)
            yield from (Text(" " * (indent + hanging)).append(item, style) for item in more)
            label = ""


def gateway_label(measurement: Measurement) -> str:
    """Returns the gateway's name with its address."""
    host, address = measurement.host, measurement.address
    return host if address in (None, host) else f"{host} ({address})"


def draw(ladder: Ladder, pen: Pen, gateway: str) -> list[Text]:
    """Returns a finished ladder as lines."""
    words = pen.words
    if not ladder.rows:
        return [Text(f"  {words('ladder.not_dialled')}", "dim")]
    return [pen.head(gateway), *pen.rows(ladder.rows)]
