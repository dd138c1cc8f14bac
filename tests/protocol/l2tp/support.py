"""Two tunnels joined by a scripted path under a fake clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from l2tp_doctor.protocol.engine import RandomSource, TraceEvent
from l2tp_doctor.protocol.l2tp import L2tpEvent, L2tpTunnel, LnsFaults, Role, TunnelConfig
from l2tp_doctor.protocol.secret import Secret


def seeded(seed: str) -> RandomSource:
    """Returns a deterministic RandomSource: SHA-256 of a counter."""
    counter = 0

    def source(count: int) -> bytes:
        nonlocal counter
        counter += 1
        return (hashlib.sha256(f"{seed}/{counter}".encode()).digest() * (count // 32 + 1))[:count]

    return source


def lac_config(secret: bytes | None = None) -> TunnelConfig:
    return TunnelConfig(Role.LAC, "RWB-LAPTOP-DELL", tunnel_secret=None if secret is None else Secret(secret))


def lns_config(faults: LnsFaults | None = None, secret: bytes | None = None) -> TunnelConfig:
    return TunnelConfig(
        Role.LNS,
        "practice",
        vendor_name="l2tp-doctor",
        faults=faults or LnsFaults(),
        tunnel_secret=None if secret is None else Secret(secret),
    )


Script = Callable[[str, int], list[float]]
"""``(sender, number of the datagram)`` → delays in seconds of the copies delivered; none = lost."""


@dataclass
class Path:
    """A LAC, an LNS and what happens to datagrams between them."""

    lac: L2tpTunnel
    lns: L2tpTunnel
    script: Script = lambda _sender, _number: [0.025]
    now: float = 0.0
    sent: dict[str, list[bytes]] = field(default_factory=lambda: {"lac": [], "lns": []})
    events: dict[str, list[L2tpEvent]] = field(default_factory=lambda: {"lac": [], "lns": []})
    event_times: dict[str, list[float]] = field(default_factory=lambda: {"lac": [], "lns": []})
    on_event: Callable[[], None] = lambda: None
    """What the owner of the LAC does before its datagrams are taken."""
    _wire: list[tuple[float, int, str, bytes]] = field(default_factory=list)

    def end(self, name: str) -> L2tpTunnel:
        return self.lac if name == "lac" else self.lns

    def drain(self) -> None:
        for name, other in (("lac", "lns"), ("lns", "lac")):
            engine = self.end(name)
            while (event := engine.next_event()) is not None:
                self.events[name].append(event)
                self.event_times[name].append(self.now)
            self.on_event()
            for datagram in engine.datagrams_to_send(self.now):
                self.sent[name].append(datagram)
                for delay in self.script(name, len(self.sent[name]) - 1):
                    self._wire.append((self.now + delay, len(self._wire), other, datagram))
            while (event := engine.next_event()) is not None:
                self.events[name].append(event)
                self.event_times[name].append(self.now)

    def start(self) -> None:
        self.lns.start(self.now)
        self.lac.start(self.now)
        self.drain()

    def run(self, until: float) -> None:
        """Delivers and fires timers in order of time until nothing is left or ``until`` is reached."""
        for _ in range(20_000):
            times = [entry[0] for entry in self._wire]
            times += [at for end in (self.lac, self.lns) if (at := end.get_timer()) is not None]
            if not times or min(times) > until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            for end in (self.lac, self.lns):
                timer = end.get_timer()
                if timer is not None and timer <= self.now:
                    end.handle_timer(self.now)
            due = sorted(entry for entry in self._wire if entry[0] <= self.now)
            self._wire = [entry for entry in self._wire if entry[0] > self.now]
            for _at, _order, receiver, datagram in due:
                self.end(receiver).receive(datagram, self.now)
                self.drain()
            self.drain()
        raise RuntimeError("the engines never come to rest")


def joined(
    lac: TunnelConfig | None = None, lns: TunnelConfig | None = None, script: Script | None = None
) -> tuple[Path, list[TraceEvent], list[TraceEvent]]:
    lac_trace: list[TraceEvent] = []
    lns_trace: list[TraceEvent] = []
    path = Path(
        L2tpTunnel(lac or lac_config(), seeded("lac"), lac_trace.append),
        L2tpTunnel(lns or lns_config(), seeded("lns"), lns_trace.append),
    )
    if script is not None:
        path.script = script
    return path, lac_trace, lns_trace


def established() -> Path:
    path, _, _ = joined()
    path.start()
    path.run(1.0)
    return path


def event_of(path: Path, end: str, kind: type) -> L2tpEvent | None:
    return next((event for event in path.events[end] if isinstance(event, kind)), None)
