"""The one call inside a tunnel: judges its messages and carries out the session table's actions."""

from __future__ import annotations

from typing import Protocol

from l2tp_doctor.protocol.l2tp import builder, session
from l2tp_doctor.protocol.l2tp.avp import AvpType, ResultCode
from l2tp_doctor.protocol.l2tp.config import Refusal, Role, TunnelConfig
from l2tp_doctor.protocol.l2tp.describe import describe_disconnect_cause
from l2tp_doctor.protocol.l2tp.events import CdnReceived, L2tpEvent, ProtocolViolation, SessionEstablished
from l2tp_doctor.protocol.l2tp.message import ControlMessage, DataMessage, MessageType
from l2tp_doctor.protocol.l2tp.reliable import MODULUS, sequence_before
from l2tp_doctor.protocol.l2tp.session import SessionAction, SessionInput, SessionState

_CALL_REQUESTS = (MessageType.ICRQ, MessageType.OCRQ)


class Tunnel(Protocol):
    """What a call needs of the tunnel it lives in."""

    def send_control(self, kind: MessageType, session_id: int, body: bytes, now: float) -> bool:
        """Hands a message to the reliable delivery."""

    def expect_reply(self, request: MessageType, now: float) -> None:
        """Starts the time within which ``request`` must be answered."""

    def reply_came(self) -> None:
        """Ends that time."""

    def emit(self, event: L2tpEvent) -> None:
        """Queues an event for the owner."""

    def draw_id(self) -> int:
        """Returns a random ID between 1 and 65535."""

    def draw_octets(self, count: int) -> bytes:
        """Returns random bytes."""

    def drop_frames(self) -> None:
        """Forgets PPP frames that wait to be sent."""

    def note_drop(self, what: str, trigger: str, now: float, size: int = 0, *, once: str = "") -> None:
        """Traces a dropped message."""


