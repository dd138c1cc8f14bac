"""What the whole dial says beside its layers' own events, and where it stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.ppp import events as ppp
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome


class DialState(enum.Enum):
    """Where the dial as a whole stands."""

    IDLE = "idle"
    IKE = "ike"
    L2TP = "l2tp"
    PPP = "ppp"
    ECHO = "echo"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSING_PPP = "closing-ppp"
    CLOSING_L2TP = "closing-l2tp"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class EspFirstReceived:
    """The first authentic ESP packet of our SA arrived."""

    udp_encapsulated: bool


@dataclass(frozen=True, slots=True)
class EspOfAnotherSa:
    """An ESP packet arrived that no SA of ours can open: the gateway still has one of an earlier dial."""

    udp_encapsulated: bool


@dataclass(frozen=True, slots=True)
class Connected:
    """Everything a VPN needs is up: an address, and a peer that answers through the tunnel."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The dial cannot go on; ``state`` is where it stood and ``reason`` a short technical word."""

    state: DialState
    reason: str


@dataclass(frozen=True, slots=True)
class DialClosed:
    """Teardown is over; ``clean`` when every layer that was up was closed in order."""

    clean: bool


DialEvent = (
    ike.IkeEvent
    | l2tp.L2tpEvent
    | ppp.LinkEvent
    | EspFirstReceived
    | EspOfAnotherSa
    | EchoOutcome
    | Connected
    | Failed
    | DialClosed
)
