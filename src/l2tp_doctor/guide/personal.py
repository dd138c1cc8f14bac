"""The article rewritten for one machine: what the last check found, ruled out, and leaves to be done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from l2tp_doctor.guide.document import Judgement, Status
from l2tp_doctor.knowledge import cause, cause_ids, rulebook, text
from l2tp_doctor.knowledge.articles import Article, bundled
from l2tp_doctor.knowledge.entries import EXAMPLES, check, entry_ids, measure

DEFAULT_CASE = "809"
PROFILE = "profile"
"""The placeholder for the name of the VPN profile in Windows, which a dial cannot learn."""
# A cause below this share is not worth a reader's time while others are above it.
_SUSPECTED_FROM = 0.02
_NOWHERE = 10**6


@dataclass(frozen=True, slots=True)
class LastCheck:
    """What is kept of a check.

    Attributes:
        host: the gateway as it was typed.
        at: when, as the reader's local date and time.
        verdict: ``healthy``, ``faulty`` or ``undetermined``.
        windows_error: the code Windows would show, or ``None``.
        causes: ids and probabilities, the likeliest first.
        warnings: ids of causes that threaten other clients.
        measured: names of the observations that were made.
    """

    host: str
    at: str
    verdict: str
    windows_error: int | None = None
    causes: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
    measured: frozenset[str] = field(default_factory=frozenset)


def case_for(last: LastCheck, known: Collection[str]) -> str:
    """Returns which article to read.

    That of the code Windows would show; where no article is called by it, one that lists it; then the one
    that names the found cause earliest among its own; and 809 where nothing was found.
    """
    code = last.windows_error
    if code is None or not last.causes:
        return DEFAULT_CASE
    if str(code) in known:
        return str(code)
    ranked = sorted(
        (code not in article["en"].codes, _place(article["en"], last.causes[0][0]), case_id)
        for case_id, article in bundled().items()
    )
    unlisted, place, case_id = ranked[0]
    return case_id if not unlisted or place < _NOWHERE else DEFAULT_CASE


def _place(article: Article, name: str) -> int:
    """Returns how many causes an article names before ``name``."""
    section = article.section("causes")
    links = [link for item in section.items for link in item.links] if section is not None else []
    causes = [link.target for link in links if link.kind == "cause"]
    return causes.index(name) if name in causes else _NOWHERE


class Personal:
    """What the last check says about an article; an :class:`~l2tp_doctor.guide.document.Insight`.

    Args:
        last: what the check found.
        language: of the sentences.
        names: what the reader said about placeholders that a check does not know.
    """

    def __init__(self, last: LastCheck, language: str, names: Mapping[str, str] | None = None) -> None:
        self._last = last
        self._language = language
        self._names = names or {}

    # -- what was found ---------------------------------------------------------------------------

    @cached_property
    def _found(self) -> tuple[str, ...]:
        """The first cause, as far as the check names one."""
        return tuple(name for name, _ in self._last.causes[:1]) if self._last.verdict == "faulty" else ()

    @cached_property
    def _suspected(self) -> frozenset[str]:
        others = {name for name, share in self._last.causes if share >= _SUSPECTED_FROM}
        return frozenset({*others, *self._last.warnings, *self._elsewhere} - set(self._found))

    @cached_property
    def _elsewhere(self) -> frozenset[str]:
        """Where this program connects, what keeps Windows from it is on the machine, unseen by a dial."""
        if self._last.verdict != "healthy":
            return frozenset()
        return frozenset(cause_ids()) - frozenset(rulebook().rules)

    @property
    def banner(self) -> tuple[str, ...]:
        """Returns what was checked, when, and what came of it."""
        last = self._last
        sentences = [self._say("guide.last.checked", host=last.host, at=last.at)]
        match last.verdict, last.causes:
            case "healthy", _:
                sentences.append(self._say("guide.last.healthy"))
            case "faulty", [(name, share), *_]:
                percent = round(share * 100)
                sentences.append(self._say("guide.last.faulty", cause=self._title(name), percent=percent))
            case _:
                sentences.append(self._say("guide.last.undetermined"))
        sentences += [self._say("guide.last.warning", cause=self._title(name)) for name in last.warnings]
        if PROFILE not in self._names:
            sentences.append(self._say("guide.last.profile", example=EXAMPLES[PROFILE]))
        return tuple(sentences)

    @property
    def values(self) -> Mapping[str, str]:
        """Returns the gateway's name, and those the reader gave."""
        return {"server": self._last.host, **self._names}

    # -- lines --------------------------------------------------------------------------------------

    def judge(self, kind: str, target: str) -> Judgement:
        """Returns what the check says about a line."""
        match kind:
            case "cause":
                return self._judge_cause(target)
            case "check" if target in entry_ids("check"):
                return self._judge_check(target)
            case "fix":
                return self._judge_fix(target)
            case "measure" if target in entry_ids("measure"):
                return self._relevant(measure(target).causes)
        return Judgement()

    def missing(self, section: str, linked: frozenset[str]) -> Sequence[tuple[str, str]]:
        """Returns the found cause, or its fixes, where the article does not list them."""
        wanted: list[tuple[str, str]] = []
        for name in self._found:
            if section == "causes":
                wanted.append(("cause", name))
            elif section == "resolve":
                wanted += [("fix", fix) for fix in cause(name).fixes]
        return [(kind, target) for kind, target in wanted if f"{kind}:{target}" not in linked]

    def _judge_cause(self, name: str) -> Judgement:
        shares = dict(self._last.causes)
        if name in self._found:
            percent = round(shares[name] * 100)
            return self._judged(
                Status.FOUND, "guide.last.cause_found", cause=self._title(name), percent=percent
            )
        if name in self._last.warnings:
            return self._judged(Status.SUSPECTED, "guide.last.cause_warned", cause=self._title(name))
        if name in self._elsewhere:
            return self._judged(Status.SUSPECTED, "guide.last.cause_elsewhere")
        if name in self._suspected:
            percent = round(shares[name] * 100)
            return self._judged(
                Status.SUSPECTED, "guide.last.cause_possible", cause=self._title(name), percent=percent
            )
        return Judgement() if self._last.verdict == "undetermined" else Judgement(Status.IRRELEVANT)

    def _judge_check(self, name: str) -> Judgement:
        found = check(name)
        measured = self._last.measured.intersection(found.observations)
        if found.automatic == "check" and measured:
            key = (
                "guide.last.check_found" if set(found.causes) & set(self._found) else "guide.last.check_done"
            )
            return self._judged(Status.DONE, key)
        return self._relevant(found.causes)

    def _judge_fix(self, name: str) -> Judgement:
        if any(name in cause(found).fixes for found in self._found):
            return self._judged(Status.FOUND, "guide.last.fix_found")
        if any(name in cause(found).fixes for found in self._suspected):
            return Judgement(Status.SUSPECTED)
        return Judgement() if self._last.verdict == "undetermined" else Judgement(Status.IRRELEVANT)

    def _relevant(self, causes: Collection[str]) -> Judgement:
        """What speaks only of causes that were ruled out is none of this reader's business."""
        if not causes or self._last.verdict == "undetermined":
            return Judgement()
        return Judgement(Status.OPEN if {*self._found, *self._suspected} & set(causes) else Status.IRRELEVANT)

    def _judged(self, status: Status, key: str, **values: object) -> Judgement:
        return Judgement(status, (self._say(key, **values),))

    def _title(self, name: str) -> str:
        return cause(name).title.get(self._language)

    def _say(self, key: str, **values: object) -> str:
        return text(key, self._language, **values)
