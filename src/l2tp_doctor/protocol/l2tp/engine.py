"""One L2TPv2 tunnel with one incoming call, in either role (RFC 2661).

The LAC sends SCCRQ; when SCCRP arrives, SCCCN and ICRQ leave in one flight, and when
ICRP arrives, ICCN and the first PPP frame do: two round trips until PPP.

The state machines are the tables in :mod:`tunnel` and :mod:`session`; this file
judges messages, looks the row up and carries out its action.
"""

from __future__ import annotations

from collections import deque

from l2tp_doctor.protocol.engine import Direction, RandomSource, TraceEvent, TraceSink, discard_trace
from l2tp_doctor.protocol.l2tp import builder, describe
from l2tp_doctor.protocol.l2tp.authentication import CHALLENGE_LENGTH, check_authentication
from l2tp_doctor.protocol.l2tp.avp import AvpType, ResultCode, decode_avps
from l2tp_doctor.protocol.l2tp.call import Call
from l2tp_doctor.protocol.l2tp.config import Refusal, Role, TunnelConfig
from l2tp_doctor.protocol.l2tp.events import (
    Closed,
    ControlAcknowledgedOnly,
    ControlSilent,
    L2tpEvent,
    PppFrame,
    ProtocolViolation,
    StopCcnReceived,
    TunnelAuthenticationFailed,
    TunnelEstablished,
)
from l2tp_doctor.protocol.l2tp.message import (
    SESSION_MESSAGES,
    ControlFrame,
    ControlMessage,
    DataMessage,
    MessageType,
    decode_control,
    decode_message,
    encode_data,
    message_name,
)
from l2tp_doctor.protocol.l2tp.reliable import DEFAULT_WINDOW, Arrival, ReliableControl, Transmission
from l2tp_doctor.protocol.l2tp.reply_wait import ReplyWait
from l2tp_doctor.protocol.l2tp.session import SessionInput, SessionState
from l2tp_doctor.protocol.l2tp.tunnel import TunnelAction, TunnelInput, TunnelState, transition
from l2tp_doctor.protocol.wire import WireError

_OVER = (TunnelState.CLOSING, TunnelState.CLOSED)

ADMINISTRATIVE_REASONS = Refusal(3)
"""CDN's result when the owner ends the call (what Windows sends: UNSOURCED)."""
GENERAL_REQUEST = Refusal(1)
"""StopCCN's result when the owner ends the tunnel (what Windows sends: UNSOURCED)."""


