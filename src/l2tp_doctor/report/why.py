"""``--why``: every observation by its source, and how the probabilities came about."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from l2tp_doctor.diagnosis import Combined, Explanation, Occasion, RowTrace, origin
from l2tp_doctor.diagnosis.verdict import Reason
from l2tp_doctor.knowledge import experiment, experiment_ids
from l2tp_doctor.observations import Observation
from l2tp_doctor.report.drawing import Glyphs, milliseconds
from l2tp_doctor.report.lookup import CauseLookup, known_cause
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.sentences import sentence
from l2tp_doctor.report.words import Words
from l2tp_doctor.report.wrapping import wrap

_FACTOR = 12  # cells for a factor and its sign
_MAX_IDS = 6
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def percent(probability: float) -> str:
    """Returns a probability for people, never a false 0 % or 100 %."""
    if probability > 0.99:
        return ">99%"
    if probability < 0.01:
        return "<1%"
    return f"{probability * 100:.0f}%"


@dataclass(frozen=True)
class Why:
    """Renders the working behind a verdict.

    Attributes:
        words: the language.
        glyphs: the characters of the terminal.
        width: in cells.
        lookup: what is known about a cause.
    """

    words: Words
    glyphs: Glyphs
    width: int
    lookup: CauseLookup = known_cause

    # -- sources ------------------------------------------------------------------------------

    def sources(self, combined: Combined) -> list[Text]:
        """Returns what was weighed beside the dial; nothing when there was only the dial."""
        asked = {origin(item.source).detail for item in combined.observations if _asked(item)}
        if len(combined.occasions) < 2 and not asked:
            return []
        lines = [Text(self.words("section.sources"), "bold")]
        for occasion in combined.occasions:
            count = sum(not _asked(item) for log in occasion.logs for item in log.observations)
            lines += self._item(self._occasion(occasion, combined.occasions[0].began, count))
        for host in sorted(asked):
            lines += self._item(self.words("source.reflector", host=printable(host)))
        return lines

    def _occasion(self, occasion: Occasion, reference: float, count: int) -> str:
        name = self._heading(occasion.place, occasion.run)
        age = reference - occasion.began
        if not occasion.place and not occasion.run:
            return self.words("source.counted", source=name, count=count)
        key = "source.old" if occasion.place and occasion.run else "source.aged"
        return self.words(key, source=name, count=count, age=self._age(age))

    def _age(self, seconds: float) -> str:
        for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
            if seconds >= unit:
                return self.words(f"age.{name}", count=int(seconds // unit))
        return self.words("age.moment")

    def _heading(self, place: str, run: str) -> str:
        if not place and not run:
            return self.words("source.here")
        key = "source.place_run" if place and run else "source.place" if place else "source.run"
        return self.words(key, place=printable(place), run=printable(run))

    # -- observations -------------------------------------------------------------------------

    def observations(self, items: Sequence[Observation], used: Collection[str]) -> list[Text]:
        """Returns every observation, those in ``used`` marked, under a heading for each source."""
        lines = [Text(self.words("section.why"), "bold"), Text(f"  {self.words('why.used')}", "dim")]
        several = len({_belongs(item) for item in items}) > 1
        for (place, run, host), found in groupby(items, key=_belongs):
            if several:
                heading = self._heading(place, run)
                if host:
                    heading = self.words("source.asked", source=heading, host=printable(host))
                lines.append(Text(f"  {self.glyphs.dot} {heading}", "bold cyan"))
            for item in found:
                lines += self._observation(item, marked=item.id in used)
        return lines

    def _observation(self, item: Observation, *, marked: bool) -> Iterator[Text]:
        when = milliseconds(item.at) if item.at >= 0 else ""
        head = Text(f"{self.glyphs.star if marked else ' '} ", "yellow")
        head.append(f"{printable(item.id):<7} {when:>8}  ", "dim")
        indent = cell_len(head.plain)
        said = sentence(item, self.words) if item.value is not None else printable(item.reason)
        first, *more = wrap(said, self._room(indent))
        yield head.append(first, "" if item.value is not None else "dim")
        yield from (Text(" " * indent + line) for line in more)
        value = "null" if item.value is None else str(item.value)
        yield Text(
            " " * indent + printable(f"{item.name} = {value}  ({item.source})", self._room(indent)), "dim"
        )

    # -- the reckoning ------------------------------------------------------------------------

    def reckoning(self, explanation: Explanation, items: Sequence[Observation]) -> list[Text]:
        """Returns the causes that compete with all that speaks for and against them, then those ruled out."""
        sources = {item.id: item.source for item in items}
        competing = [row for row in explanation.rows if row.supported and not row.excluded]
        lines = [Text(self.words("section.reckoning"), "bold")]
        lines += [Text(f"  {line}", "dim") for line in wrap(self.words("reckoning.how"), self._room(2))]
        for row in competing:
            lines += [Text(), *self._cause(row, sources)]
        unknown = Text(f"  {percent(explanation.unexplained):>6}  ", "bold")
        lines += [Text(), unknown.append(self.words("diagnosis.unexplained"))]
        lines += self._experiment(explanation, competing, items)
        lines += self._excluded([row for row in explanation.rows if row.excluded])
        idle = [row.cause for row in explanation.rows if not row.supported and not row.excluded]
        if idle:
            text = self.words("reckoning.idle", causes=", ".join(idle))
            lines += [Text(), *(Text(f"  {line}", "dim") for line in wrap(text, self._room(2)))]
        return lines

    def _cause(self, row: RowTrace, sources: dict[str, str]) -> Iterator[Text]:
        head = Text(f"  {percent(row.probability):>6}  ", "bold").append(row.cause, "bold")
        indent = cell_len(head.plain) + 2
        first, *more = wrap(self.words.pick(self.lookup(row.cause).title), self._room(indent))
        yield head.append(f"  {first}")
        yield from (Text(" " * indent + line) for line in more)
        yield self._factor(row.prior_log_odds, " ").append(self.words("reckoning.prior"), "dim")
        for reason in row.reasons:
            yield from self._reason(reason, sources)
        yield Text(" " * 4).append(f"= {_figure(row.log_odds)}", "dim")

    def _reason(self, reason: Reason, sources: dict[str, str]) -> Iterator[Text]:
        speaks_for = reason.direction == "for"
        indent = 2 + _FACTOR + 2
        first, *more = wrap(self.words.pick(reason.text), self._room(indent))
        yield self._factor(reason.log_odds, "+" if speaks_for else "-").append(first)
        yield from (Text(" " * indent + line) for line in more)
        for line in wrap(self._ids(reason, sources), self._room(indent)):
            yield Text(" " * indent + line, "dim")

    def _factor(self, log_odds: float, sign: str) -> Text:
        style = {"+": "green", "-": "red"}.get(sign, "dim")
        factor = f"{self.glyphs.times}{_figure(log_odds)}"
        return Text(f"  {factor:>{_FACTOR - 2}} {sign}  ", style).append("", "default")

    def _ids(self, reason: Reason, sources: dict[str, str]) -> str:
        """Returns the observations a reason rests on; with the source where it is not the dial itself."""
        shown = []
        for identifier in reason.observations[:_MAX_IDS]:
            source = sources.get(identifier, "")
            known = origin(source)
            foreign = source and (not known.now or known.kind != "probe")
            shown.append(f"{identifier} ({source})" if foreign else identifier)
        if len(reason.observations) > _MAX_IDS:
            shown.append("…" if self.glyphs.full == "█" else "...")
        return printable(", ".join(shown), 400) or "-"

    def _experiment(
        self, explanation: Explanation, competing: Sequence[RowTrace], items: Sequence[Observation]
    ) -> Iterator[Text]:
        if len(competing) < 2:
            return
        first, second = (row.cause for row in competing[:2])
        yield Text()
        found = explanation.experiment
        text = self.words.pick(found.text) if found is not None else self.words("reckoning.no_experiment")
        done = _outcome(found.experiment, items) if found is not None else ""
        if done:
            text = self.words.sentences([text, self.words("reckoning.done", id=done)])
        line = self.words("reckoning.separate", first=first, second=second, text=text)
        yield from (Text(f"  {part}") for part in wrap(f"{self.glyphs.arrow} {line}", self._room(2)))

    def _excluded(self, rows: Sequence[RowTrace]) -> Iterator[Text]:
        if not rows:
            return
        yield Text()
        yield Text(f"  {self.words('reckoning.excluded')}", "bold")
        for row in rows:
            text = f"{row.cause}: {self.words.pick(row.reasons[0].text)}"
            yield from self._item(text, "dim")

    # -- small things -------------------------------------------------------------------------

    def _item(self, text: str, style: str = "") -> Iterator[Text]:
        first, *more = wrap(text, self._room(4))
        yield Text(f"  {self.glyphs.bullet} {first}", style)
        yield from (Text(f"    {line}", style) for line in more)

    def _room(self, indent: int) -> int:
        return max(24, self.width - indent)


def _outcome(identifier: str, items: Sequence[Observation]) -> str:
    """Returns the id of the observation that tells an experiment's outcome, when this dial made it."""
    wanted = experiment(identifier).observation if identifier in experiment_ids() else None
    found = (item for item in reversed(items) if item.name == wanted and item.value is not None)
    return next((item.id for item in found if origin(item.source).now), "")


def _asked(item: Observation) -> bool:
    source = origin(item.source)
    return source.now and source.kind == "reflect"


def _belongs(item: Observation) -> tuple[str, str, str]:
    source = origin(item.source)
    return source.place, source.run, source.detail if source.kind == "reflect" else ""


def _figure(log_odds: float) -> str:
    value = math.exp(min(log_odds, 30.0))
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
