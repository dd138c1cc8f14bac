"""The questioner: asks on every lane, then in every size, then for the last counts.

Three stages, each repeated for what has not come back yet::

    BASIC    one ordinary question for each lane
    LADDER   every size, on the lanes where anything arrived at all
    SUMMARY  one more question, whose answer counts everything that arrived before
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from l2tp_doctor.protocol.engine import Direction, RandomSource, TraceEvent, TraceSink, discard_trace
from l2tp_doctor.protocol.nat_t import NON_ESP_MARKER
from l2tp_doctor.protocol.reflect.reflector import Packet
from l2tp_doctor.protocol.reflect.wire import (
    MAX_SEQUENCE,
    SESSION_SIZE,
    Answer,
    Lane,
    Question,
    Report,
    Tally,
    base_size,
    checksum,
    open_answer,
    seal_question,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError

SIZES = (200, 600, 1000, 1200, 1300, 1400, 1472, 1600, 2000)
"""Bytes of UDP payload or ESP packet.  1472 fills an Ethernet frame over IPv4; what is longer fragments."""
FRAGMENTING = 1473
"""From here on a message cannot pass an Ethernet without being fragmented."""


@dataclass(frozen=True, slots=True)
class QuestionerSettings:
    """How long to ask.

    Attributes:
        lanes: what to test.
        sizes: the ladder.
        attempts: questions of one kind before it counts as lost.
        attempts_when_lossy: the same once an answer needed more than one question.  With a fifth of all
            packets lost in each direction a good size goes unheard with 0.36 ** 10, 1 in 27000.
        interval: seconds between them until a round-trip time is known, growing by ``backoff``.
        rtt_factor: afterwards so many round trips, within ``fastest`` and ``slowest`` seconds.
        burst: messages sent at once; more would overrun small router queues and look like loss.
        pause: seconds between two bursts.
    """

    lanes: tuple[Lane, ...] = (Lane.IKE, Lane.NAT_T, Lane.ESP_UDP, Lane.ESP)
    sizes: tuple[int, ...] = SIZES
    attempts: int = 5
    attempts_when_lossy: int = 10
    interval: float = 0.5
    backoff: float = 1.3
    rtt_factor: float = 3.0
    fastest: float = 0.2
    slowest: float = 1.5
    burst: int = 6
    pause: float = 0.01


@dataclass
class Cell:
    """What is known of one lane and size.

    Attributes:
        sent: questions sent.
        returned: answers that came back.
        arrived: questions the reflector says it has counted.
        changed: it saw one that had been altered.
        fragmented: it saw one come in fragments.
        rtt: shortest round trip in seconds.
    """

    lane: Lane
    size: int
    sent: int = 0
    returned: int = 0
    arrived: int = 0
    changed: bool = False
    fragmented: bool = False
    rtt: float | None = None


@dataclass
class Findings:
    """Everything the questioner has learnt.

    Attributes:
        cells: by lane and size.
        reports: the newest report for each lane, which tells the source it saw.
        answered: any answer came back at all; without one nothing is known of what arrived.
        answer_changed: an answer had been altered on its way.
        esp_listening: the reflector can receive native ESP; ``None`` before the first answer.
    """

    cells: dict[tuple[Lane, int], Cell] = field(default_factory=dict)
    reports: dict[Lane, Report] = field(default_factory=dict)
    answered: bool = False
    answer_changed: bool = False
    esp_listening: bool | None = None

    def of(self, lane: Lane) -> list[Cell]:
        """Returns a lane's cells that were asked, in order of size."""
        found = [cell for cell in self.cells.values() if cell.lane is lane and cell.sent]
        return sorted(found, key=lambda cell: cell.size)


@dataclass(frozen=True, slots=True)
class Heard:
    """The first answer to a lane's question came back."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything has been asked; see :attr:`Questioner.findings`."""


QuestionerEvent = Heard | Finished


class State(enum.Enum):
    """The stages."""

    IDLE = "idle"
    BASIC = "basic"
    LADDER = "ladder"
    SUMMARY = "summary"
    DONE = "done"


class Input(enum.Enum):
    """What moves them."""

    START = "start"
    ANSWER = "answer"
    DUE = "due"  # the wait for a round's answers is over, and something may be asked again
    SETTLED = "settled"  # nothing is left to ask in this stage
    BLIND = "blind"  # the same, and no answer has ever come


@dataclass(frozen=True, slots=True)
class _Asked:
    cell: Cell
    at: float
    checksum: bytes
    summary: bool


