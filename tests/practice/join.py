"""A dial and a practice gateway joined by a function, with a fake clock and a scripted path."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from l2tp_doctor.practice.gateway import ClientEvent, GatewayStatus, Packet, Peer, PracticeGatewayEngine
from l2tp_doctor.practice.settings import (
    PRACTICE_PASSWORD,
    PRACTICE_PSK,
    PRACTICE_USER,
    GatewaySettings,
)
from l2tp_doctor.protocol.dial import Connected, Dial, DialClosed, DialConfig, DialEvent, Failed
from l2tp_doctor.protocol.engine import Channel, Datagram, TraceEvent
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    InitiatorPolicy,
    PathAddresses,
    Phase1Transform,
    Phase2Suite,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import FRAGMENTATION, RFC_3947
from l2tp_doctor.protocol.l2tp.config import Role, TunnelConfig
from l2tp_doctor.protocol.ppp.config import LinkConfig
from l2tp_doctor.protocol.secret import Secret

CLIENT = bytes((127, 0, 0, 1))
GATEWAY = bytes((127, 0, 0, 1))
CLIENT_PORTS = {Channel.IKE: 40500, Channel.NAT_T: 44500, Channel.ESP: 0}
GATEWAY_PORTS = (50500, 54500)
PATHS = PathAddresses(
    CLIENT,
    GATEWAY,
    CLIENT_PORTS[Channel.IKE],
    GATEWAY_PORTS[0],
    CLIENT_PORTS[Channel.NAT_T],
    GATEWAY_PORTS[1],
)
PSK = Credentials(psk=Secret(PRACTICE_PSK.encode()))

E = TypeVar("E")
Script = Callable[[bool, Datagram], Iterable[float]]
"""(from the client?, datagram) -> delay of each copy that arrives."""


def delayed(seconds: float) -> Script:
    return lambda _from_client, _datagram: (seconds,)


def unreliable(seed: int, loss: float, duplicate: float = 0.1, jitter: float = 0.03) -> Script:
    source = random.Random(seed)

    def script(_from_client: bool, _datagram: Datagram) -> Iterable[float]:
        if source.random() < loss:
            return ()
        copies = 2 if source.random() < duplicate else 1
        return tuple(0.01 + source.random() * jitter for _ in range(copies))

    return script


def dial_config(
    *,
    authentication: int = 1,
    credentials: Credentials = PSK,
    password: str = PRACTICE_PASSWORD,
    force_nat_t: bool = True,
) -> DialConfig:
    # What Windows offers, in its order, in RFC 2409's numbers.
    transforms = (
        Phase1Transform(7, 256, 2, 20, authentication),
        Phase1Transform(7, 128, 2, 19, authentication),
        Phase1Transform(7, 256, 2, 14, authentication),
        Phase1Transform(5, None, 2, 14, authentication),
    )
    suites = (Phase2Suite(12, 256, 2), Phase2Suite(12, 128, 2), Phase2Suite(3, None, 2))
    return DialConfig(
        ike=InitiatorPolicy(
            transforms, suites, (RFC_3947.value, FRAGMENTATION.value), force_nat_t=force_nat_t
        ),
        paths=PATHS,
        credentials=credentials,
        tunnel=TunnelConfig(Role.LAC, "LAPTOP"),
        link=LinkConfig(username=PRACTICE_USER, password=Secret(password.encode())),
    )


def small_group(config: DialConfig) -> DialConfig:
    """ECP-256 only: many dials in little time."""
    transforms = tuple(t for t in config.ike.transforms if t.group == 19)
    return replace(config, ike=replace(config.ike, transforms=transforms))


@dataclass
class Join:
    """Both sides, what happened to the client, and the network between."""

    settings: GatewaySettings = field(default_factory=GatewaySettings)
    config: DialConfig = field(default_factory=dial_config)
    script: Script = field(default_factory=lambda: delayed(0.01))
    seed: int = 1
    now: float = 100.0
    served_by: PracticeGatewayEngine | None = None

    def __post_init__(self) -> None:
        source = random.Random(self.seed)
        self.trace: list[TraceEvent] = []
        self.gateway_trace: list[TraceEvent] = []
        self.dial = Dial(self.config, source.randbytes, self.trace.append)
        self.gateway = self.served_by or PracticeGatewayEngine(
            self.settings,
            GATEWAY,
            GATEWAY_PORTS,
            source.randbytes,
            random.Random(self.seed + 1).randbytes,
            self.gateway_trace.append,
        )
        self.events: list[DialEvent] = []
        self.gateway_events: list[ClientEvent] = []
        self.times: dict[type, float] = {}
        self.peers: list[Peer] = []
        self._flying: list[tuple[float, int, bool, Datagram]] = []
        self._number = 0
        self._looked_at = 0

    def run(self, seconds: float = 60.0, until: type | tuple[type, ...] = (Connected, Failed)) -> Join:
        """Dials until an event of ``until`` or that long."""
        self.dial.start(self.now)
        self.settle(self.now + seconds, until)
        return self

    def close(self, seconds: float = 10.0) -> GatewayStatus:
        """Tears down, and returns what the gateway holds when the dial says it is closed and all is quiet."""
        self.dial.close(self.now)
        self.settle(self.now + seconds, ())
        return self.gateway.status()

    def settle(self, end: float, until: type | tuple[type, ...] = ()) -> None:
        while not self._drain(until):
            times = [item[0] for item in self._flying[:1]]
            times += [t for t in (self.dial.get_timer(), self.gateway.get_timer()) if t is not None]
            if not times or min(times) > end:
                return
            self.now = max(self.now, min(times))
            while self._flying and self._flying[0][0] <= self.now:
                _, _, from_client, datagram = heapq.heappop(self._flying)
                self._deliver(from_client, datagram)
            for engine in (self.dial, self.gateway):
                timer = engine.get_timer()
                if timer is not None and timer <= self.now:
                    engine.handle_timer(self.now)

    def _deliver(self, from_client: bool, datagram: Datagram) -> None:
        if from_client:
            self.gateway.receive(Packet(Peer(CLIENT, CLIENT_PORTS[datagram.channel]), datagram), self.now)
        else:
            self.dial.receive(datagram, self.now)
        self._take()

    def _drain(self, until: type | tuple[type, ...]) -> bool:
        self._take()
        new, self._looked_at = self.events[self._looked_at :], len(self.events)
        return any(isinstance(event, until) for event in new)

    def _take(self) -> None:
        for datagram in self.dial.datagrams_to_send(self.now):
            self._launch(True, datagram)
        for packet in self.gateway.datagrams_to_send(self.now):
            self.peers.append(packet.peer)
            self._launch(False, packet.datagram)
        while (event := self.dial.next_event()) is not None:
            self.events.append(event)
            self.times.setdefault(type(event), self.now)
        while (client_event := self.gateway.next_event()) is not None:
            self.gateway_events.append(client_event)

    def _launch(self, from_client: bool, datagram: Datagram) -> None:
        for delay in self.script(from_client, datagram):
            self._number += 1
            heapq.heappush(
                self._flying, (self.now + delay + self.settings.delay, self._number, from_client, datagram)
            )

    def got(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def connected(self) -> bool:
        return bool(self.got(Connected))

    @property
    def closed_cleanly(self) -> bool:
        closed = self.got(DialClosed)
        return bool(closed) and closed[0].clean
