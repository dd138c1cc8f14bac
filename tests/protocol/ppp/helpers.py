"""Two PPP links in one process, a fake clock and a scripted path between them."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, TypeVar

from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol, ForcedFailure
from l2tp_doctor.protocol.ppp.config import GatewayConfig, LinkConfig, gateway_config
from l2tp_doctor.protocol.ppp.events import LinkEvent
from l2tp_doctor.protocol.ppp.link import PppLink
from l2tp_doctor.protocol.secret import Secret

CLIENT_ADDRESS = IPv4Address("198.51.100.7")
DNS = (IPv4Address("192.0.2.53"), IPv4Address("192.0.2.54"))
PASSWORD = "wonder-ländisch"

E = TypeVar("E")
Path = Callable[[bytes, str, float], list[float]]
"""Given a frame, its sender and the time: the delays of its copies (none: lost)."""


def users(name: str) -> Secret | None:
    return Secret(PASSWORD.encode()) if name == "alice" else None


def gateway(**changes: Any) -> GatewayConfig:
    settings: dict[str, Any] = {"authenticator": users, "address": CLIENT_ADDRESS, "dns": DNS, **changes}
    return GatewayConfig(**settings)


def forced(code: int, message: str = "", retry: bool = False) -> ForcedFailure:
    return ForcedFailure(code, message, retry)


def client_config(**changes: Any) -> LinkConfig:
    settings: dict[str, Any] = {"username": "alice", "password": Secret(PASSWORD.encode()), **changes}
    return LinkConfig(**settings)


def direct(_frame: bytes, _sender: str, _now: float) -> list[float]:
    return [0.025]


def unreliable(seed: int, loss: float = 0.2, duplicate: float = 0.2, jitter: float = 0.06) -> Path:
    source = random.Random(seed)

    def path(_frame: bytes, _sender: str, _now: float) -> list[float]:
        copies = 0 if source.random() < loss else 2 if source.random() < duplicate else 1
        return [0.01 + source.random() * jitter for _ in range(copies)]

    return path


class Pair:
    """A client and a gateway; ``run`` moves frames and time until nothing is left to happen."""

    def __init__(
        self,
        client: LinkConfig | None = None,
        server: LinkConfig | None = None,
        path: Path = direct,
        seed: int = 1,
    ) -> None:
        source = random.Random(seed)
        self.client_trace: list[TraceEvent] = []
        self.server_trace: list[TraceEvent] = []
        self.client = PppLink(client or client_config(), source.randbytes, self.client_trace.append)
        self.server = PppLink(server or gateway_config(gateway()), source.randbytes, self.server_trace.append)
        self.client_events: list[LinkEvent] = []
        self.server_events: list[LinkEvent] = []
        self.times: dict[type, float] = {}
        self.now = 0.0
        self._path = path
        self._flying: list[tuple[float, int, str, bytes]] = []
        self._count = 0

    def start(self) -> None:
        self.client.start(self.now)
        self.server.start(self.now)
        self._collect()

    def run(self, until: float = 60.0) -> None:
        for _step in range(20_000):
            self._collect()
            due = [time for time in (self.client.get_timer(), self.server.get_timer()) if time is not None]
            due += [flight[0] for flight in self._flying]
            if not due or min(due) > until:
                return
            self.now = max(self.now, min(due))
            arriving = sorted(flight for flight in self._flying if flight[0] <= self.now)
            self._flying = [flight for flight in self._flying if flight[0] > self.now]
            for _time, _count, sender, frame in arriving:
                (self.server if sender == "client" else self.client).receive(frame, self.now)
            for link in (self.client, self.server):
                timer = link.get_timer()
                if timer is not None and timer <= self.now:
                    link.handle_timer(self.now)
        raise RuntimeError("the links never come to rest")

    def _collect(self) -> None:
        for name, link, events in (
            ("client", self.client, self.client_events),
            ("server", self.server, self.server_events),
        ):
            for frame in link.datagrams_to_send(self.now):
                for delay in self._path(frame, name, self.now):
                    self._count += 1
                    self._flying.append((self.now + delay, self._count, name, frame))
            while (event := link.next_event()) is not None:
                events.append(event)
                if name == "client":
                    self.times.setdefault(type(event), self.now)

    def dial(self, until: float = 60.0) -> Pair:
        self.start()
        self.run(until)
        return self

    def first(self, kind: type[E]) -> E:
        """The client's first event of a kind."""
        for event in self.client_events:
            if isinstance(event, kind):
                return event
        raise AssertionError(f"no {kind.__name__} in {self.client_events}")

    def has(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.client_events)

    def summaries(self, direction: Direction, layer: str) -> list[str]:
        return [e.summary for e in self.client_trace if e.direction is direction and e.layer == layer]


METHODS = (AuthProtocol.PAP, AuthProtocol.CHAP, AuthProtocol.MSCHAPV2, AuthProtocol.EAP)