class Questioner:
    """The engine of the client's side; :class:`Packet` in and out.

    Args:
        token: shared with the reflector.
        random: session and padding.
        unix_time: wall clock in seconds when ``now`` is 0.
        settings: see there.
        trace: hears of every message.

    Attributes:
        findings: what is known so far, readable at any time.
    """

    def __init__(
        self,
        token: Secret,
        random: RandomSource,
        unix_time: float,
        settings: QuestionerSettings | None = None,
        trace: TraceSink = discard_trace,
    ) -> None:
        self._token = token
        self._random = random
        self._unix_time = unix_time
        self._settings = settings or QuestionerSettings()
        self._trace = trace
        self._session = random(SESSION_SIZE)
        self._state = State.IDLE
        self._round: list[Cell] = []
        self._attempt = 0
        self._asked: dict[int, _Asked] = {}
        self._sequence = 0
        self._queue: deque[Cell] = deque()
        self._outgoing: list[Packet] = []
        self._events: list[QuestionerEvent] = []
        self._timer: float | None = None
        self._rtt: float | None = None
        self._summed = False
        self._lossy = False
        self.findings = Findings()

    @property
    def state(self) -> State:
        """The stage reached."""
        return self._state

    # -- the six calls ------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Asks the first questions."""
        self._step(Input.START, now)

    def receive(self, data: Packet, now: float) -> None:
        """Takes whatever arrived; only authentic answers to our own questions count."""
        lane = data.lane
        if lane is Lane.NAT_T and not data.data.startswith(NON_ESP_MARKER):
            lane = Lane.ESP_UDP
        try:
            answer = open_answer(self._token, lane, data.data)
        except WireError as error:
            self._drop(data, lane, "forged" if error.field == "tag" else "malformed", now)
            return
        asked = self._asked.get(answer.question.sequence)
        ours = asked is not None and asked.cell.lane is lane and answer.question.session == self._session
        if asked is None or not ours or (self._state, Input.ANSWER) not in TABLE:
            self._drop(data, lane, "unexpected", now)
        else:
            del self._asked[answer.question.sequence]  # a second copy of it tells nothing new
            self._trace(TraceEvent(now, Direction.IN, lane.value, "answer", len(data.data)))
            self._learn(asked, answer, now)
            self._step(Input.ANSWER, now)

    def datagrams_to_send(self, now: float) -> list[Packet]:
        """Returns and forgets the questions waiting."""
        waiting, self._outgoing = self._outgoing, []
        return waiting

    def get_timer(self) -> float | None:
        """Returns when the next burst or round is due."""
        return self._timer

    def handle_timer(self, now: float) -> None:
        """Sends the next burst, or ends the wait for answers."""
        if self._timer is None or now < self._timer:
            return
        if self._queue:
            self._send_burst(now)
        else:
            self._step(self._what_is_left(), now)

    def next_event(self) -> QuestionerEvent | None:
        """Returns the oldest event not yet taken."""
        return self._events.pop(0) if self._events else None

    # -- the machine --------------------------------------------------------------------------

    def _step(self, what: Input, now: float) -> None:
        row = TABLE.get((self._state, what))
        if row is None:
            return
        action, self._state = row
        action(self, now)

    def _what_is_left(self) -> Input:
        settings = self._settings
        limit = settings.attempts_when_lossy if self._lossy else settings.attempts
        if self._pending() and self._attempt < limit:
            return Input.DUE
        return Input.SETTLED if self.findings.answered else Input.BLIND

    def _pending(self) -> list[Cell]:
        if self._state is State.SUMMARY:
            return [] if self._summed else self._round
        return [cell for cell in self._round if not cell.returned and self._worth_asking(cell)]

    def _worth_asking(self, cell: Cell) -> bool:
        return cell.lane is not Lane.ESP or self.findings.esp_listening is not False

    def begin_basic(self, now: float) -> None:
        """One ordinary question for each lane."""
        self._begin([self._cell(lane, base_size(lane)) for lane in self._settings.lanes], now)

    def begin_ladder(self, now: float) -> None:
        """Every size on the lanes that let anything arrive."""
        open_lanes = [
            lane
            for lane in self._settings.lanes
            if lane is not Lane.CONTROL and any(cell.arrived for cell in self.findings.of(lane))
        ]
        self._begin([self._cell(lane, size) for size in self._settings.sizes for lane in open_lanes], now)

    def begin_summary(self, now: float) -> None:
        """One more ordinary question on each lane that answers."""
        lanes = [
            lane for lane in self._settings.lanes if any(cell.returned for cell in self.findings.of(lane))
        ]
        self._begin([self._cell(lane, base_size(lane)) for lane in lanes], now)

    def ask_again(self, now: float) -> None:
        """Asks once more for everything that has not come back."""
        self._attempt += 1
        self._queue.extend(self._pending())
        self._send_burst(now)

    def go_on_when_settled(self, now: float) -> None:
        """Does not wait any longer than necessary after an answer."""
        if not self._queue and not self._pending():
            self._step(Input.SETTLED, now)

    def finish(self, _now: float) -> None:
        """Says that it is over."""
        self._timer = None
        self._queue.clear()
        self._events.append(Finished())

    # -- asking -------------------------------------------------------------------------------

    def _cell(self, lane: Lane, size: int) -> Cell:
        return self.findings.cells.setdefault((lane, size), Cell(lane, size))

    def _begin(self, cells: list[Cell], now: float) -> None:
        self._round = cells
        self._attempt = 0
        self.ask_again(now)

    def _send_burst(self, now: float) -> None:
        for _ in range(min(self._settings.burst, len(self._queue))):
            cell = self._queue.popleft()
            # An answer may have come while it waited.
            if (not cell.returned or self._state is State.SUMMARY) and self._worth_asking(cell):
                self._ask(cell, now)
        self._timer = now + (self._settings.pause if self._queue else self._patience())

    def _patience(self) -> float:
        settings = self._settings
        if self._rtt is not None:
            return min(settings.slowest, max(settings.fastest, settings.rtt_factor * self._rtt))
        return settings.interval * settings.backoff ** (self._attempt - 1)

    def _ask(self, cell: Cell, now: float) -> None:
        if self._sequence > MAX_SEQUENCE:
            return  # more kinds than any sensible ladder has; the reflector would not take it
        unix_time = int(self._unix_time + now)
        question = Question(cell.lane, self._session, self._sequence, unix_time, cell.size)
        data = seal_question(self._token, question, self._random)
        self._asked[self._sequence] = _Asked(cell, now, checksum(data), self._state is State.SUMMARY)
        self._sequence += 1
        cell.sent += 1
        self._trace(TraceEvent(now, Direction.OUT, cell.lane.value, "question", len(data)))
        self._outgoing.append(Packet(cell.lane, data))

    # -- learning -----------------------------------------------------------------------------

    def _learn(self, asked: _Asked, answer: Answer, now: float) -> None:
        cell, report, known = asked.cell, answer.report, self.findings
        if not any(other.returned for other in known.of(cell.lane)):
            self._events.append(Heard(cell.lane))
        rtt = now - asked.at
        self._rtt = rtt if self._rtt is None else 0.875 * self._rtt + 0.125 * rtt  # RFC 6298 §2
        cell.rtt = rtt if cell.rtt is None else min(cell.rtt, rtt)
        cell.returned += 1
        cell.arrived = max(cell.arrived, 1)
        cell.changed |= report.changed or report.checksum != asked.checksum
        cell.fragmented |= bool(report.fragmented)
        known.answered = True
        known.answer_changed |= answer.question.changed
        known.esp_listening = report.esp_listening
        known.reports[cell.lane] = report
        for tally in report.tallies:
            self._learn_tally(tally)
        self._summed |= asked.summary
        self._lossy |= self._attempt > 1

    def _learn_tally(self, tally: Tally) -> None:
        cell = self.findings.cells.get((tally.lane, tally.size))
        if cell is not None:
            cell.arrived = max(cell.arrived, tally.count)
            cell.changed |= tally.changed
            cell.fragmented |= tally.fragmented

    def _drop(self, packet: Packet, lane: Lane, trigger: str, now: float) -> None:
        self._trace(TraceEvent(now, Direction.IN, lane.value, "dropped", len(packet.data), trigger=trigger))


Action = Callable[[Questioner, float], None]
_again, _on, _end = Questioner.ask_again, Questioner.go_on_when_settled, Questioner.finish

TABLE: dict[tuple[State, Input], tuple[Action, State]] = {
    (State.IDLE, Input.START): (Questioner.begin_basic, State.BASIC),
    (State.BASIC, Input.ANSWER): (_on, State.BASIC),
    (State.BASIC, Input.DUE): (_again, State.BASIC),
    (State.BASIC, Input.SETTLED): (Questioner.begin_ladder, State.LADDER),
    # Without an answer there are no counts, and larger questions would tell nothing either.
    (State.BASIC, Input.BLIND): (_end, State.DONE),
    (State.LADDER, Input.ANSWER): (_on, State.LADDER),
    (State.LADDER, Input.DUE): (_again, State.LADDER),
    (State.LADDER, Input.SETTLED): (Questioner.begin_summary, State.SUMMARY),
    (State.SUMMARY, Input.ANSWER): (_on, State.SUMMARY),
    (State.SUMMARY, Input.DUE): (_again, State.SUMMARY),
    (State.SUMMARY, Input.SETTLED): (_end, State.DONE),
}
"""(state, input) -> (action, next state); what is missing changes nothing."""
