"""ICMP echo through the tunnel: a small packet and one as large as the link allows.

The small one proves that the VPN carries traffic, the large one that full-sized packets
pass too: where only the small one comes back, the path's MTU is smaller than it admits.
So the silence of the large one counts from the small one's answer on: before, the peer's interface may
not have been up, and a peer whose IPCP lost our Configure-Ack brings it up seconds later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from l2tp_doctor.protocol.ip import (
    ICMP,
    IcmpEcho,
    Ipv4Packet,
    build_icmp_echo,
    build_ipv4,
    parse_icmp_echo,
    parse_ipv4,
)
from l2tp_doctor.protocol.silence import transmissions_needed
from l2tp_doctor.protocol.wire import WireError

_HEADERS = 28  # IPv4 and ICMP echo header
_TEXT = b"l2tp-doctor echo through the tunnel "

# A gateway often acknowledges IPCP before its own interface is up, so the first echo may be lost;
# and it may hold ICMP back, so trying has an end.
SMALL_ATTEMPTS = 7
LARGE_ATTEMPTS = 6
# The small echo waits for an interface, which takes time; the large one follows it, and only loss makes it
# wait.
MAX_INTERVAL = 1.0
LARGE_MAX_INTERVAL = 0.4
# However lossy the path: what 20 full-sized packets did not get across is no use to anybody.
MAX_ATTEMPTS = 20
# How often the peer's interface may come up before its silence is the tunnel's.
MAX_INTERFACES = 3
# A full-sized packet takes two fragments in each direction, once ESP and UDP are around it.
_LARGE_FRAGMENTS = 2


@dataclass(frozen=True, slots=True)
class EchoOutcome:
    """How one of the two echoes ended; ``rtt`` in seconds is ``None`` when it was never answered."""

    large: bool
    size: int
    rtt: float | None


@dataclass(slots=True)
class _Series:
    """The repetitions of one echo."""

    large: bool
    size: int
    identifier: int
    attempts: int
    longest: float
    sent: dict[int, float] = field(default_factory=dict)
    due: float | None = None
    over: bool = False


class TunnelEcho:
    """Sends both echoes until each is answered or given up.

    Args:
        local: our address in the tunnel.
        target: the peer's.
        identifier: 16 bits; the large echo uses the next one.
        large_size: bytes of the large IP packet.
        interval: seconds before the first repetition; doubled each time, at most one second for the small
            echo and 0.4 s (or this interval) for the large one.
        loss: share of questions that go unanswered on this path (``failure_rate`` in
            :mod:`l2tp_doctor.protocol.silence`); it decides how often the large echo, and on a bad path the
            small one, is tried before silence is believed.
    """

    def __init__(
        self,
        local: IPv4Address,
        target: IPv4Address,
        identifier: int,
        large_size: int,
        interval: float,
        *,
        loss: float = 0.0,
    ) -> None:
        self._local = local
        self._target = target
        self._interval = interval
        many = min(MAX_ATTEMPTS, transmissions_needed(loss, out=_LARGE_FRAGMENTS, back=_LARGE_FRAGMENTS))
        few = min(MAX_ATTEMPTS, transmissions_needed(loss))
        small = _Series(
            False, _HEADERS + len(_TEXT), identifier, max(SMALL_ATTEMPTS, few), max(MAX_INTERVAL, interval)
        )
        large = _Series(
            True,
            large_size,
            (identifier + 1) & 0xFFFF,
            max(LARGE_ATTEMPTS, many),
            max(LARGE_MAX_INTERVAL, interval),
        )
        self._series = (small, large)
        self._attempts = small.attempts
        self._interfaces = 1
        self._outgoing: deque[bytes] = deque()
        self._outcomes: deque[EchoOutcome] = deque()

    @property
    def repetitions(self) -> int:
        """How often the small echo has been sent again, as long as nothing has answered it."""
        small = self._series[0]
        return 1 if small.over else max(1, len(small.sent) - 1)

    @property
    def finished(self) -> bool:
        """Whether both echoes are over."""
        return all(series.over for series in self._series)

    def start(self, now: float) -> None:
        """Sends both for the first time."""
        for series in self._series:
            self._send(series, now)

    def interface_is_back(self) -> None:
        """IPCP was negotiated anew: what was asked meanwhile met no interface and proves nothing.

        The small echo gets all its tries once more, so long as nothing has answered it; twice at most.
        """
        small = self._series[0]
        if not small.over and self._interfaces < MAX_INTERFACES:
            self._interfaces += 1
            small.attempts = len(small.sent) + self._attempts

    def packets_to_send(self) -> list[bytes]:
        """Returns and forgets the IP packets waiting to be sent."""
        waiting = list(self._outgoing)
        self._outgoing.clear()
        return waiting

    def get_timer(self) -> float | None:
        """Returns when the next repetition, or giving up, is due."""
        return min((series.due for series in self._series if series.due is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Repeats or gives up what is due."""
        for series in self._series:
            if series.due is None or now < series.due:
                continue
            if len(series.sent) < series.attempts:
                self._send(series, now)
            elif series.large and not self._series[0].over:
                series.due = None  # nothing has come through yet, of any size: the small echo decides
            else:
                self._end(series, None, now)

    def receive(self, packet: bytes, now: float) -> None:
        """Takes an IP packet from the tunnel; everything but our answers is ignored."""
        try:
            received = parse_ipv4(packet)
            if received.protocol != ICMP:
                return
            answer = parse_icmp_echo(received.payload)
        except WireError:
            return
        for series in self._series:
            sent_at = series.sent.get(answer.sequence)
            ours = answer.reply and answer.identifier == series.identifier and not series.over
            if ours and sent_at is not None and len(packet) >= series.size:
                self._end(series, now - sent_at, now)

    def next_outcome(self) -> EchoOutcome | None:
        """Returns the oldest outcome not yet taken, or ``None``."""
        return self._outcomes.popleft() if self._outcomes else None

    def _send(self, series: _Series, now: float) -> None:
        sequence = len(series.sent) + 1
        series.sent[sequence] = now
        series.due = now + min(self._interval * 2 ** (sequence - 1), series.longest)
        data = (_TEXT * (series.size // len(_TEXT) + 1))[: series.size - _HEADERS]
        message = build_icmp_echo(IcmpEcho(False, series.identifier, sequence, data))
        packet = Ipv4Packet(self._local, self._target, ICMP, message, identification=sequence)
        self._outgoing.append(build_ipv4(packet))

    def _end(self, series: _Series, rtt: float | None, now: float) -> None:
        series.over = True
        series.due = None
        self._outcomes.append(EchoOutcome(series.large, series.size, rtt))
        large = self._series[1]
        if series.large or large.over:
            return
        if rtt is None:
            self._end(large, None, now)
            return
        if len(series.sent) > 1:
            # What both lost before this answer says nothing about size: the large one's tries begin here.
            large.attempts += len(large.sent)
        if large.due is None:
            self._send(large, now)
