"""Where observations come from, and how several logs become one.

Every observation's source says what made it, from where and on which occasion::

    KIND:DETAIL[@PLACE][~RUN]        probe:dial   capture:vpn.pcapng   probe:dial@office~yesterday

``probe:`` asked, ``capture:`` listened to somebody else's dial, ``host:`` looked at a machine,
``reflect:`` asked a reflector.  Without ``@PLACE`` it was measured here, at the place that is diagnosed;
without ``~RUN`` it belongs to the newest occasion of its place.

How sources that say different things are combined:

1. *A dial is one story.*  Its facts depend on each other, so facts of two dials are never mixed: a port that
   answered yesterday does not answer now.  Logs whose times overlap describe one occasion (a capture made
   while a probe ran); any other two dials are two occasions.  The newest occasion here is what is diagnosed.
2. *Within an occasion the newest observation of a name counts*, whichever source made it; of two made at the
   same instant the more active source counts: probe, then reflect, host, capture.  Texts and lists that were
   once seen stay seen.
3. *Host facts and a reflector's counts have names of their own* and join the newest occasion of their place,
   unless more than :data:`FRESH` seconds lie between.  A ``reflect:`` source speaks only through
   ``reflect.*``: whatever else it saw is about the reflector's host, not the gateway.
4. *Another place or another time answers no question of this dial.*  Rules ask for it by name:
   ``elsewhere.udp500.reply`` is what the newest occasion of any other place says (several places may say
   both true and false), ``earlier.udp500.reply`` what the older occasions here say, the newest first.
   What another place measured more than :data:`FRESH` seconds ago is shown and not asked.
5. *Nothing is lost.*  All observations stay, each with an id of its own; what was diagnosed keeps its ids,
   the others are numbered on.  ``at`` counts from the beginning of the newest occasion here, so it is
   negative for what was measured before.

The order in which logs are given never matters, and a log given twice counts once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from l2tp_doctor.observations import Observation

FRESH = 86400.0
"""Seconds for which another place's measurement, or a fact about a machine, still speaks about now.
A gateway's services and the filters around it seldom change within a day, and rules leave room for that."""

MAX_LABEL = 40
"""Characters of a place's or run's name: it stands beside every piece of evidence."""

_SOURCE = re.compile(r"(probe|reflect|host|capture):([^@~\s]+)(?:@([^@~\s]+))?(?:~([^@~\s]+))?")
_UNFIT = re.compile(r"[@~\s]+")
_ASKING = ("probe", "")
_ACTIVITY = {"probe": 4, "reflect": 3, "host": 2, "capture": 1}


@dataclass(frozen=True, slots=True)
class Origin:
    """A source, taken apart.

    Attributes:
        kind: ``probe``, ``reflect``, ``host`` or ``capture``; empty when the text has another form.
        detail: which experiment, host, check or file.
        place: another place; empty for here.
        run: an older occasion; empty for the newest of its place.
    """

    kind: str
    detail: str
    place: str = ""
    run: str = ""

    @property
    def now(self) -> bool:
        """Whether it is about the dial that is diagnosed."""
        return not self.place and not self.run

    @property
    def activity(self) -> int:
        """Orders kinds: what asked itself is larger than what only looked on."""
        return _ACTIVITY.get(self.kind, 0)

    def __str__(self) -> str:
        """Returns the text that :func:`origin` reads."""
        kind = f"{self.kind}:" if self.kind else ""
        place = f"@{self.place}" if self.place else ""
        return f"{kind}{self.detail}{place}" + (f"~{self.run}" if self.run else "")


@lru_cache(maxsize=1024)
def origin(source: str) -> Origin:
    """Returns a source taken apart; one of another form counts as here and now, without a kind."""
    found = _SOURCE.fullmatch(source)
    if found is None:
        return Origin("", source)
    kind, detail, place, run = found.groups()
    return Origin(kind, detail, place or "", run or "")


