"""The AVPs of every message we send, in the order of RFC 2661 §6."""

from __future__ import annotations

from l2tp_doctor.protocol.l2tp.authentication import challenge_response
from l2tp_doctor.protocol.l2tp.avp import (
    MICROSOFT,
    MICROSOFT_CORRELATION_ID,
    Avp,
    AvpType,
    ResultCode,
    make_avp,
)
from l2tp_doctor.protocol.l2tp.config import Refusal, TunnelConfig
from l2tp_doctor.protocol.l2tp.message import MessageType, control_body

PROTOCOL_VERSION = 0x0100
"""Version 1, revision 0."""


def _host_identity(config: TunnelConfig, tunnel_id: int) -> list[Avp]:
    avps = [
        make_avp(AvpType.PROTOCOL_VERSION, PROTOCOL_VERSION),
        make_avp(AvpType.FRAMING_CAPABILITIES, config.framing_capabilities),
    ]
    if config.bearer_capabilities is not None:
        avps.append(make_avp(AvpType.BEARER_CAPABILITIES, config.bearer_capabilities))
    avps += [
        make_avp(AvpType.FIRMWARE_REVISION, config.firmware_revision),
        make_avp(AvpType.HOST_NAME, config.host_name.encode()),
        make_avp(AvpType.VENDOR_NAME, config.vendor_name.encode()),
        make_avp(AvpType.ASSIGNED_TUNNEL_ID, tunnel_id),
        make_avp(AvpType.RECEIVE_WINDOW_SIZE, config.receive_window),
    ]
    return avps


def _authentication(
    config: TunnelConfig, carrier: MessageType, own_challenge: bytes | None, peer_challenge: bytes | None
) -> list[Avp]:
    avps = [] if own_challenge is None else [make_avp(AvpType.CHALLENGE, own_challenge)]
    if peer_challenge is not None and config.tunnel_secret is not None:
        response = challenge_response(carrier, config.tunnel_secret, peer_challenge)
        avps.append(make_avp(AvpType.CHALLENGE_RESPONSE, response))
    return avps


def sccrq(config: TunnelConfig, tunnel_id: int, own_challenge: bytes | None) -> bytes:
    """Returns the body of Start-Control-Connection-Request (§6.1)."""
    challenge = _authentication(config, MessageType.SCCRQ, own_challenge, None)
    return control_body(MessageType.SCCRQ, [*_host_identity(config, tunnel_id), *challenge])


def sccrp(
    config: TunnelConfig, tunnel_id: int, own_challenge: bytes | None, peer_challenge: bytes | None
) -> bytes:
    """Returns the body of Start-Control-Connection-Reply (§6.2)."""
    authentication = _authentication(config, MessageType.SCCRP, own_challenge, peer_challenge)
    return control_body(MessageType.SCCRP, [*_host_identity(config, tunnel_id), *authentication])


def scccn(config: TunnelConfig, peer_challenge: bytes | None) -> bytes:
    """Returns the body of Start-Control-Connection-Connected (§6.3)."""
    return control_body(MessageType.SCCCN, _authentication(config, MessageType.SCCCN, None, peer_challenge))


def _result(refusal: Refusal) -> Avp:
    code = ResultCode(refusal.result_code, refusal.error_code, refusal.message)
    return make_avp(AvpType.RESULT_CODE, code)


def stopccn(tunnel_id: int, refusal: Refusal) -> bytes:
    """Returns the body of Stop-Control-Connection-Notification (§6.4)."""
    return control_body(
        MessageType.STOPCCN, [make_avp(AvpType.ASSIGNED_TUNNEL_ID, tunnel_id), _result(refusal)]
    )


def hello() -> bytes:
    """Returns the body of Hello (§6.5)."""
    return control_body(MessageType.HELLO)


def icrq(config: TunnelConfig, session_id: int, serial_number: int, correlation_id: bytes) -> bytes:
    """Returns the body of Incoming-Call-Request (§6.6)."""
    avps = [
        make_avp(AvpType.ASSIGNED_SESSION_ID, session_id),
        make_avp(AvpType.CALL_SERIAL_NUMBER, serial_number),
        make_avp(AvpType.BEARER_TYPE, config.bearer_type),
    ]
    if config.correlation_id:
        avps.append(make_avp(MICROSOFT_CORRELATION_ID, correlation_id, vendor=MICROSOFT))
    return control_body(MessageType.ICRQ, avps)


def icrp(session_id: int) -> bytes:
    """Returns the body of Incoming-Call-Reply (§6.7)."""
    return control_body(MessageType.ICRP, [make_avp(AvpType.ASSIGNED_SESSION_ID, session_id)])


def iccn(config: TunnelConfig) -> bytes:
    """Returns the body of Incoming-Call-Connected (§6.8)."""
    avps = [
        make_avp(AvpType.TX_CONNECT_SPEED, config.connect_speed),
        make_avp(AvpType.FRAMING_TYPE, config.framing_type),
    ]
    return control_body(MessageType.ICCN, avps)


def cdn(session_id: int, refusal: Refusal) -> bytes:
    """Returns the body of Call-Disconnect-Notify (§6.12)."""
    return control_body(
        MessageType.CDN, [_result(refusal), make_avp(AvpType.ASSIGNED_SESSION_ID, session_id)]
    )
