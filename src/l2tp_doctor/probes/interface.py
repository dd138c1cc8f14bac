"""What a caller gives to a measurement and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from l2tp_doctor.network.capture import CapturedPacket
from l2tp_doctor.observations import Observation
from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.secret import Secret

Stage = Literal[
    "resolve", "reach", "ike_main", "nat_t", "ike_auth", "ike_quick",
    "esp", "l2tp", "lcp", "auth", "ipcp", "connected",
]  # fmt: skip
"""The furthest stage a dial reached, in this order."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate chain (DER, leaf first) and its private key (PKCS#8 DER), if there is one."""

    chain: tuple[bytes, ...]
    private_key: Secret | None


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to dial, and with what.

    Attributes:
        host: name or literal address of the gateway.
        profile: name of a profile in ``knowledge/profiles``.
        ike_port: UDP port in place of 500.
        nat_t_port: UDP port in place of 4500.
        psk: pre-shared key as the bytes to be used, or ``None``.
        username: PPP user name as text, or ``None``.
        password: PPP password in UTF-8, or ``None``.
        certificate: for certificate profiles.
        authentication: what the profile is set to; ``auto`` takes certificates when there is one.
        trust_anchors: CA certificates (DER) for the gateway's certificate.
        crls: revocation lists (DER) for it.
        ntp: name or address of a clock to be trusted, or ``None``.
        family: 4 or 6 to insist on one; ``None`` takes the resolver's order.
        nat_t: ``auto`` lets NAT-D decide where native ESP is possible and forces
            NAT-T where it is not; ``forced`` and ``native`` insist.
        aggressive: dial in Aggressive Mode.
        budget: hard limit for everything, in seconds.
    """

    host: str
    profile: str = "windows-11"
    ike_port: int = 500
    nat_t_port: int = 4500
    psk: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    certificate: ClientCertificate | None = None
    authentication: Literal["auto", "psk", "certificate"] = "auto"
    trust_anchors: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ntp: str | None = None
    family: Literal[4, 6] | None = None
    nat_t: Literal["auto", "forced", "native"] = "auto"
    aggressive: bool = False
    budget: float = 60.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything a run found out; it names no cause.

    ``trace`` and ``packets`` share the time scale of ``observations``: seconds since
    the run began.
    """

    host: str
    address: str | None
    stage: Stage
    observations: tuple[Observation, ...]
    trace: tuple[TraceEvent, ...] = field(repr=False)
    packets: tuple[CapturedPacket, ...] = field(repr=False)
    elapsed: float = 0.0
    interrupted: bool = False


class Listener(Protocol):
    """Hears of things while they happen; a face that shows progress implements it."""

    def on_trace(self, event: TraceEvent) -> None:
        """A message of the dial was sent, received or dropped."""

    def on_observation(self, observation: Observation) -> None:
        """A fact was established."""

    def on_experiment(self, name: str, running: bool) -> None:
        """A differential experiment began or ended."""