def label(text: str) -> str:
    """Returns ``text`` as the name of a place or run: short, without spaces and separators."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return _UNFIT.sub("-", clean.strip()).strip("-")[:MAX_LABEL]


def _moment(began: float, at: float) -> float:
    """Returns ``began + at`` to the microsecond.

    Unix times are so large that a float has no digits left for what is compared here: whether two logs meet
    must not depend on when 0 was.
    """
    return (round(began * 1e6) + round(at * 1e6)) / 1e6


@dataclass(frozen=True, slots=True)
class SourceLog:
    """One log of observations that share a clock.

    Attributes:
        observations: in order; their sources are of the form above.
        began: when ``at`` was 0, in seconds on a scale common to all logs (Unix time).
        place: where it was made; empty for here.
        label: what people call it; it becomes the run's name when a newer occasion of that place exists.
        apart: it was told apart as an older run already, and joins only what bears the same name.
    """

    observations: tuple[Observation, ...]
    began: float = 0.0
    place: str = ""
    label: str = ""
    apart: bool = False

    @property
    def start(self) -> float:
        """When what it is about began: the dial made, else the dial seen, else the first observation."""
        return _moment(self.began, min(item.at for item in self._telling))

    @property
    def end(self) -> float:
        """When that was over."""
        return _moment(self.began, max(item.at for item in self._telling))

    @property
    def asks(self) -> bool:
        """Whether a dial was made."""
        return any(origin(item.source).kind in _ASKING for item in self.observations)

    @property
    def is_story(self) -> bool:
        """Whether a dial is among it, made or seen."""
        return self.asks or any(origin(item.source).kind == "capture" for item in self.observations)

    @property
    def _telling(self) -> Sequence[Observation]:
        kinds = _ASKING if self.asks else ("capture",)
        return [item for item in self.observations if origin(item.source).kind in kinds] or self.observations

    def overlaps(self, other: SourceLog) -> bool:
        """Whether both describe one occasion."""
        if (self.apart or other.apart) and (self.apart, self.label) != (other.apart, other.label):
            return False
        if self.start == other.start:
            return True
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Occasion:
    """Logs about the same dial.

    Attributes:
        place: where; empty for here.
        run: its name; empty for the newest of its place.
        logs: the one that gives the time scale first.
    """

    place: str
    run: str
    logs: tuple[SourceLog, ...]

    @property
    def began(self) -> float:
        """When it began."""
        return self.logs[0].began


@dataclass(frozen=True, slots=True)
class Combined:
    """Several logs as one.

    Attributes:
        observations: all of them, what is diagnosed first; fit for :func:`diagnose` and :func:`explain`.
        occasions: what they belong to, what is diagnosed first.
    """

    observations: tuple[Observation, ...]
    occasions: tuple[Occasion, ...]


def combine(logs: Iterable[SourceLog]) -> Combined:
    """Returns one log from several, by the rules at the top of this module."""
    ordered = _in_order(part for log in logs for part in _parts(log))
    occasions: list[Occasion] = []
    places = sorted({log.place for log in ordered})  # the empty name, here, comes first
    reference: float | None = None
    for place in places:
        found = _occasions([log for log in ordered if log.place == place], reference)
        if reference is None and found:
            reference = found[0].began
        occasions += found
    return Combined(_numbered(occasions, reference or 0.0), tuple(occasions))


def _parts(log: SourceLog) -> list[SourceLog]:
    """Takes a log apart that was itself combined: each of its occasions becomes a log again."""
    groups: dict[tuple[str, str], list[Observation]] = {}
    for item in log.observations:
        known = origin(item.source)
        plain = str(replace(known, place="", run=""))
        kept = item if known.now else replace(item, source=plain)
        groups.setdefault((known.place, known.run), []).append(kept)
    return [
        SourceLog(tuple(items), log.began, place or log.place, run or log.label, apart=bool(run))
        for (place, run), items in groups.items()
    ]


def _in_order(logs: Iterable[SourceLog]) -> list[SourceLog]:
    """Returns each log once, newest first, in an order that does not depend on the order given."""
    unique: dict[tuple[str, float, tuple[object, ...]], SourceLog] = {}
    for log in logs:
        key = (log.place, log.began, _content(log))
        known = unique.get(key)
        if known is None or log.label < known.label:
            unique[key] = log
    return sorted(unique.values(), key=lambda log: (-log.start, -log.end, log.label, repr(_content(log))))


def _content(log: SourceLog) -> tuple[object, ...]:
    return tuple(
        (item.name, repr(item.value), item.at, item.source, item.reason) for item in log.observations
    )


def _occasions(logs: Sequence[SourceLog], reference: float | None) -> list[Occasion]:
    """Groups one place's logs, newest first; ``reference`` is when what is diagnosed began."""
    groups = _stories([log for log in logs if log.is_story])
    facts = sorted((log for log in logs if not log.is_story), key=lambda log: -log.end)
    if facts and not groups:
        groups.append([facts.pop(0)])
    anchor = groups[0][0]
    fresh = [log for log in facts if not log.apart and abs(log.end - anchor.end) <= FRESH]
    groups[0] += fresh
    groups += [[log] for log in facts if log not in fresh]
    stale = reference is not None and reference - anchor.end > FRESH
    taken: set[str] = set()
    found: list[Occasion] = []
    for group in groups:
        newest = not found and not stale
        run = "" if newest else _unused(group[0].label, taken)
        found.append(Occasion(anchor.place, run, tuple(group)))
    return found


