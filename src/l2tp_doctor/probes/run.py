"""What one measurement carries around: clock, log, recorder, and who listens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from l2tp_doctor.knowledge.profile import Profile
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.path import GatewayPath, Recorder
from l2tp_doctor.observations import Observation, ObservationLog, Value
from l2tp_doctor.probes.interface import CheckRequest, Listener
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, TraceEvent
from l2tp_doctor.protocol.ikev1.policy import PathAddresses
from l2tp_doctor.protocol.nat_t import KEEPALIVE
from l2tp_doctor.protocol.silence import failure_rate, transmissions_needed
from l2tp_doctor.protocol.unanswered import Unanswered

Counter = Callable[[], tuple[int, int]]
"""Returns how many questions of a flow were answered, and the transmissions those answers took."""
DatagramSink = Callable[[Datagram], None]
# As with packets: a flood's tail proves nothing, and each line is shown to a person.
MAX_TRACE = 5000
MAX_TIMES = 256
# Seconds for an answer: where no round trip was measured, a satellite's; else a slow gateway's thought.
UNKNOWN_SETTLING = 1.0
MIN_SETTLING = 0.3
# Seconds a port must have been silent, however often it was asked meanwhile.
SHORTEST_SILENCE = 2.0
MIN_TRANSMISSIONS = 8
# Of a row of pings so many may go unanswered on a path that loses nothing to speak of.
LATE_PINGS = 1
PORT_NAMES = {Channel.IKE: "udp500", Channel.NAT_T: "udp4500"}
ICMP_NAMES = {**PORT_NAMES, Channel.ESP: "esp"}


@dataclass
class Run:
    """One measurement under way.

    Attributes:
        request: what to measure.
        profile: how to dial.
        listener: hears of everything as it happens.
        started: loop time that counts as 0.
        local: our address towards the gateway.
        remote: the gateway's.
    """

    request: CheckRequest
    profile: Profile
    listener: Listener
    started: float
    local: str = ""
    remote: str = ""
    random: RandomSource = os.urandom
    trace: list[TraceEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = ObservationLog(self.listener.on_observation)
        self.recorder = Recorder(self.started)
        self._loop = asyncio.get_running_loop()
        self._heard: set[Channel] = set()
        self._asked: set[Channel] = set()
        self.lossy = False
        """Something was answered only after it had been sent again."""
        self.pings = (0, 0)
        """How many of a row of pings were answered, and how many were sent; both 0 where none ever is."""
        self.rtt: float | None = None
        """A round-trip time that something measured, in seconds."""
        self._sent_at: dict[Channel, list[float]] = {}
        self._counters: list[Counter] = []

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return self._loop.time() - self.started

    @property
    def deadline(self) -> float:
        """Seconds left of the budget, never negative."""
        return max(0.0, self.request.budget - self.now)

    def observe(self, name: str, value: Value, source: str, *, reason: str = "") -> Observation:
        """Adds an observation made just now."""
        return self.log.add(name, value, at=round(self.now, 6), source=f"probe:{source}", reason=reason)

    def observe_once(self, name: str, value: Value, source: str) -> None:
        """Adds an observation unless the newest of that name says the same."""
        latest = self.log.latest(name)
        if latest is None or latest.value != value:
            self.observe(name, value, source)

    def note_trace(self, event: TraceEvent) -> None:
        """Keeps and passes on a line of the dial's trace; dropped messages only up to a limit."""
        if event.trigger is not None and len(self.trace) >= MAX_TRACE:
            return
        self.trace.append(event)
        self.listener.on_trace(event)

    # -- sockets ------------------------------------------------------------------------------

    def open_path(
        self,
        source: str,
        *,
        on_datagram: DatagramSink,
        source_ports: tuple[int, int] = (0, 0),
        native_esp: bool = False,
    ) -> GatewayPath:
        """Opens the sockets of one flow; what arrives is also noted as a sign of life.

        Raises:
            OSError: a socket cannot be made.
        """

        def arrived(datagram: Datagram, sender: Endpoint) -> None:
            self.sign_of_life(datagram, sender, source)
            on_datagram(datagram)

        def noticed(channel: Channel, notice: IcmpNotice) -> None:
            self.icmp(channel, notice, source)

        return GatewayPath(
            self.local,
            self.remote,
            (self.request.ike_port, self.request.nat_t_port),
            source_ports=source_ports,
            native_esp=native_esp,
            recorder=self.recorder,
            on_datagram=arrived,
            on_notice=noticed,
        )

    def path_addresses(self, path: GatewayPath) -> PathAddresses:
        """Returns what NAT-D and the identities say of a path."""
        ike_port, nat_t_port = path.local_ports
        return PathAddresses(
            path.local_packed,
            path.remote_packed,
            ike_port,
            self.request.ike_port,
            nat_t_port,
            self.request.nat_t_port,
        )

    def asked(self, channel: Channel) -> None:
        """Something that deserves an answer was sent there."""
        self._asked.add(channel)
        times = self._sent_at.setdefault(channel, [])
        if len(times) < MAX_TIMES:
            times.append(self.now)

    @property
    def loses_packets(self) -> bool:
        """Whether the path does: a row of pings decides; before one, that something was sent again."""
        answered, sent = self.pings
        return sent - answered > LATE_PINGS if sent else self.lossy

    def holds(self, name: str, value: bool) -> bool:
        """Whether something was observed, and its latest value is this."""
        latest = self.log.latest(name)
        return latest is not None and latest.value is value

    # -- when a silence is believed -----------------------------------------------------------

    def count(self, counter: Counter) -> None:
        """Takes a flow's counter into the estimate of this path's loss."""
        self._counters.append(counter)

    @property
    def counted(self) -> tuple[int, int]:
        """Answers of all flows, and the transmissions they took."""
        counts = [counter() for counter in self._counters]
        return sum(answers for answers, _ in counts), sum(sent for _, sent in counts)

    @property
    def failure_rate(self) -> float:
        """The share of questions that chance leaves unanswered on this path, as far as it has shown."""
        return failure_rate(*self.counted)

    @property
    def settling(self) -> float:
        """Seconds that an answer may take: three round trips, or a second where none was measured."""
        return UNKNOWN_SETTLING if self.rtt is None else max(MIN_SETTLING, 3.0 * self.rtt)

    def believes_silence(
        self, asked: Unanswered | None, channel: Channel, *, at_least: float, packets: int = 1
    ) -> bool:
        """Whether chance does not explain any more that something stays unanswered.

        The bound is that of :mod:`l2tp_doctor.protocol.silence`, for the question's own transmissions or,
        where the port has never said anything, for all that was ever asked there.

        Args:
            asked: the question under way, as its engine tells.
            channel: where it goes.
            at_least: seconds it must have been asked for: paths have short breaks, too.
            packets: IP packets one transmission takes.
        """
        if asked is None or self.now - asked.first_sent < at_least:
            return False
        transmissions = asked.transmissions - (self.now - asked.last_sent < self.settling)
        return transmissions >= transmissions_needed(self.failure_rate, out=packets) or self._mute(channel)

    def _mute(self, channel: Channel) -> bool:
        """Whether a port stayed silent to everything.

        Where neither port ever said anything, chance would have had to swallow what was sent to either.
        """
        times = self._sent_at.get(channel, [])
        if channel in self._heard or not times or self.now - times[0] < SHORTEST_SILENCE:
            return False
        needed = transmissions_needed(self.failure_rate)
        if self._heard:
            return self._settled(times) >= needed
        every = [time for sent in self._sent_at.values() for time in sent]
        return self._settled(times) >= MIN_TRANSMISSIONS and self._settled(every) >= needed

    def _settled(self, times: list[float]) -> int:
        """Counts the transmissions whose answers would be here."""
        return sum(1 for time in times if self.now - time >= self.settling)

    def sign_of_life(self, datagram: Datagram, sender: Endpoint, source: str) -> None:
        """Notes that something came back from one of the gateway's ports, and from which address."""
        name = PORT_NAMES.get(datagram.channel)
        # A keepalive answers nothing: a gateway sends it to whoever it thinks was here before us.
        if name is None or (datagram.channel is Channel.NAT_T and datagram.data == KEEPALIVE):
            return
        if datagram.channel not in self._heard:
            self._heard.add(datagram.channel)
            self.observe(f"{name}.reply", True, source)
        if sender.address.split("%")[0] != self.remote.split("%")[0]:
            self.observe_once(f"{name}.reply_from", sender.address, source)
        asked = self.request.ike_port if datagram.channel is Channel.IKE else self.request.nat_t_port
        if sender.port != asked:
            self.observe_once(f"{name}.reply_port", sender.port, source)

    def icmp(self, channel: Channel, notice: IcmpNotice, source: str) -> None:
        """Notes an ICMP error, or our own system's refusal to send."""
        if notice.local:
            self.observe_once("route.error", notice.name, source)
            return
        name = ICMP_NAMES[channel]
        self.observe_once(f"{name}.icmp", notice.name, source)
        if notice.sender:
            self.observe_once(f"{name}.icmp_from", notice.sender, source)

    def conclude_silence(self) -> None:
        """Says of every port that was asked and never heard that it stayed silent."""
        for channel in (Channel.IKE, Channel.NAT_T):
            if channel in self._asked - self._heard:
                self.observe(f"{PORT_NAMES[channel]}.reply", False, "dial")

    @contextmanager
    def experiment(self, name: str) -> Iterator[None]:
        """Tells the listener that an experiment runs."""
        self.listener.on_experiment(name, True)
        try:
            yield
        finally:
            self.listener.on_experiment(name, False)
