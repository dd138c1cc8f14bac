"""L2TPv2 (RFC 2661): codec, reliable control delivery, and one tunnel in either role."""

from l2tp_doctor.protocol.l2tp.config import LnsFaults, Refusal, Role, TunnelConfig
from l2tp_doctor.protocol.l2tp.engine import L2tpTunnel
from l2tp_doctor.protocol.l2tp.events import (
    AuthenticationProblem,
    CdnReceived,
    Closed,
    ControlAcknowledgedOnly,
    ControlSilent,
    L2tpEvent,
    PppFrame,
    ProtocolViolation,
    SessionEstablished,
    StopCcnReceived,
    TunnelAuthenticationFailed,
    TunnelEstablished,
)
from l2tp_doctor.protocol.l2tp.message import Destination, demultiplex

__all__ = [
    "AuthenticationProblem",
    "CdnReceived",
    "Closed",
    "ControlAcknowledgedOnly",
    "ControlSilent",
    "Destination",
    "L2tpEvent",
    "L2tpTunnel",
    "LnsFaults",
    "PppFrame",
    "ProtocolViolation",
    "Refusal",
    "Role",
    "SessionEstablished",
    "StopCcnReceived",
    "TunnelAuthenticationFailed",
    "TunnelConfig",
    "TunnelEstablished",
    "demultiplex",
]
