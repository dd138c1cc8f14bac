"""A questioner and a reflector joined by a scripted path under a fake clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.reflect.questioner import (
    Questioner,
    QuestionerEvent,
    QuestionerSettings,
    State,
)
from l2tp_doctor.protocol.reflect.reflector import Packet, Reflector, ReflectorEvent, ReflectorLimits
from l2tp_doctor.protocol.reflect.wire import Lane
from l2tp_doctor.protocol.secret import Secret

TOKEN = Secret(b"sixteen bytes or more of token")
CLIENT = bytes([198, 51, 100, 10])
UNIX = 1_800_000_000.0
ONE_WAY = 0.02

Treatment = Callable[[Packet], list[Packet]]
"""What the path makes of a packet: nothing, itself, changed, or several."""


def untouched(packet: Packet) -> list[Packet]:
    return [packet]


@dataclass
class Join:
    """The two ends and the path between them.

    Attributes:
        out: what happens to questions.
        back: what happens to answers.
        skew: seconds the reflector's clock is ahead.
        jitter: seconds at most that a packet is held up, which reorders.
    """

    out: Treatment = untouched
    back: Treatment = untouched
    skew: float = 0.0
    jitter: float = 0.0
    esp_listening: bool = True
    settings: QuestionerSettings = field(default_factory=QuestionerSettings)
    limits: ReflectorLimits = field(default_factory=ReflectorLimits)
    client_token: Secret = TOKEN
    seed: int = 1

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.trace: list[TraceEvent] = []
        self.server_trace: list[TraceEvent] = []
        self.questioner = Questioner(
            self.client_token, self.chance.randbytes, UNIX, self.settings, self.trace.append
        )
        self.reflector = Reflector(
            TOKEN, self.chance.randbytes, limits=self.limits, esp_listening=self.esp_listening,
            trace=self.server_trace.append,
        )  # fmt: skip
        self.now = 0.0
        self.events: list[QuestionerEvent] = []
        self.server_events: list[ReflectorEvent] = []
        self.questions: list[bytes] = []
        self._line: list[tuple[float, int, bool, Packet]] = []
        self._count = 0

    def run(self) -> None:
        """Runs until the questioner is done, a minute at most."""
        self.reflector.start(0.0)
        self.questioner.start(0.0)
        while self.questioner.state is not State.DONE:
            self._carry()
            timer = self.questioner.get_timer()
            if self._line and (timer is None or self._line[0][0] <= timer):
                self._deliver()
            else:
                assert timer is not None
                self.now = timer
                self.questioner.handle_timer(self.now)
            assert self.now < 60
        while (event := self.questioner.next_event()) is not None:
            self.events.append(event)

    def _carry(self) -> None:
        for packet in self.questioner.datagrams_to_send(self.now):
            self.questions.append(packet.data)
            wire_lane = Lane.NAT_T if packet.lane is Lane.ESP_UDP else packet.lane
            port = 0 if packet.lane is Lane.ESP else 40000
            for arriving in self.out(replace(packet, address=CLIENT, port=port)):
                self._put(replace(arriving, lane=wire_lane), to_server=True)

    def _put(self, packet: Packet, *, to_server: bool) -> None:
        self._count += 1
        at = self.now + ONE_WAY + self.jitter * self.chance.random()
        heapq.heappush(self._line, (at, self._count, to_server, packet))

    def _deliver(self) -> None:
        self.now, _, to_server, packet = heapq.heappop(self._line)
        if not to_server:
            self.questioner.receive(packet, self.now)
            return
        packet = replace(packet, unix_time=UNIX + self.now + self.skew)
        self.reflector.receive(packet, self.now)
        while (event := self.reflector.next_event()) is not None:
            self.server_events.append(event)
        for answer in self.reflector.datagrams_to_send(self.now):
            assert len(answer.data) <= len(packet.data)
            for arriving in self.back(answer):
                wire_lane = Lane.NAT_T if arriving.lane is Lane.ESP_UDP else arriving.lane
                self._put(replace(arriving, lane=wire_lane), to_server=False)

    # -- what was found ---------------------------------------------------------------------------

    def arrived(self, lane: Lane) -> int:
        return sum(cell.arrived for cell in self.questioner.findings.of(lane))

    def returned(self, lane: Lane) -> int:
        return sum(cell.returned for cell in self.questioner.findings.of(lane))

    def triggers(self) -> set[str]:
        return {event.trigger for event in self.server_trace if event.trigger is not None}