class L2tpTunnel:
    """A tunnel as a six-call engine over L2TP datagrams (UDP payloads of port 1701).

    Args:
        config: role, identity, timing and limits.
        random: source of IDs, challenges and the correlation ID.
        trace: takes one event per control message.
    """

    def __init__(self, config: TunnelConfig, random: RandomSource, trace: TraceSink = discard_trace) -> None:
        self._config = config
        self._random = random
        self._trace = trace
        self._state = TunnelState.IDLE
        self._came_from = TunnelState.IDLE
        self._tunnel_id = config.tunnel_id or self._draw_id()
        self._peer_tunnel_id = 0
        self._own_challenge: bytes | None = None
        self._established: TunnelEstablished | None = None
        self._stop_with = GENERAL_REQUEST
        self._close_at: float | None = None
        self._last_heard: float | None = None
        self._events: deque[L2tpEvent] = deque()
        self._repetitions: list[Transmission] = []
        self._frames: deque[bytes] = deque()
        self._traced_drops: set[tuple[str, str]] = set()
        self._reliable = ReliableControl(
            config.retransmission,
            config.receive_window,
            acknowledgement_delay=config.acknowledgement_delay,
            maximum_queued=config.maximum_queued_messages,
        )
        self._reply = ReplyWait(config.retransmission, self._reliable.waits_for)
        self._call = Call(config, self)
        self._actions = {
            TunnelAction.SEND_SCCRQ: self._send_sccrq,
            TunnelAction.SEND_SCCRP: self._send_sccrp,
            TunnelAction.OPEN_AND_SEND_SCCCN: self._open_and_send_scccn,
            TunnelAction.OPEN: self._open,
            TunnelAction.SEND_STOPCCN: self._send_stopccn,
            TunnelAction.ACCEPT_STOPCCN: self._accept_stopccn,
            TunnelAction.CLEAN_UP: self._finish_unclean,
            TunnelAction.FINISH_CLEAN: self._finish_clean,
            TunnelAction.FINISH_UNCLEAN: self._finish_unclean,
            TunnelAction.TO_SESSION: self._to_session,
        }
        self._judges = {
            MessageType.SCCRQ: (self._judge_sccrq, TunnelInput.SCCRQ, TunnelInput.SCCRQ_BAD),
            MessageType.SCCRP: (self._judge_sccrp, TunnelInput.SCCRP, TunnelInput.SCCRP_BAD),
            MessageType.SCCCN: (self._judge_scccn, TunnelInput.SCCCN, TunnelInput.SCCCN_BAD),
        }

    @property
    def state(self) -> TunnelState:
        """State of the control connection."""
        return self._state

    @property
    def session_state(self) -> SessionState:
        """State of the call."""
        return self._call.state

    @property
    def local_tunnel_id(self) -> int:
        """Our tunnel ID: what the peer writes into its headers."""
        return self._tunnel_id

    @property
    def peer_tunnel_id(self) -> int:
        """The peer's tunnel ID, 0 until it is known."""
        return self._peer_tunnel_id

    @property
    def lossy(self) -> bool:
        """Whether a message was acknowledged only after it had been repeated."""
        return self._reliable.lossy

    @property
    def delivery(self) -> ReliableControl:
        """The reliable delivery below, for its counters and :meth:`ReliableControl.expire`."""
        return self._reliable

    @property
    def smoothed_rtt(self) -> float | None:
        """Round-trip time of control messages in seconds, when one was measured."""
        return self._reliable.smoothed_rtt

    # --- the six calls -------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begins: the LAC queues SCCRQ, the LNS waits.

        Raises:
            ValueError: the tunnel was started before.
        """
        if self._state is not TunnelState.IDLE:
            raise ValueError("this tunnel was started before")
        if self._config.role is Role.LAC:
            self._call.happened(SessionInput.CALL, now)
            self._happened(TunnelInput.LOCAL_OPEN, now)

    def receive(self, data: bytes, now: float) -> None:
        """Takes one datagram from the peer."""
        if self._config.role is Role.LNS and self._config.faults.silent:
            self.note_drop("datagram", "practice-fault", now, len(data))
            return
        try:
            message = decode_message(data)
        except WireError as error:
            trigger = "unsupported-version" if error.field == "version" else "malformed"
            self.note_drop(f"L2TP datagram: {error}", trigger, now, len(data))
            return
        if isinstance(message, DataMessage):
            self._receive_data(message, now)
        else:
            self._receive_frame(message, len(data), now)

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Returns and forgets what is to be sent: repetitions, new control messages, then PPP frames."""
        flight = [*self._repetitions, *self._reliable.flight(now)]
        self._repetitions.clear()
        for transmission in flight:
            self._trace_sent(transmission, now)
        datagrams = [transmission.data for transmission in flight]
        # A frame overtaking the ICCN would meet a call that is not up yet.
        if not self._reliable.has_unsent:
            datagrams += self._frames
            self._frames.clear()
        return datagrams

    def get_timer(self) -> float | None:
        """Returns when :meth:`handle_timer` wants to be called next."""
        times = [self._reliable.get_timer(), self._close_at, self._hello_at(), self._reply.due]
        return min((at for at in times if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Repeats, gives up, sends a Hello or ends the wait for an acknowledgement, as is due."""
        repetitions, given_up = self._reliable.handle_timer(now)
        self._repetitions += repetitions
        if given_up is not None:
            if self._state not in _OVER:
                self._events.append(ControlSilent(given_up.name, given_up.transmissions))
            self._happened(TunnelInput.UNANSWERED, now)
        self._check_reply_due(now)
        if self._close_at is not None and now >= self._close_at:
            self._happened(TunnelInput.CLOSE_TIMEOUT, now)
        hello_at = self._hello_at()
        if hello_at is not None and now >= hello_at:
            self._last_heard = now
            self.hello(now)

    def next_event(self) -> L2tpEvent | None:
        """Returns the oldest event not yet taken, or ``None``."""
        return self._events.popleft() if self._events else None

    # --- what the owner may ask for ------------------------------------------------------------

    def send_ppp(self, frame: bytes) -> bool:
        """Queues a PPP frame; ``False`` when there is no call that could carry it."""
        if self._call.state is not SessionState.ESTABLISHED or self._state is not TunnelState.ESTABLISHED:
            return False
        if len(self._frames) >= self._config.maximum_queued_frames:
            self._frames.popleft()  # PPP repeats what matters; the newest frame is the one it wants now
        message = DataMessage(
            self._peer_tunnel_id, self._call.peer_session_id, frame, self._call.next_data_ns()
        )
        self._frames.append(encode_data(message, length_bit=self._config.data_length_bit))
        return True

    def hello(self, now: float) -> None:
        """Queues a Hello (RFC 2661 §5.5); an unanswered one ends in :class:`ControlSilent`."""
        if self._state is TunnelState.ESTABLISHED and not self._reliable.waits_for("Hello"):
            self.send_control(MessageType.HELLO, 0, builder.hello(), now)

    def close(
        self,
        now: float,
        *,
        call: Refusal = ADMINISTRATIVE_REASONS,
        tunnel: Refusal = GENERAL_REQUEST,
    ) -> None:
        """Ends the call with CDN and the tunnel with StopCCN, in one flight.

        :class:`Closed` follows when the peer has acknowledged, at the latest after ``close_wait``.

        Args:
            now: seconds.
            call: CDN's result; 3 is "administrative reasons".
            tunnel: StopCCN's result; 1 is "general request to clear control connection".
        """
        if self._state is TunnelState.ESTABLISHED:
            self._call.end(call, now)
        self._stop_with = tunnel
        self._happened(TunnelInput.LOCAL_CLOSE, now)

    # --- what the call asks of its tunnel ------------------------------------------------------

    def send_control(self, kind: MessageType, session_id: int, body: bytes, now: float) -> bool:
        """Hands a message to the reliable delivery; ``False`` when its queue is full."""
        name = message_name(kind)
        taken = self._reliable.send(name, self._peer_tunnel_id, session_id, body)
        if not taken:
            self._trace(
                TraceEvent(now, Direction.NOTE, "l2tp", f"{name} not sent: queue full", trigger="queue-full")
            )
        return taken

    def expect_reply(self, request: MessageType, now: float) -> None:
        """Starts the time within which ``request`` must be answered by more than a ZLB."""
        self._reply.begin(message_name(request), now)

    def reply_came(self) -> None:
        """Ends the time of :meth:`expect_reply`."""
        self._reply.end()

    def emit(self, event: L2tpEvent) -> None:
        """Queues an event for the owner."""
        self._events.append(event)

    def draw_id(self) -> int:
        """Returns a random ID between 1 and 65535."""
        return self._draw_id()

    def draw_octets(self, count: int) -> bytes:
        """Returns random bytes."""
        return self._random(count)

    def drop_frames(self) -> None:
        """Forgets PPP frames that wait to be sent: their call is over."""
        self._frames.clear()

    def note_drop(self, what: str, trigger: str, now: float, size: int = 0, *, once: str = "") -> None:
        """Traces a dropped message; of those with the same ``once`` key only the first."""
        if once:
            if (once, trigger) in self._traced_drops:
                return
            self._traced_drops.add((once, trigger))
        self._trace(TraceEvent(now, Direction.IN, "l2tp", what, size, trigger=trigger))

    # --- receiving -----------------------------------------------------------------------------

    def _receive_frame(self, frame: ControlFrame, size: int, now: float) -> None:
        refused = self._why_not_ours(frame)
        if refused is not None:
            self.note_drop(f"control message for tunnel {frame.tunnel_id}", refused, now, size)
            return
        self._last_heard = now
        arrival, in_order = self._reliable.receive(frame, now)
        self._reply.look_for_acknowledgement(now)
        self._trace_arrival(frame, arrival, size, now)
        for ready in in_order:
            self._receive_control(ready, now)
        if self._state is TunnelState.CLOSING and self._reliable.all_acknowledged:
            self._happened(TunnelInput.STOP_ACKNOWLEDGED, now)

    def _why_not_ours(self, frame: ControlFrame) -> str | None:
        """Returns the drop trigger of a message that is not for this tunnel, else ``None``."""
        if frame.tunnel_id == self._tunnel_id or (frame.tunnel_id == 0 and frame.is_zlb):
            return None
        if frame.tunnel_id != 0:
            return "unknown-tunnel"
        # Tunnel ID 0: sent before ours was known, so the sender's own ID must tell the tunnel.
        try:
            message = decode_control(frame, self._config.tunnel_secret)
        except WireError:
            return "malformed"
        allowed = {MessageType.STOPCCN}
        if self._config.role is Role.LNS:
            allowed.add(MessageType.SCCRQ)
        if message.type not in allowed:
            return "unknown-tunnel"
        assigned = message.integer(AvpType.ASSIGNED_TUNNEL_ID)
        if self._peer_tunnel_id and assigned and assigned != self._peer_tunnel_id:
            return "unknown-tunnel"
        return None

    def _receive_control(self, frame: ControlFrame, now: float) -> None:
        try:
            message = decode_control(frame, self._config.tunnel_secret)
        except WireError as error:
            # > Receipt of an invalid or unrecoverable malformed control message should be logged
            # > appropriately and the control connection cleared (RFC 2661 §7.1)
            self.note_drop(f"control message: {error}", "malformed", now, len(frame.body) + 12)
            self._violation("control message", str(error), Refusal(2, 3, "malformed control message"), now)
            return
        self._learn_peer(message)
        self._trace_received(message, len(frame.body) + 12, now)
        offending = message.offending_avp()
        if offending is not None and message.type != MessageType.STOPCCN:
            reason = f"{offending.name}: {offending.problem}"
            # > the Error Message SHOULD name the offending AVP (RFC 2661 §4.4.2, error 8, in short)
            refusal = Refusal(2, 8, offending.name)
            # A CDN or StopCCN ends what would have to be ended anyway, and its result code is wanted.
            if message.type not in SESSION_MESSAGES:
                self._violation(message.name, reason, refusal, now)
                return
            if message.type != MessageType.CDN and self._state is TunnelState.ESTABLISHED:
                self._call.violation(message, reason, refusal, now)
                return
        self._dispatch(message, now)

    def _dispatch(self, message: ControlMessage, now: float) -> None:
        kind = message.type
        if kind in SESSION_MESSAGES:
            self._happened(TunnelInput.SESSION_MESSAGE, now, message)
        elif kind == MessageType.STOPCCN:
            self._happened(TunnelInput.STOPCCN, now, message)
        elif kind == MessageType.HELLO:
            self._happened(TunnelInput.HELLO, now, message)
        elif kind in self._judges:
            judge, good, bad = self._judges[MessageType(kind)]
            if kind == MessageType.SCCRQ and self._config.faults.acknowledge_only:
                self.note_drop("SCCRQ acknowledged only", "practice-fault", now)
                return
            refusal = judge(message)
            if refusal is not None:
                self._stop_with = refusal
            self._happened(good if refusal is None else bad, now, message)
        elif message.avps[0].mandatory:
            # An unknown Message Type with the M bit set clears the tunnel, one without is ignored (§4.4.1).
            self._violation(message.name, "unknown message type", Refusal(2, 8, message.name), now)
        else:
            self.note_drop(message.name, "unknown", now)

    def _receive_data(self, message: DataMessage, now: float) -> None:
        self._last_heard = now
        if message.tunnel_id != self._tunnel_id:
            self.note_drop(f"data for tunnel {message.tunnel_id}", "unknown-tunnel", now, once="data")
        elif self._state is TunnelState.ESTABLISHED:
            frame = self._call.receive_data(message, now)
            if frame is not None:
                self._reliable.data_heard(now)
                self._events.append(PppFrame(frame))
        else:
            self.note_drop("data without a tunnel", "unexpected", now, once="data")

    def _learn_peer(self, message: ControlMessage) -> None:
        # Before anything is judged: a refusal has to reach the peer's tunnel.
        if message.type in (MessageType.SCCRQ, MessageType.SCCRP, MessageType.STOPCCN) and (
            self._peer_tunnel_id == 0
        ):
            self._peer_tunnel_id = message.integer(AvpType.ASSIGNED_TUNNEL_ID) or 0
            self._reliable.peer_tunnel_id = self._peer_tunnel_id
            if message.type != MessageType.STOPCCN:
                self._reliable.set_peer_window(message.integer(AvpType.RECEIVE_WINDOW_SIZE))

    # --- judging -------------------------------------------------------------------------------

    def _judge_identity(self, message: ControlMessage) -> Refusal | None:
        version = message.integer(AvpType.PROTOCOL_VERSION)
        if version is not None and version >> 8 != builder.PROTOCOL_VERSION >> 8:
            # > Error Code indicates highest version supported (RFC 2661 §4.4.2, result 5)
            return Refusal(5, builder.PROTOCOL_VERSION)
        if not message.integer(AvpType.ASSIGNED_TUNNEL_ID):
            self._events.append(ProtocolViolation(message.name, "no Assigned Tunnel ID"))
            return Refusal(2, 3, "Assigned Tunnel ID")
        return None

    def _judge_authentication(self, message: ControlMessage) -> Refusal | None:
        problem = check_authentication(message, self._config.tunnel_secret, self._own_challenge)
        if problem is None:
            return None
        self._events.append(TunnelAuthenticationFailed(problem))
        return Refusal(4)

    def _judge_sccrq(self, message: ControlMessage) -> Refusal | None:
        if self._state is not TunnelState.IDLE or self._config.role is Role.LAC:
            return Refusal(7)
        refusal = self._config.faults.refuse_tunnel or self._judge_identity(message)
        return refusal or self._judge_authentication(message)

    def _judge_sccrp(self, message: ControlMessage) -> Refusal | None:
        if self._state is not TunnelState.WAIT_CTL_REPLY:
            return Refusal(7)
        return self._judge_identity(message) or self._judge_authentication(message)

    def _judge_scccn(self, message: ControlMessage) -> Refusal | None:
        if self._state is not TunnelState.WAIT_CTL_CONN:
            return Refusal(7)
        return self._judge_authentication(message)

    def _violation(self, name: str, reason: str, refusal: Refusal, now: float) -> None:
        if self._state not in _OVER:
            self._events.append(ProtocolViolation(name, reason))
        self._stop_with = refusal
        self._happened(TunnelInput.VIOLATION, now)

    # --- the table and its actions -------------------------------------------------------------

    def _happened(self, what: TunnelInput, now: float, message: ControlMessage | None = None) -> None:
        action, following = transition(self._state, what)
        if action is TunnelAction.DROP:
            self.note_drop(f"{what.value} in {self._state.value}", "unexpected", now)
            return
        self._came_from, self._state = self._state, following
        perform = self._actions.get(action)
        if perform is not None:
            perform(message, now)

    def _challenge(self) -> bytes | None:
        if self._config.tunnel_secret is not None:
            self._own_challenge = self._random(CHALLENGE_LENGTH)
        return self._own_challenge

    def _send_sccrq(self, _message: ControlMessage | None, now: float) -> None:
        body = builder.sccrq(self._config, self._tunnel_id, self._challenge())
        self.send_control(MessageType.SCCRQ, 0, body, now)
        self.expect_reply(MessageType.SCCRQ, now)

    def _send_sccrp(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        self._remember_identity(message)
        peer_challenge = message.octets(AvpType.CHALLENGE)
        body = builder.sccrp(self._config, self._tunnel_id, self._challenge(), peer_challenge)
        self.send_control(MessageType.SCCRP, 0, body, now)
        self.expect_reply(MessageType.SCCRP, now)

    def _remember_identity(self, message: ControlMessage) -> None:
        window = message.integer(AvpType.RECEIVE_WINDOW_SIZE)
        self._established = TunnelEstablished(
            message.text(AvpType.HOST_NAME),
            message.text(AvpType.VENDOR_NAME),
            message.integer(AvpType.FIRMWARE_REVISION),
            self._tunnel_id,
            self._peer_tunnel_id,
            DEFAULT_WINDOW if window is None else window,
        )

    def _open_and_send_scccn(self, message: ControlMessage | None, now: float) -> None:
        if message is None:
            return
        self._remember_identity(message)
        body = builder.scccn(self._config, message.octets(AvpType.CHALLENGE))
        self.send_control(MessageType.SCCCN, 0, body, now)
        self._open(message, now)

    def _open(self, _message: ControlMessage | None, now: float) -> None:
        self.reply_came()
        if self._established is not None:
            self._events.append(self._established)
        if self._config.role is Role.LAC:
            self._call.happened(SessionInput.TUNNEL_OPEN, now)

    def _to_session(self, message: ControlMessage | None, now: float) -> None:
        if message is not None:
            self._call.receive_control(message, now)

    def _send_stopccn(self, _message: ControlMessage | None, now: float) -> None:
        self._forget_call()
        self._reliable.hurry()
        self._close_at = now + self._config.close_wait
        if not self.send_control(
            MessageType.STOPCCN, 0, builder.stopccn(self._tunnel_id, self._stop_with), now
        ):
            self._happened(TunnelInput.CLOSE_TIMEOUT, now)

    def _accept_stopccn(self, message: ControlMessage | None, now: float) -> None:
        value = None if message is None else message.value(AvpType.RESULT_CODE)
        code = value if isinstance(value, ResultCode) else None
        self._events.append(
            StopCcnReceived(
                code.result if code else None,
                code.error if code else None,
                code.message if code else "",
                self._came_from.value,
            )
        )
        self._reliable.acknowledge_now(now)
        self._finish(True)

    def _finish_clean(self, _message: ControlMessage | None, now: float) -> None:
        self._reliable.acknowledge_now(now)
        self._finish(True)

    def _finish_unclean(self, _message: ControlMessage | None, now: float) -> None:
        self._finish(False)

    def _finish(self, clean: bool) -> None:
        self._forget_call()
        self._close_at = None
        self._repetitions.clear()
        self._reliable.abandon()
        self._events.append(Closed(clean))

    def _forget_call(self) -> None:
        # > [StopCCN] implicitly terminates all sessions of the tunnel (RFC 2661 §6.4, in short)
        self._call.forget()
        self.drop_frames()
        self.reply_came()

    # --- timers --------------------------------------------------------------------------------

    def _check_reply_due(self, now: float) -> None:
        name = self._reply.overdue(now)
        if name is None:
            return
        self._events.append(ControlAcknowledgedOnly(name))
        self._stop_with = GENERAL_REQUEST
        self._happened(TunnelInput.REPLY_OVERDUE, now)

    def _hello_at(self) -> float | None:
        if self._config.hello_interval is None or self._last_heard is None:
            return None
        if self._state is not TunnelState.ESTABLISHED:
            return None
        return self._last_heard + self._config.hello_interval

    def _draw_id(self) -> int:
        return int.from_bytes(self._random(4), "big") % 0xFFFF + 1

    # --- trace ---------------------------------------------------------------------------------

    def _sessions(self, session_message: bool) -> tuple[int, int]:
        return (self._call.session_id, self._call.peer_session_id) if session_message else (0, 0)

    def _trace_sent(self, sent: Transmission, now: float) -> None:
        tunnels = (self._tunnel_id, self._peer_tunnel_id)
        if not sent.body:
            line, fields = describe.summary(None, tunnels, (0, 0), {}), {}
        else:
            avps = decode_avps(sent.body, self._config.tunnel_secret)
            kind = ControlMessage(0, 0, avps).type
            fields = describe.describe_avps(avps, kind)
            line = describe.summary(kind, tunnels, self._sessions(kind in SESSION_MESSAGES), fields)
        if sent.repetition:
            line += f" (repetition {sent.repetition})"
        self._trace(TraceEvent(now, Direction.OUT, "l2tp", line, len(sent.data), fields))

    def _trace_received(self, message: ControlMessage, size: int, now: float) -> None:
        fields = describe.describe_avps(message.avps, message.type)
        sessions = self._sessions(message.type in SESSION_MESSAGES)
        line = describe.summary(message.type, (self._tunnel_id, self._peer_tunnel_id), sessions, fields)
        self._trace(TraceEvent(now, Direction.IN, "l2tp", line, size, fields))

    def _trace_arrival(self, frame: ControlFrame, arrival: Arrival, size: int, now: float) -> None:
        if arrival is Arrival.ACKNOWLEDGEMENT:
            line = describe.summary(None, (self._tunnel_id, self._peer_tunnel_id), (0, 0), {})
            self._trace(TraceEvent(now, Direction.IN, "l2tp", line, size, {"Nr": frame.nr}))
        elif arrival is not Arrival.IN_ORDER:
            line = f"control message Ns {frame.ns}"
            self._trace(TraceEvent(now, Direction.IN, "l2tp", line, size, trigger=arrival.value))
