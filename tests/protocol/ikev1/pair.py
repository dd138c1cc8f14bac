"""An initiator and a responder joined by a function, with a fake clock and a scripted path."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from l2tp_doctor.protocol.engine import Channel, Datagram, TraceEvent
from l2tp_doctor.protocol.ikev1.events import IkeEvent
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    InitiatorPolicy,
    PathAddresses,
    Phase1Transform,
    Phase2Suite,
    ResponderPolicy,
)
from l2tp_doctor.protocol.ikev1.responder import Ikev1Responder
from l2tp_doctor.protocol.isakmp.vendor_ids import FRAGMENTATION, RFC_3947
from l2tp_doctor.protocol.secret import Secret

PSK = Credentials(psk=Secret(b"correct horse"))
CLIENT = bytes((192, 0, 2, 10))
GATEWAY = bytes((198, 51, 100, 1))
VENDOR_IDS = (RFC_3947.value, FRAGMENTATION.value)
MODP_2048 = Phase1Transform(7, 256, 2, 14, 1)
ECP_256 = Phase1Transform(7, 128, 2, 19, 1)
AES_SHA1 = Phase2Suite(12, 256, 2)
CLIENT_PATHS = PathAddresses(CLIENT, GATEWAY)
GATEWAY_PATHS = PathAddresses(GATEWAY, CLIENT)

INITIATOR = InitiatorPolicy((ECP_256,), (AES_SHA1,), VENDOR_IDS)
RESPONDER = ResponderPolicy((ECP_256, MODP_2048), (AES_SHA1,), VENDOR_IDS)


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


EventKind = TypeVar("EventKind")
Script = Callable[[int, bool, Datagram], Iterable[tuple[float, Datagram]]]
"""(number of the datagram, from client?, datagram) -> [(delay, datagram), ...]; empty means lost."""


def perfect(_number: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
    return [(0.01, datagram)]


@dataclass
class Pair:
    """Both engines, what happened to them, and the network between."""

    initiator_policy: InitiatorPolicy = INITIATOR
    responder_policy: ResponderPolicy = RESPONDER
    initiator_credentials: Credentials = PSK
    responder_credentials: Credentials = PSK
    initiator_paths: PathAddresses = CLIENT_PATHS
    responder_paths: PathAddresses = GATEWAY_PATHS
    script: Script = perfect
    seed: int = 1
    now: float = 100.0
    client_events: list[IkeEvent] = field(default_factory=list)
    gateway_events: list[IkeEvent] = field(default_factory=list)
    client_trace: list[TraceEvent] = field(default_factory=list)
    gateway_trace: list[TraceEvent] = field(default_factory=list)
    wire: list[tuple[float, bool, Datagram]] = field(default_factory=list)
    _flying: list[tuple[float, int, bool, Datagram]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = Ikev1Initiator(
            self.initiator_policy, self.initiator_paths, self.initiator_credentials,
            seeded(self.seed), self.client_trace.append,
        )  # fmt: skip
        self.gateway = Ikev1Responder(
            self.responder_policy, self.responder_paths, self.responder_credentials,
            seeded(self.seed + 1), self.gateway_trace.append,
        )  # fmt: skip

    def run(self, seconds: float = 30.0) -> Pair:
        """Starts the client and runs until nothing can happen any more, or for that long."""
        end = self.now + seconds
        self.client.start(self.now)
        self.settle(end)
        return self

    def settle(self, end: float) -> None:
        self._drain()
        while True:
            times = [when for when, *_ in self._flying]
            times += [t for t in (self.client.get_timer(), self.gateway.get_timer()) if t is not None]
            if not times or min(times) > end:
                return
            self.now = max(self.now, min(times))
            self._deliver()
            for engine in (self.client, self.gateway):
                timer = engine.get_timer()
                if timer is not None and timer <= self.now:
                    engine.handle_timer(self.now)
            self._drain()

    def _deliver(self) -> None:
        due = sorted(item[:3] for item in self._flying if item[0] <= self.now)
        for key in due:
            item = next(entry for entry in self._flying if entry[:3] == key)
            self._flying.remove(item)
            receiver = self.gateway if item[2] else self.client
            receiver.receive(item[3], self.now)
            self._drain()

    def _drain(self) -> None:
        for from_client, engine in ((True, self.client), (False, self.gateway)):
            for datagram in engine.datagrams_to_send(self.now):
                self.wire.append((self.now, from_client, datagram))
                number = len(self.wire)
                for copy, (delay, sent) in enumerate(self.script(number, from_client, datagram)):
                    self._flying.append((self.now + delay, number * 10 + copy, from_client, sent))
            events = self.client_events if from_client else self.gateway_events
            while (event := engine.next_event()) is not None:
                events.append(event)

    def client_got(self, kind: type[EventKind]) -> list[EventKind]:
        return [event for event in self.client_events if isinstance(event, kind)]

    def gateway_got(self, kind: type[EventKind]) -> list[EventKind]:
        return [event for event in self.gateway_events if isinstance(event, kind)]

    def channels(self) -> list[Channel]:
        return [datagram.channel for _, _, datagram in self.wire]


def with_group(group: int) -> tuple[InitiatorPolicy, ResponderPolicy]:
    transform = Phase1Transform(7, 256, 2, group, 1)
    return replace(INITIATOR, transforms=(transform,)), replace(RESPONDER, transforms=(transform,))