def _stories(left: list[SourceLog]) -> list[list[SourceLog]]:
    """Groups dials by occasion, newest first, each with the log that gives its time scale in front."""
    groups: list[list[SourceLog]] = []
    while left:
        anchor = max(left, key=_probe_first)
        if not left[0].overlaps(anchor):
            anchor = left[0]
        # Not whatever overlaps one of these in turn: a capture that ran all day joins no two dials.
        together = [log for log in left if log.overlaps(anchor) and log is not anchor]
        groups.append([anchor, *together])
        left = [log for log in left if log is not anchor and log not in together]
    return groups


def _probe_first(log: SourceLog) -> tuple[bool, float]:
    return log.asks, log.start


def _unused(name: str, taken: set[str]) -> str:
    """Returns ``name``, numbered when another run has it already."""
    wanted = name = label(name) or "earlier"
    number = 1
    while wanted in taken:
        number += 1
        wanted = f"{name}-{number}"
    taken.add(wanted)
    return wanted


def _numbered(occasions: Sequence[Occasion], reference: float) -> tuple[Observation, ...]:
    """Returns all observations on one time scale, each with an id of its own."""
    found: list[Observation] = []
    used: set[str] = set()
    for occasion in occasions:
        for log in occasion.logs:
            first = not found
            shift = log.began - reference
            keeps = first and len({item.id for item in log.observations}) == len(log.observations)
            for item in log.observations:
                name = item.id if keeps else _next_id(used)
                used.add(name)
                known = _placed(item.source, occasion)
                found.append(
                    replace(
                        item,
                        id=name,
                        at=round(item.at + shift, 6) if shift else item.at,
                        source=known,
                        # Packets are counted in one capture file; that of another run is not at hand.
                        evidence=item.evidence if first else (),
                    )
                )
    return tuple(found)


def _placed(source: str, occasion: Occasion) -> str:
    """Returns a source with the occasion's place and run."""
    known = origin(source)
    if not known.kind and (occasion.place or occasion.run):
        known = Origin("probe", label(source) or "unknown")  # so that it can be taken apart again
    return str(replace(known, place=occasion.place, run=occasion.run))


def _next_id(used: set[str]) -> str:
    number = len(used) + 1
    while f"obs-{number}" in used:
        number += 1
    return f"obs-{number}"
