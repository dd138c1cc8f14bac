"""The phases of a PPP link (RFC 1661 §3.2) as a table."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from l2tp_doctor.protocol.ppp.events import PhaseName


class Phase(enum.Enum):
    """Where the link stands."""

    DEAD = "dead"
    ESTABLISH = "establish"
    AUTHENTICATE = "authenticate"
    NETWORK = "network"
    TERMINATE = "terminate"


class PhaseInput(enum.Enum):
    """The arrows of the RFC's diagram, and the one its text adds."""

    UP = "up"
    OPENED = "opened"
    SUCCESS = "success"  # "SUCCESS/NONE" in the diagram
    FAIL = "fail"
    CLOSING = "closing"
    DOWN = "down"
    RENEGOTIATE = "renegotiate"


PHASES: Mapping[tuple[Phase, PhaseInput], Phase] = {
    (Phase.DEAD, PhaseInput.UP): Phase.ESTABLISH,
    (Phase.ESTABLISH, PhaseInput.OPENED): Phase.AUTHENTICATE,
    (Phase.ESTABLISH, PhaseInput.FAIL): Phase.DEAD,
    (Phase.ESTABLISH, PhaseInput.CLOSING): Phase.TERMINATE,
    (Phase.AUTHENTICATE, PhaseInput.SUCCESS): Phase.NETWORK,
    # "the authenticator SHOULD proceed instead to the Link Termination phase" (§3.5)
    (Phase.AUTHENTICATE, PhaseInput.FAIL): Phase.TERMINATE,
    (Phase.AUTHENTICATE, PhaseInput.CLOSING): Phase.TERMINATE,
    (Phase.NETWORK, PhaseInput.CLOSING): Phase.TERMINATE,
    (Phase.TERMINATE, PhaseInput.DOWN): Phase.DEAD,
    # "The receipt of the LCP Configure-Request causes a return to the Link Establishment phase from the
    # Network-Layer Protocol phase or Authentication phase." (§3.4)
    (Phase.AUTHENTICATE, PhaseInput.RENEGOTIATE): Phase.ESTABLISH,
    (Phase.NETWORK, PhaseInput.RENEGOTIATE): Phase.ESTABLISH,
}

PHASE_NAMES: Mapping[Phase, PhaseName] = {
    Phase.DEAD: "establish",
    Phase.ESTABLISH: "establish",
    Phase.AUTHENTICATE: "authenticate",
    Phase.NETWORK: "network",
}
"""What an event calls the phase in which a link ended."""
