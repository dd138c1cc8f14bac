"""The reflector: answers authentic, fresh questions with what arrived, and nothing else at all."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from l2tp_doctor.protocol.engine import Direction, RandomSource, TraceEvent, TraceSink, discard_trace
from l2tp_doctor.protocol.nat_t import NON_ESP_MARKER
from l2tp_doctor.protocol.reflect.limits import AnswerLimit, Rate
from l2tp_doctor.protocol.reflect.wire import (
    MAX_COUNT,
    MAX_SEQUENCE,
    MAX_TALLIES,
    MIN_SIZES,
    MIN_TOKEN,
    Lane,
    Question,
    Report,
    Tally,
    checksum,
    open_question,
    seal_answer,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError


@dataclass(frozen=True, slots=True)
class Packet:
    """One message with what the system says about it.

    Attributes:
        lane: socket it came from or goes to; UDP 4500 is always :attr:`Lane.NAT_T` when it arrives.
        data: UDP payload, ESP packet or TCP record.
        address: the other end's address, 4 or 16 bytes.
        port: the other end's port; 0 for ESP.
        local: our address it arrived at, which the answer comes from; empty when unknown.
        arrived_port: our port it arrived at; 0 for ESP.
        fragmented: it arrived in fragments; ``None`` when the system does not tell.
        unix_time: wall clock in seconds when it arrived.
    """

    lane: Lane
    data: bytes
    address: bytes = b""
    port: int = 0
    local: bytes = b""
    arrived_port: int = 0
    fragmented: bool | None = None
    unix_time: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """A questioner's first question arrived."""

    address: bytes
    lane: Lane


@dataclass(frozen=True, slots=True)
class ClockDiffers:
    """A question was made with our token but ``seconds`` away from our clock (positive: ahead of us)."""

    address: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class WrongToken:
    """A question in our form was made with another token; anybody can cause this, from any source."""

    address: bytes


ReflectorEvent = SessionBegan | ClockDiffers | WrongToken


_PER_SOURCE = Rate(100, 400)
_TOTAL = Rate(1000, 2000)


@dataclass(frozen=True, slots=True)
class ReflectorLimits:
    """What keeps a reflector small and harmless; see the package's threat model.

    Attributes:
        tolerance: seconds that the questioner's clock may differ.
        sessions: tests remembered at once.
        per_source: answers for one source; a whole test asks some 250 questions in a few seconds.
        total: answers for all sources.
        sources: sources whose rate is remembered.
        events: events kept until they are taken.
    """

    tolerance: float = 300.0
    sessions: int = 256
    per_source: Rate = _PER_SOURCE
    total: Rate = _TOTAL
    sources: int = 1024
    events: int = 256


class Place(enum.Enum):
    """What is known of a question's session."""

    ABSENT = "absent"
    PRESENT = "present"
    NO_ROOM = "no-room"  # absent, and the table is full


class Finding(enum.Enum):
    """What is wrong with a question, or :attr:`FRESH`."""

    MALFORMED = "malformed"
    FORGED = "forged"
    WRONG_TIME = "wrong-time"
    MISPLACED = "misplaced"  # made for another channel than it arrived on
    OUT_OF_RANGE = "out-of-range"
    REPLAYED = "replay"
    FRESH = "fresh"


@dataclass
class _Session:
    expires: float
    seen: int = 0  # bit n: sequence n has arrived
    total: int = 0
    # Newest last.  Keys are bounded: a holder of the token may ask in any size.
    tallies: dict[tuple[Lane, int], Tally] = field(default_factory=dict)

    def count(self, question: Question, *, fragmented: bool) -> None:
        key = (question.lane, question.size)
        old = self.tallies.pop(key, Tally(question.lane, question.size, 0))
        if len(self.tallies) >= MAX_TALLIES:
            self.tallies.pop(next(iter(self.tallies)))
        self.tallies[key] = Tally(
            old.lane,
            old.size,
            min(old.count + 1, MAX_COUNT),
            old.changed or question.changed,
            old.fragmented or fragmented,
        )
        self.seen |= 1 << question.sequence
        self.total += 1