class Call:
    """State, IDs and data sequence numbers of one incoming call."""

    def __init__(self, config: TunnelConfig, tunnel: Tunnel) -> None:
        self._config = config
        self._tunnel = tunnel
        self._came_from = SessionState.IDLE
        self.state = SessionState.IDLE
        self.session_id = 0
        self.peer_session_id = 0
        self._end_with = Refusal(3)
        self._refused_session_id = 0
        self._sequencing = False
        self._next_data_ns = 0
        self._expected_data_ns = 0
        self._actions = {
            SessionAction.SEND_ICRQ: self._send_icrq,
            SessionAction.SEND_ICRP: self._send_icrp,
            SessionAction.ESTABLISH_AND_SEND_ICCN: self._establish_and_send_iccn,
            SessionAction.ESTABLISH: self._establish,
            SessionAction.SEND_CDN: self._send_cdn,
            SessionAction.REFUSE_CALL: self._refuse_call,
            SessionAction.ACCEPT_CDN: self._accept_cdn,
        }

    # --- from the tunnel -----------------------------------------------------------------------

    def receive_control(self, message: ControlMessage, now: float) -> None:
        """Takes a message of a session, in sequence."""
        if not self._is_ours(message):
            self._tunnel.note_drop(f"{message.name} for session {message.session_id}", "unknown-session", now)
            return
        if message.type == MessageType.ICRQ and self._config.faults.acknowledge_call_only:
            self._tunnel.note_drop("ICRQ acknowledged only", "practice-fault", now)
            return
        self.happened(self._judge(message), now, message)

    def receive_data(self, message: DataMessage, now: float) -> bytes | None:
        """Returns the PPP frame of a data message, or ``None`` when it has to be dropped."""
        action, _ = session.transition(self._config.role, self.state, SessionInput.DATA)
        if action is not SessionAction.DELIVER or message.session_id != self.session_id:
            trigger = "unexpected" if message.session_id == self.session_id else "unknown-session"
            self._tunnel.note_drop(f"data for session {message.session_id}", trigger, now, once="data")
            return None
        if message.ns is not None:
            # > if … data messages [arrive] with sequence numbers present, the LAC MUST begin sending
            # > sequence numbers in its outgoing data messages (RFC 2661 §5.4, in short)
            if self._config.role is Role.LAC:
                self._sequencing = True
            if sequence_before(message.ns, self._expected_data_ns):
                self._tunnel.note_drop("data out of order", "replay", now, once="data")
                return None
            self._expected_data_ns = (message.ns + 1) % MODULUS
        if not message.payload:
            self._tunnel.note_drop("data without a PPP frame", "malformed", now, once="data")
            return None
        return message.payload

    def next_data_ns(self) -> int | None:
        """Returns the sequence number for the next data message, ``None`` without sequencing."""
        if not self._sequencing:
            return None
        number = self._next_data_ns
        self._next_data_ns = (number + 1) % MODULUS
        return number

    def end(self, refusal: Refusal, now: float) -> None:
        """Ends the call from this side."""
        self._end_with = refusal
        self.happened(SessionInput.LOCAL_CLOSE, now)

    def violation(self, message: ControlMessage, reason: str, refusal: Refusal, now: float) -> None:
        """A message of this call has an unknown mandatory AVP."""
        self._tunnel.emit(ProtocolViolation(message.name, reason))
        self._end_with = refusal
        if message.type in _CALL_REQUESTS and self.state in (SessionState.IDLE, SessionState.CLOSED):
            self._refused_session_id = message.integer(AvpType.ASSIGNED_SESSION_ID) or 0
            self._refuse_call(message, now)
        elif self._is_ours(message):
            # The reply may be what assigned the ID a CDN has to carry in its header.
            self._learn_peer_session(message)
            self.happened(SessionInput.VIOLATION, now, message)

    def forget(self) -> None:
        """The tunnel ended, and the call with it, without a message of its own."""
        self.state = SessionState.CLOSED

    # --- judging -------------------------------------------------------------------------------

    def _is_ours(self, message: ControlMessage) -> bool:
        if message.type in _CALL_REQUESTS:
            return True
        if message.session_id == 0:
            # Some gateways refuse a call with session ID 0 in the header; with one call it is clear whose.
            return message.type == MessageType.CDN
        return message.session_id == self.session_id

    def _judge(self, message: ControlMessage) -> SessionInput:
        kind = message.type
        if kind == MessageType.ICRQ:
            return self._judge_icrq(message)
        if kind == MessageType.OCRQ:
            return self._other_call(message, Refusal(5, None, "outgoing calls are not supported"))
        if kind == MessageType.ICRP:
            if not message.integer(AvpType.ASSIGNED_SESSION_ID):
                self._tunnel.emit(ProtocolViolation("ICRP", "no Assigned Session ID"))
                self._end_with = Refusal(2, 3, "Assigned Session ID")
                return SessionInput.ICRP_BAD
            self._end_with = Refusal(2, 3)
            return SessionInput.ICRP
        if kind == MessageType.ICCN:
            self._end_with = Refusal(2, 3)
            return SessionInput.ICCN
        if kind == MessageType.CDN:
            return SessionInput.CDN
        if kind in (MessageType.WEN, MessageType.SLI):
            return SessionInput.WEN_OR_SLI
        # OCRP and OCCN belong to outgoing calls, which are never made here: an improper sequence (§7.1).
        self._end_with = Refusal(2, 3)
        return SessionInput.VIOLATION

    def _judge_icrq(self, message: ControlMessage) -> SessionInput:
        assigned = message.integer(AvpType.ASSIGNED_SESSION_ID) or 0
        live = self.state not in (SessionState.IDLE, SessionState.CLOSED)
        if self._config.role is Role.LAC:
            return self._other_call(message, Refusal(5, None, "a LAC takes no incoming call"))
        if live and assigned != self.peer_session_id:
            return self._other_call(message, Refusal(2, 4))
        self._refused_session_id = assigned
        self._end_with = Refusal(2, 3)
        if live:
            return SessionInput.ICRQ
        faults = self._config.faults
        if faults.refuse_call is not None:
            self._end_with = faults.refuse_call
            return SessionInput.ICRQ_BAD
        if faults.session_limit < 1:
            self._end_with = Refusal(2, 4)
            return SessionInput.ICRQ_BAD
        if not assigned:
            self._end_with = Refusal(2, 3, "Assigned Session ID")
            return SessionInput.ICRQ_BAD
        return SessionInput.ICRQ

    def _other_call(self, message: ControlMessage, refusal: Refusal) -> SessionInput:
        self._refused_session_id = message.integer(AvpType.ASSIGNED_SESSION_ID) or 0
        self._end_with = refusal
        return SessionInput.OTHER_CALL

    # --- the table and its actions -------------------------------------------------------------

    def happened(self, what: SessionInput, now: float, message: ControlMessage | None = None) -> None:
        """Looks the row up, changes the state and carries out the action."""
        action, following = session.transition(self._config.role, self.state, what)
        if action is SessionAction.DROP:
            self._tunnel.note_drop(f"{what.value} in {self.state.value}", "unexpected", now)
            return
        self._came_from, self.state = self.state, following
        if following is SessionState.CLOSED:
            self._tunnel.drop_frames()
            self._tunnel.reply_came()
        perform = self._actions.get(action)
        if perform is not None:
            perform(message, now)

    def _learn_peer_session(self, message: ControlMessage) -> None:
        if self.peer_session_id == 0 and message.type in (MessageType.ICRP, MessageType.CDN):
            self.peer_session_id = message.integer(AvpType.ASSIGNED_SESSION_ID) or 0

    def _send_icrq(self, _message: ControlMessage | None, now: float) -> None:
        self.session_id = self._tunnel.draw_id()
        # > Call Serial Number … an easy reference for administrators on both ends (RFC 2661 §4.4.5, in short)
        body = builder.icrq(self._config, self.session_id, 1, self._tunnel.draw_octets(16))
        self._tunnel.send_control(MessageType.ICRQ, 0, body, now)
        self._tunnel.expect_reply(MessageType.ICRQ, now)

    def _send_icrp(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        self.session_id = self._tunnel.draw_id()
        self.peer_session_id = message.integer(AvpType.ASSIGNED_SESSION_ID) or 0
        self._sequencing = False
        self._next_data_ns = self._expected_data_ns = 0
        self._tunnel.send_control(MessageType.ICRP, self.peer_session_id, builder.icrp(self.session_id), now)
        self._tunnel.expect_reply(MessageType.ICRP, now)

    def _establish_and_send_iccn(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        self._learn_peer_session(message)
        body = builder.iccn(self._config)
        self._tunnel.send_control(MessageType.ICCN, self.peer_session_id, body, now)
        self._tunnel.reply_came()
        speed = self._config.connect_speed
        self._tunnel.emit(
            SessionEstablished(self.session_id, self.peer_session_id, speed, None, self._config.framing_type)
        )

    def _establish(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        # > Sequencing Required … indicates to the LNS that Sequence Numbers MUST always be present (§4.4.5)
        self._sequencing = message.value(AvpType.SEQUENCING_REQUIRED) is not None
        self._tunnel.reply_came()
        self._tunnel.emit(
            SessionEstablished(
                self.session_id,
                self.peer_session_id,
                message.integer(AvpType.TX_CONNECT_SPEED),
                message.integer(AvpType.RX_CONNECT_SPEED),
                message.integer(AvpType.FRAMING_TYPE),
            )
        )

    def _send_cdn(self, _message: ControlMessage | None, now: float) -> None:
        body = builder.cdn(self.session_id, self._end_with)
        self._tunnel.send_control(MessageType.CDN, self.peer_session_id, body, now)

    def _refuse_call(self, _message: ControlMessage | None, now: float) -> None:
        body = builder.cdn(0, self._end_with)
        self._tunnel.send_control(MessageType.CDN, self._refused_session_id, body, now)

    def _accept_cdn(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        value = message.value(AvpType.RESULT_CODE)
        code = value if isinstance(value, ResultCode) else None
        self._tunnel.emit(
            CdnReceived(
                code.result if code else None,
                code.error if code else None,
                code.message if code else "",
                describe_disconnect_cause(message.value(AvpType.PPP_DISCONNECT_CAUSE)),
                self._came_from.value,
            )
        )
