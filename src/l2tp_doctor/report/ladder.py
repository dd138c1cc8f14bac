"""The dial as a ladder between client and gateway: what the rows are.

How a row looks is in :mod:`l2tp_doctor.report.drawing`.  A ladder takes trace events as
they come and keeps one row for each message, with repetitions folded into a count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from l2tp_doctor.observations import Observation
from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.report.printable import printable


class Kind(Enum):
    """What a row is."""

    MESSAGE = "message"
    LANE = "lane"  # from here on, messages travel another way
    NOTE = "note"
    TEARDOWN = "teardown"


class Break(Enum):
    """How the dial ended at a row."""

    NO_ANSWER = "no-answer"
    REFUSED = "refused"
    UNREADABLE = "unreadable"  # an answer came that our keys cannot decrypt


@dataclass(slots=True)
class Row:
    """One line of the ladder.

    Attributes:
        kind: what it is.
        at: seconds since the run began.
        direction: of a message.
        layer: of a message, as in the trace.
        text: the message's name, the lane's id or the note.
        size: bytes at its own layer.
        times: how often it was sent, retransmissions included.
        trigger: why it was dropped, or ``None``.
        broken: set on the row where the dial ended.
    """

    kind: Kind
    at: float
    direction: Direction = Direction.NOTE
    layer: str = ""
    text: str = ""
    size: int = 0
    times: int = 1
    trigger: str | None = None
    broken: Break | None = None


# "retransmission 2 of Main Mode 5", "retransmitting SCCRQ", "SCCRQ (retransmission 1)" …
_AGAIN = re.compile(
    r"^\s*retransmi\w*\s*\d*\s*(?:of|:)?\s*(?P<name>.*)$|[\s,]*\(?\b(?:retransmi|repeti)\w*[^)]*\)?$",
    re.IGNORECASE,
)
_TEARDOWN = re.compile(r"\b(Delete|DELETE|StopCCN|CDN|Terminate-\w+|Terminate)\b")
_ACKNOWLEDGEMENT = re.compile(r"\bZLB\b", re.IGNORECASE)
_REFUSAL = re.compile(
    r"NO_PROPOSAL_CHOSEN|AUTHENTICATION_FAILED|INVALID_|PAYLOAD_MALFORMED|BAD_PROPOSAL|UNSUPPORTED_|"
    r"StopCCN|CDN|Failure|Authenticate-Nak|Protocol-Reject|Terminate-Request|DELETE|Delete"
)
_L2TP_IDS = re.compile(r" (?:tunnel|session) \S+→[^\s:]+")
_DUPLICATES = frozenset({"duplicate", "retransmission"})
_FLOAT_NOTE = re.compile(r"NAT-T.*(?:moving|moved|float)", re.IGNORECASE)
_ENCRYPTED_SUFFIX = " (encrypted)"
_PROTOCOLS = {"l2tp": "L2TP", "lcp": "LCP", "ipcp": "IPCP", "ipv6cp": "IPV6CP", "ccp": "CCP"}
_IKE_LAYERS = frozenset({"isakmp", "nat-t"})
_SEARCHED_BACK = 12  # rows; a repetition further back is worth a row of its own


@dataclass
class Ladder:
    """Turns trace events into rows.

    Attributes:
        rows: in order; those before ``committed`` are on screen already and stay as they are.
        acknowledgements: bare acknowledgements left out.
    """

    rows: list[Row] = field(default_factory=list)
    committed: int = 0
    acknowledgements: int = 0
    _floated: bool = False
    _encapsulation: str = "udp"
    _lane: str = ""

    def observe(self, observation: Observation) -> None:
        """Learns which way later messages travel."""
        if observation.name == "nat_t.floated":
            self._floated = observation.value is True
        elif observation.name == "esp.encapsulation" and isinstance(observation.value, str):
            self._encapsulation = observation.value

    def add(self, event: TraceEvent) -> None:
        """Adds one event as a row, or counts it on the row that it repeats."""
        text = _name(event)
        if event.direction is Direction.NOTE:
            self._add_note(event, text)
            return
        again = _AGAIN.search(text)
        if again is not None:
            text = (again["name"] or text[: again.start()]).strip() or text
        if event.trigger is None and (_ACKNOWLEDGEMENT.search(text) or event.layer == "esp"):
            self.acknowledgements += 1  # the lane and the messages inside show ESP
            return
        earlier = self._repeated(event, text, retransmitted=again is not None)
        if earlier is None and event.trigger in _DUPLICATES:
            earlier = self._same_size(event)
        if earlier is not None:
            earlier.times += 1
            return
        self._change_lane(event)
        self.rows.append(
            Row(Kind.MESSAGE, event.at, event.direction, event.layer, text, event.size, 1, event.trigger)
        )

    def _add_note(self, event: TraceEvent, text: str) -> None:
        if _FLOAT_NOTE.search(text):
            self._floated = True  # the next message's lane shows it
            return
        again = _AGAIN.match(text)
        if again is not None and again["name"] is not None:
            row = self._last_request(event.layer, again["name"])
            if row is not None:
                row.times += 1
            return
        if event.layer == "lcp" and text.startswith("phase "):
            return  # the messages show it
        self.rows.append(Row(Kind.NOTE, event.at, layer=event.layer, text=text))

    def _recent(self) -> Iterable[Row]:
        start = max(self.committed, len(self.rows) - _SEARCHED_BACK)
        return (row for row in reversed(self.rows[start:]) if row.kind is Kind.MESSAGE)

    def _last_request(self, layer: str, name: str) -> Row | None:
        requests = [row for row in self._recent() if row.direction is Direction.OUT and row.layer == layer]
        return next((row for row in requests if row.text.startswith(name)), requests[0] if requests else None)

    def _repeated(self, event: TraceEvent, text: str, *, retransmitted: bool) -> Row | None:
        """Returns the row that ``event`` repeats: the newest of its direction and layer, if equal."""
        for row in self._recent():
            if row.layer != event.layer or row.direction is not event.direction:
                continue
            same = row.text == text and row.trigger == event.trigger
            if not retransmitted and event.trigger is None and self._answered_since(row):
                return None
            if retransmitted:
                same = same or row.text.startswith(text)
            return row if same else None
        return None

    def _answered_since(self, row: Row) -> bool:
        """Returns whether the other side has spoken on that layer since."""
        position = next(at for at, item in enumerate(self.rows) if item is row)
        return any(
            later.kind is Kind.MESSAGE
            and later.layer == row.layer
            and later.direction is not row.direction
            and later.trigger is None
            for later in self.rows[position + 1 :]
        )

    def _same_size(self, event: TraceEvent) -> Row | None:
        """Returns the message that a duplicate, dropped without decoding, repeats."""
        arrived = (row for row in self._recent() if row.direction is Direction.IN and row.trigger is None)
        return next((row for row in arrived if (row.layer, row.size) == (event.layer, event.size)), None)

    def _change_lane(self, event: TraceEvent) -> None:
        lane = self._lane_of(event)
        if lane != self._lane:
            self._lane = lane
            self.rows.append(Row(Kind.LANE, event.at, text=lane))

    def _lane_of(self, event: TraceEvent) -> str:
        given = event.fields.get("channel")
        if event.layer in _IKE_LAYERS:
            if given in ("udp500", "udp4500"):
                return str(given)
            return "udp4500" if self._floated else "udp500"
        if given == "esp" or self._encapsulation == "native":
            return "esp"
        return "esp-udp"

    def finish(self, *, connected: bool) -> None:
        """Marks where the dial ended and folds its teardown into one row."""
        self._fold_teardown()
        if not connected:
            self._mark_break()

    def _fold_teardown(self) -> None:
        start = len(self.rows)
        while start > self.committed and self._is_teardown(self.rows[start - 1]):
            start -= 1
        tail = (row for row in self.rows[start:] if row.kind is Kind.MESSAGE)
        if not any(row.direction is Direction.OUT and _TEARDOWN.search(row.text) for row in tail):
            return
        # What the gateway itself began (a refusal), or sent before we hung up, stays a row of its own.
        while not (self.rows[start].direction is Direction.OUT and _TEARDOWN.search(self.rows[start].text)):
            start += 1
        folded = self.rows[start:]
        names = [_short(row.text) for row in folded if row.direction is Direction.OUT]
        at = folded[0].at
        del self.rows[start:]
        while self.rows and len(self.rows) > self.committed and self.rows[-1].kind is Kind.LANE:
            self.rows.pop()
        self.rows.append(Row(Kind.TEARDOWN, at, text=", ".join(dict.fromkeys(names))))

    @staticmethod
    def _is_teardown(row: Row) -> bool:
        if row.kind is Kind.MESSAGE:
            return row.trigger is not None or _TEARDOWN.search(row.text) is not None
        return row.kind is Kind.LANE

    def _mark_break(self) -> None:
        shown = [row for row in self.rows if row.kind is Kind.MESSAGE and row.layer != "icmp"]
        unreadable = [row for row in shown if row.trigger == "undecryptable"]
        messages = [row for row in shown if row.trigger is None]
        if unreadable and messages and unreadable[-1].at >= messages[-1].at:
            unreadable[-1].broken = Break.UNREADABLE
            return
        arrived = [row for row in messages if row.direction is Direction.IN]
        refusals = [row for row in arrived if _REFUSAL.search(row.text)]
        # A hang-up (Terminate-Request, StopCCN) that follows a refusal is only its consequence.
        said = [row for row in refusals if not _TEARDOWN.search(row.text)]
        if refusals and (said or refusals[-1] is arrived[-1]):
            (said[-1] if said else refusals[0]).broken = Break.REFUSED
            return
        requests = [row for row in messages if row.direction is Direction.OUT]
        if not requests:
            return
        if messages[-1].direction is Direction.OUT:
            messages[-1].broken = Break.NO_ANSWER
        elif requests[-1].times > 1 and arrived[-1].times > 1:
            # The gateway repeats its message because it never took our next one.
            requests[-1].broken = Break.NO_ANSWER


def _name(event: TraceEvent) -> str:
    """Returns a message's name: shorter than the trace's, with its protocol."""
    text = printable(event.summary.replace(_ENCRYPTED_SUFFIX, "").replace("VENDOR_ID", "VID").strip())
    if event.trigger == "undecryptable":
        return "encrypted message"
    if event.layer == "l2tp":
        text = _L2TP_IDS.sub("", text)
    protocol = _PROTOCOLS.get(event.layer)
    if event.direction is Direction.NOTE or protocol is None or protocol in text.upper():
        return text
    return f"{protocol} {text}"


def _short(text: str) -> str:
    """Returns the message's own name for the teardown row."""
    found = _TEARDOWN.search(text)
    if found is None:
        return text
    return "Delete" if found[1] == "DELETE" else found[1]


def build(events: Iterable[TraceEvent], observations: Iterable[Observation], *, connected: bool) -> Ladder:
    """Returns the finished ladder of a measurement."""
    ladder = Ladder()
    changes = [item for item in observations if item.name in ("nat_t.floated", "esp.encapsulation")]
    changes.sort(key=lambda item: item.at)
    for event in events:
        while changes and changes[0].at <= event.at:
            ladder.observe(changes.pop(0))
        ladder.add(event)
    ladder.finish(connected=connected)
    return ladder