class Reflector:
    """The engine of the reflector; :class:`Packet` in and out.

    Args:
        token: at least :data:`MIN_TOKEN` bytes.
        random: padding and cookies.
        limits: see there.
        esp_listening: native ESP can be received.
        trace: hears of every message and why it was dropped.

    Raises:
        ValueError: the token is too short.
    """

    def __init__(
        self,
        token: Secret,
        random: RandomSource,
        *,
        limits: ReflectorLimits | None = None,
        esp_listening: bool = False,
        trace: TraceSink = discard_trace,
    ) -> None:
        if len(token.reveal()) < MIN_TOKEN:
            raise ValueError(f"a token has at least {MIN_TOKEN} bytes")
        self._token = token
        self._random = random
        self._limits = limits or ReflectorLimits()
        self._esp_listening = esp_listening
        self._trace = trace
        self._sessions: dict[bytes, _Session] = {}
        self._outgoing: list[Packet] = []
        self._events: deque[ReflectorEvent] = deque(maxlen=self._limits.events)
        self._answers: AnswerLimit | None = None

    # -- the six calls ------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begins to listen."""
        self._answers = self._limit(now)

    def receive(self, data: Packet, now: float) -> None:
        """Takes whatever arrived; answers at most once."""
        self._forget(now)
        lane = _lane_of(data)
        question, finding = self._look(lane, data)
        place = self._place(question)
        action = TABLE[place, finding]
        if question is None or action is None:
            self._drop(data, lane, "full" if finding is Finding.FRESH else finding.value, now)
            return
        refusal = action(self, question, data, now)
        if refusal is not None:
            self._drop(data, lane, refusal, now)

    def datagrams_to_send(self, now: float) -> list[Packet]:
        """Returns and forgets the answers waiting."""
        waiting, self._outgoing = self._outgoing, []
        return waiting

    def get_timer(self) -> float | None:
        """Returns when the oldest session may be forgotten."""
        return min((session.expires for session in self._sessions.values()), default=None)

    def handle_timer(self, now: float) -> None:
        """Forgets sessions whose every question has become too old."""
        self._forget(now)

    def next_event(self) -> ReflectorEvent | None:
        """Returns the oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # -- judging ------------------------------------------------------------------------------

    def _limit(self, now: float) -> AnswerLimit:
        limits = self._limits
        return AnswerLimit(limits.per_source, limits.total, limits.sources, now)

    def _look(self, lane: Lane, packet: Packet) -> tuple[Question | None, Finding]:
        try:
            question = open_question(self._token, lane, packet.data)
        except WireError as error:
            if error.field != "tag":
                return None, Finding.MALFORMED
            self._events.append(WrongToken(packet.address))
            return None, Finding.FORGED
        if abs(question.time - packet.unix_time) > self._limits.tolerance:
            return question, Finding.WRONG_TIME
        if question.lane is not lane:
            return question, Finding.MISPLACED
        if question.sequence > MAX_SEQUENCE or len(packet.data) < MIN_SIZES[lane]:
            return question, Finding.OUT_OF_RANGE
        session = self._sessions.get(question.session)
        if session is not None and session.seen >> question.sequence & 1:
            return question, Finding.REPLAYED
        return question, Finding.FRESH

    def _place(self, question: Question | None) -> Place:
        if question is not None and question.session in self._sessions:
            return Place.PRESENT
        return Place.NO_ROOM if len(self._sessions) >= self._limits.sessions else Place.ABSENT

    def _forget(self, now: float) -> None:
        for name in [name for name, session in self._sessions.items() if session.expires <= now]:
            del self._sessions[name]

    def _drop(self, packet: Packet, lane: Lane, trigger: str, now: float) -> None:
        self._trace(TraceEvent(now, Direction.IN, lane.value, "dropped", len(packet.data), trigger=trigger))

    # -- actions: each returns why nothing was answered, or None ---------------------------------

    def tell_clock(self, question: Question, packet: Packet, _now: float) -> str | None:
        """Says on our side only that the clocks differ: an answer would serve whoever replays."""
        self._events.append(ClockDiffers(packet.address, question.time - packet.unix_time))
        return Finding.WRONG_TIME.value

    def admit(self, question: Question, packet: Packet, now: float) -> str | None:
        """Opens a session and takes its first question."""
        # Until the last question that can belong to it, made by a clock as far ahead as allowed, is too
        # old as well: only then no replay of it can be taken for a new session.
        self._sessions[question.session] = _Session(now + 2 * self._limits.tolerance + 60)
        self._events.append(SessionBegan(packet.address, question.lane))
        return self.take(question, packet, now)

    def take(self, question: Question, packet: Packet, now: float) -> str | None:
        """Counts a question, and answers it unless there were too many answers."""
        session = self._sessions[question.session]
        session.expires = now + 2 * self._limits.tolerance + 60
        session.count(question, fragmented=bool(packet.fragmented))
        self._trace(TraceEvent(now, Direction.IN, question.lane.value, "question", len(packet.data)))
        self._answers = self._answers or self._limit(now)
        if not self._answers.allows(packet.address, now):
            return "rate"
        self._answer(session, question, packet, now)
        return None

    def _answer(self, session: _Session, question: Question, packet: Packet, now: float) -> None:
        report = Report(
            packet.address,
            packet.port,
            packet.arrived_port,
            len(packet.data),
            session.total,
            checksum(packet.data),
            question.changed,
            packet.fragmented,
            self._esp_listening,
            tuple(reversed(session.tallies.values())),
        )
        # As long as what arrived, which is what keeps the answer from being longer than the question.
        answer = seal_answer(self._token, question, report, len(packet.data), self._random)
        self._trace(TraceEvent(now, Direction.OUT, question.lane.value, "answer", len(answer)))
        self._outgoing.append(
            Packet(question.lane, answer, packet.address, packet.port, packet.local, packet.arrived_port)
        )


def _lane_of(packet: Packet) -> Lane:
    """UDP 4500 carries two lanes, told apart by the non-ESP marker (RFC 3948 §2.2)."""
    if packet.lane is Lane.NAT_T and not packet.data.startswith(NON_ESP_MARKER):
        return Lane.ESP_UDP
    return packet.lane


Action = Callable[[Reflector, Question, Packet, float], str | None]

TABLE: dict[tuple[Place, Finding], Action | None] = {
    **{(place, finding): None for place in Place for finding in Finding},
    **{(place, Finding.WRONG_TIME): Reflector.tell_clock for place in Place},
    (Place.ABSENT, Finding.FRESH): Reflector.admit,
    (Place.PRESENT, Finding.FRESH): Reflector.take,
    # A full table refuses newcomers: forgetting a session would let its questions be replayed.
    (Place.NO_ROOM, Finding.FRESH): None,
}
"""(session, question) -> what is done; ``None`` drops it without a word."""
