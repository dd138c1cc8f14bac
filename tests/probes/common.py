"""A measurement against a practice gateway on the loopback interface."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from l2tp_doctor.diagnosis import Diagnosis, diagnose
from l2tp_doctor.knowledge import profile
from l2tp_doctor.observations import Observation
from l2tp_doctor.practice.faults import FAULTS
from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
from l2tp_doctor.practice.settings import (
    PRACTICE_PASSWORD,
    PRACTICE_PSK,
    PRACTICE_USER,
    GatewaySettings,
)
from l2tp_doctor.probes.check import measure
from l2tp_doctor.probes.interface import CheckRequest, ClientCertificate, Measurement
from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.secret import Secret

ADDRESS = "127.0.0.1"


@dataclass
class Listening:
    """A listener that keeps what it hears."""

    trace: list[TraceEvent] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    experiments: list[tuple[str, bool]] = field(default_factory=list)

    def on_trace(self, event: TraceEvent) -> None:
        self.trace.append(event)

    def on_observation(self, observation: Observation) -> None:
        self.observations.append(observation)

    def on_experiment(self, name: str, running: bool) -> None:
        self.experiments.append((name, running))


def settings(fault: str | None = None) -> GatewaySettings:
    healthy = GatewaySettings()
    return healthy if fault is None else FAULTS[fault].alter(healthy)


def gateway(fault: str | None = None, **changes: Any) -> PracticeGateway:
    return PracticeGateway(ServerSettings(replace(settings(fault), **changes), host=ADDRESS))


def request(server: PracticeGateway, *, certificate: bool = False, **changes: Any) -> CheckRequest:
    """What dials this gateway rightly, with ``changes``."""
    given = CheckRequest(
        ADDRESS,
        ike_port=server.ike_port,
        nat_t_port=server.nat_t_port,
        psk=Secret(PRACTICE_PSK.encode()),
        username=PRACTICE_USER,
        password=Secret(PRACTICE_PASSWORD.encode()),
    )
    if certificate and server.certificates is not None:
        client = server.certificates.client
        if client.private_key is not None:
            own = ClientCertificate(client.certificates, client.private_key)
            given = replace(given, certificate=own, trust_anchors=(server.certificates.ca,))
    return replace(given, **changes)


async def check(asked: CheckRequest, listener: Listening | None = None) -> tuple[Measurement, Diagnosis]:
    measurement = await measure(asked, profile(asked.profile), listener or Listening())
    return measurement, diagnose(measurement.observations, stage=measurement.stage)


def values(measurement: Measurement) -> dict[str, object]:
    """The newest value of every observation."""
    return {item.name: item.value for item in measurement.observations}
