"""What an L2TP tunnel tells its owner."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TunnelEstablished:
    """The control connection is up (SCCRP accepted, or SCCCN received)."""

    peer_host_name: str
    peer_vendor_name: str
    peer_firmware_revision: int | None
    local_tunnel_id: int
    peer_tunnel_id: int
    peer_receive_window: int
    """Control messages the peer takes at once; 4 when it does not say (RFC 2661 §4.4.3)."""


@dataclass(frozen=True, slots=True)
class SessionEstablished:
    """The call is up: PPP frames may be exchanged."""

    local_session_id: int
    peer_session_id: int
    tx_connect_speed: int | None
    """Bits per second, from the LAC's point of view; ``None`` when ICCN did not say."""
    rx_connect_speed: int | None
    framing_type: int | None


@dataclass(frozen=True, slots=True)
class PppFrame:
    """A PPP frame from the peer, exactly as it stood behind the L2TP header."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class StopCcnReceived:
    """The peer refused or closed the control connection."""

    result_code: int | None
    """``None`` when the peer left out the mandatory Result Code."""
    error_code: int | None
    message: str
    during: str
    """Name of our state when it came (``wait-ctl-reply``: the tunnel was refused)."""


@dataclass(frozen=True, slots=True)
class CdnReceived:
    """The peer refused or ended the call."""

    result_code: int | None
    error_code: int | None
    message: str
    disconnect_cause: str
    """RFC 3145 PPP disconnect cause as ``code/protocol/direction message``; empty when absent."""
    during: str
    """Name of the session's state when it came (``wait-reply``: the call was refused)."""


@dataclass(frozen=True, slots=True)
class ControlAcknowledgedOnly:
    """The peer acknowledged a request with a ZLB but never answered it."""

    message: str


@dataclass(frozen=True, slots=True)
class ControlSilent:
    """Nothing at all acknowledged this message within the policy's ``give_up`` time."""

    message: str
    transmissions: int


class AuthenticationProblem(enum.Enum):
    """Why tunnel authentication (RFC 2661 §5.1.1) failed."""

    SECRET_REQUIRED = "secret-required"
    """The peer sent a Challenge and no tunnel secret is configured here."""
    RESPONSE_MISSING = "response-missing"
    """We sent a Challenge and the peer did not respond to it."""
    RESPONSE_WRONG = "response-wrong"
    """The peer's response was made with another secret."""


@dataclass(frozen=True, slots=True)
class TunnelAuthenticationFailed:
    """The tunnel secrets do not match, or only one side has one."""

    problem: AuthenticationProblem


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """The peer sent something RFC 2661 makes us shut the tunnel or session down for."""

    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The tunnel is over; nothing further is sent except acknowledgements of repeated messages."""

    clean: bool
    """The peer acknowledged our StopCCN, or sent its own."""


L2tpEvent = (
    TunnelEstablished
    | SessionEstablished
    | PppFrame
    | StopCcnReceived
    | CdnReceived
    | ControlAcknowledgedOnly
    | ControlSilent
    | TunnelAuthenticationFailed
    | ProtocolViolation
    | Closed
)
