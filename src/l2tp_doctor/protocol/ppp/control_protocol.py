"""The machinery LCP and all NCPs share: RFC 1661's automaton with its packets, counters and timer.

A subclass says which options it wants, judges the peer's, and learns from Nak and Reject.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.automaton import TABLE, TIMED_STATES, Action, Event, State
from l2tp_doctor.protocol.ppp.control_packet import (
    Code,
    ControlPacket,
    code_name,
    decode_control_packet,
    text_of,
)
from l2tp_doctor.protocol.ppp.options import (
    Option,
    OptionTable,
    decode_options,
    describe,
    encode_options,
    has_legal_length,
)
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.ppp.peer_requests import PeerRequests
from l2tp_doctor.protocol.ppp.timers import RestartTimer
from l2tp_doctor.protocol.unanswered import Unanswered
from l2tp_doctor.protocol.wire import WireError


class Signal(enum.Enum):
    """What a control protocol tells the link."""

    UP = "up"  # This-Layer-Up
    DOWN = "down"  # This-Layer-Down
    FINISHED = "finished"  # This-Layer-Finished
    SILENT = "silent"  # the Restart counter ran out while negotiating
    PEER_TERMINATED = "peer-terminated"  # a Terminate-Request arrived
    DIVERGED = "diverged"  # negotiation cannot end: too many rounds, or the line is looped back


Listener = Callable[[Signal, float], None]


@dataclass(frozen=True, slots=True)
class NegotiationLimits:
    """Counters of RFC 1661 §4.6, with the RFC's defaults, and one of ours."""

    max_configure: int = 10
    max_terminate: int = 2
    max_failure: int = 5
    max_rounds: int = 20
    """Different Configure-Requests before the layer opens: a peer that Naks for ever is stopped here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a Configure-Request: ``code`` is Ack, Nak or Reject."""

    code: Code
    options: tuple[Option, ...]


LOSSY_CONFIGURE = 3
"""How many times Max-Configure requests a path that loses packets is worth."""

LATE_RISER = 0.03
"""Seconds a request must have been unanswered before the peer's first own request makes us repeat it."""

_ANSWERING_STATES = frozenset({State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT, State.OPENED})
_DEAF_STATES = frozenset({State.INITIAL, State.STARTING})


class ControlProtocol:
    """One negotiation.  The link calls ``up``, ``open``, ``close``, ``receive`` and the timer pair."""

    protocol: ClassVar[int]
    table: ClassVar[OptionTable]

    def __init__(
        self, outlet: Outlet, policy: RetransmissionPolicy, listener: Listener, limits: NegotiationLimits
    ) -> None:
        self.state = State.INITIAL
        self.end_reason = ""
        self.heard = False
        """Whether anything well-formed arrived."""
        self.acknowledged: tuple[Option, ...] = ()
        """Our options as the peer acknowledged them last."""
        self.peer_options: tuple[Option, ...] = ()
        """The peer's options as we acknowledged them last."""
        self._outlet = outlet
        self._listener = listener
        self._limits = limits
        self._policy = policy
        self._timer = RestartTimer(policy, outlet.round_trip)
        self._progress_at = 0.0
        self._last_sent_at = 0.0
        self._first_sent_at = 0.0
        self._transmissions = 0
        self._missed_by_late_riser = 0
        self._counter = 0
        self._naks_sent = 0
        self._naks_received = 0
        self._rounds = 0
        self._identifier = outlet.random(1)[0]
        self._request: tuple[Option, ...] = ()
        self._pending: int | None = None
        self._sent_at: float | None = None
        self._verdict = Verdict(Code.CONFIGURE_ACK, ())
        self._incoming = ControlPacket(0, 0)
        self._requests = PeerRequests()
        self._verdict_repeated = False
        self._event = Event.UP
        self._handlers: dict[int, Callable[[ControlPacket, float], None]] = {
            Code.CONFIGURE_REQUEST: self._configure_request,
            Code.CONFIGURE_ACK: self._configure_ack,
            Code.CONFIGURE_NAK: self._configure_nak,
            Code.CONFIGURE_REJECT: self._configure_reject,
            Code.TERMINATE_REQUEST: self._terminate_request,
            Code.TERMINATE_ACK: self._terminate_ack,
            Code.CODE_REJECT: self._code_reject,
        }
        self._actions: Mapping[Action, Callable[[float], None]] = {
            Action.TLU: self._this_layer_up,
            Action.TLD: lambda now: self._listener(Signal.DOWN, now),
            Action.TLS: lambda now: None,
            Action.TLF: lambda now: self._listener(Signal.FINISHED, now),
            Action.IRC: self._initialize_restart_count,
            Action.ZRC: self._zero_restart_count,
            Action.SCR: self._send_configure_request,
            Action.SCA: self._send_verdict,
            Action.SCN: self._send_verdict,
            Action.STR: self._send_terminate_request,
            Action.STA: self._send_terminate_ack,
            Action.SCJ: self._send_code_reject,
            Action.SER: self._send_echo_reply,
        }

    # What a subclass defines.

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns the options of our next Configure-Request."""
        raise NotImplementedError

    def judge(self, option: Option) -> Option | None:
        """Judges one option of the peer with a legal length.

        Returns:
            The same option to accept it, another value to Nak it, ``None`` to Reject it.
        """
        raise NotImplementedError

    def missing_options(self, options: Sequence[Option]) -> tuple[Option, ...]:
        """Returns options the peer should have asked for, to be appended to a Nak (RFC 1661 §5.3)."""
        return ()

    def learn_nak(self, option: Option) -> None:
        """Takes the value a Configure-Nak suggests."""

    def learn_reject(self, option: Option) -> None:
        """Takes note that the peer does not know an option of ours."""

    # Calls from the link.

    @property
    def opened(self) -> bool:
        """Whether the layer is in the Opened state."""
        return self.state is State.OPENED

    def up(self, now: float) -> None:
        """The lower layer is ready."""
        self._fire(Event.UP, now)

    def down(self, now: float) -> None:
        """The lower layer is gone."""
        self._fire(Event.DOWN, now)

    def open(self, now: float) -> None:
        """The layer is administratively wanted."""
        self._fire(Event.OPEN, now)

    def close(self, now: float, reason: str = "") -> None:
        """The layer is not wanted any more; ``reason`` goes into the Terminate-Request."""
        if reason:
            self.end_reason = reason
        self._fire(Event.CLOSE, now)

    def protocol_rejected(self, now: float) -> None:
        """The peer does not speak this protocol (RXJ-)."""
        self._fire(Event.RXJ_MINUS, now)

    def hurry(self, now: float) -> None:
        """The peer shows signs of life that our request is overdue: repeats it without waiting for the timer.

        Back-off is for peers that may be gone.  One that is heard has lost our request or we its answer, once
        more than a round trip has passed.
        """
        if self.state not in (State.REQ_SENT, State.ACK_SENT) or self._pending is None:
            return
        rtt = self._outlet.round_trip.smoothed
        patience = self._policy.initial if rtt is None else max(1.5 * rtt, LATE_RISER)
        if now - self._last_sent_at <= patience:
            return
        self._sent_at = None
        self._transmit_request(now)

    def repeat_acknowledgement(self, now: float) -> None:
        """Says our last Configure-Ack again, unasked: the peer does not go on, so it may have been lost.

        A peer that lacks it would ask again when its own timer expires, pppd's after three seconds.  One that
        has it discards a second one: its Identifier answers no request under way any more (RFC 1661 §5.2).
        """
        if self.state is State.OPENED:
            self._acknowledge_unasked(now)

    def _acknowledge_unasked(self, now: float) -> None:
        newest = self._requests.newest
        if newest is None or self._verdict.code is not Code.CONFIGURE_ACK:
            return
        if self._requests.may_acknowledge_unasked():
            self._incoming = newest
            self._send_verdict(now)

    def get_timer(self) -> float | None:
        """Returns when the Restart timer expires."""
        return self._timer.due

    def handle_timer(self, now: float) -> None:
        """Handles the Restart timer if it is due."""
        if not self._timer.expired(now):
            return
        # A peer that acknowledges every request and never sends its own starts the Restart counter anew each
        # time (RCA in Req-Sent); the time without any progress is what ends that.
        stuck = self.state in _ANSWERING_STATES and now - self._progress_at > 2 * self._policy.give_up
        if self._counter > 0 and not self._timer.exhausted(now) and not stuck:
            if self.state in (State.REQ_SENT, State.ACK_RCVD):
                self._repeat_objection(now)
            ack_may_be_lost = self.state is State.ACK_SENT and self._outlet.round_trip.lossy
            self._fire(Event.TO_PLUS, now)
            if ack_may_be_lost:
                # SoftEther keeps our request back until it has our Ack, which it asks for every 3 s.
                self._acknowledge_unasked(now)
            return
        self.give_up(now)

    def give_up(self, now: float) -> None:
        """The Restart counter has run out, or the owner knows that nobody will answer."""
        if self.state in _ANSWERING_STATES:
            self._listener(Signal.SILENT, now)
        self._fire(Event.TO_MINUS, now)

    @property
    def unanswered(self) -> Unanswered | None:
        """The Configure-Request under way."""
        if self._pending is None:
            return None
        return Unanswered("lcp", self._transmissions, self._first_sent_at, self._last_sent_at)

    def _repeat_objection(self, now: float) -> None:
        """Sends our Nak or Reject again to a peer that has not come back with another request.

        It would repeat its own request when its timer expires, which may be much slower than ours.  A Nak it
        has already had no longer matches its last request, and is discarded (RFC 1661 §5.3).
        """
        if self._requests.newest is not None and self._verdict.code is not Code.CONFIGURE_ACK:
            self._verdict_repeated = True
            self._send_verdict(now)

    def receive(self, payload: bytes, now: float) -> None:
        """Takes one packet of this protocol; never raises for its content."""
        try:
            packet = decode_control_packet(payload)
        except WireError as error:
            self._outlet.dropped(self.protocol, len(payload), now, str(error), "malformed")
            return
        if self.state in _DEAF_STATES:
            self._drop(packet, now, "unexpected")
            return
        woke = not self.heard and packet.code == Code.CONFIGURE_REQUEST
        self.heard = True
        handler = self._handlers.get(packet.code)
        if handler is None:
            self._take(packet, now)
            self._incoming = packet
            self._fire(Event.RUC, now)
            return
        if packet.code == Code.CONFIGURE_REQUEST and not woke:
            # Ahead of our answer: a peer that this answer opens would begin anew for a request behind it.
            self.hurry(now)
        handler(packet, now)
        if woke:
            self._repeat_for_late_riser(now)

    def _repeat_for_late_riser(self, now: float) -> None:
        """Sends an old unanswered request again to a peer that has only just come to life.

        xl2tpd starts pppd when the call is up; what arrives meanwhile is lost, and the first sign
        of life is pppd's own request.
        """
        if self.state not in (State.REQ_SENT, State.ACK_SENT) or self._sent_at is None:
            return
        rtt = self._outlet.round_trip.smoothed
        overdue = self._sent_at + max(2 * (rtt or 0.0), LATE_RISER)
        # What a program that did not run yet has missed says nothing about the path.
        self._missed_by_late_riser = self._transmissions
        if now > overdue:
            self._event = Event.TO_PLUS
            self._send_configure_request(now)
        elif rtt is not None and self._timer.due is not None:
            # It may have woken just now or have our request under way: an answer that is not here by then
            # never comes, and a timer made for a peer that may be gone need not find that out.
            self._timer.due = min(self._timer.due, overdue)

    # Packets in.

    def _configure_request(self, packet: ControlPacket, now: float) -> None:
        options = self._options_of(packet, now)
        if options is None:
            return
        self._take(packet, now, describe(options, self.table))
        if packet in self._requests:
            self._outlet.round_trip.lossy = True
        if self._is_repetition(packet):
            self._requests.repeated(packet)
            if packet == self._requests.newest:
                self._incoming = packet
                self._send_verdict(now)
            return
        self._incoming = packet
        self._verdict_repeated = packet == self._requests.newest
        answering = self.state in _ANSWERING_STATES or self.state is State.STOPPED
        # A repeated request means that our answer was lost, not that negotiation fails to converge:
        # it gets the same answer and does not count against Max-Failure.
        if answering and not self._verdict_repeated:
            self._requests.remember(packet)
            self._progress_at = now
            self._timer.prolong(now)
            self._verdict = self._judge_all(options)
        accepted = self._verdict.code is Code.CONFIGURE_ACK
        self._fire(Event.RCR_PLUS if accepted else Event.RCR_MINUS, now)

    def _is_repetition(self, packet: ControlPacket) -> bool:
        return self.state is State.OPENED and self._requests.repeats(packet)

    def _judge_all(self, options: tuple[Option, ...]) -> Verdict:
        rejected: list[Option] = []
        suggested: list[Option] = []
        for option in options:
            row = self.table.get(option.type)
            answer = self.judge(option) if row and has_legal_length(option, self.table) else None
            if answer is None:
                rejected.append(option)
            elif answer != option:
                suggested.append(answer)
        # RFC 1661 §5.4: options "not recognizable or ... not acceptable for negotiation" go first, alone.
        if rejected:
            return Verdict(Code.CONFIGURE_REJECT, tuple(rejected))
        missing = self.missing_options(options)
        if not suggested and not missing:
            return Verdict(Code.CONFIGURE_ACK, options)
        # §4.6 Max-Failure: "Any further Configure-Nak packets for peer requested options are converted to
        # Configure-Reject packets, and locally desired options are no longer appended."
        if self._naks_sent >= self._limits.max_failure:
            refused = {option.type for option in suggested}
            objections = tuple(option for option in options if option.type in refused)
            return Verdict(Code.CONFIGURE_REJECT if objections else Code.CONFIGURE_ACK, objections or options)
        return Verdict(Code.CONFIGURE_NAK, (*suggested, *missing))

    def _configure_ack(self, packet: ControlPacket, now: float) -> None:
        if not self._answers_our_request(packet, now):
            return
        if self.state in _ANSWERING_STATES and packet.data != encode_options(self._request):
            self._drop(packet, now, "malformed")  # "MUST exactly match those of the last transmitted"
            return
        self._take(packet, now, describe(self._request, self.table))
        self.acknowledged = self._request
        self._naks_received = 0
        self._answered(packet, Event.RCA, now)

    def _configure_nak(self, packet: ControlPacket, now: float) -> None:
        if not self._answers_our_request(packet, now):
            return
        options = self._options_of(packet, now)
        if options is None:
            return
        self._take(packet, now, describe(options, self.table))
        self._naks_received += 1
        for option in options:
            if has_legal_length(option, self.table):
                # A peer that Naks for ever is taken at its deed: the option is given up.
                self._learn(option, rejected=self._naks_received > self._limits.max_failure)
        self._answered(packet, Event.RCN, now)

    def _configure_reject(self, packet: ControlPacket, now: float) -> None:
        if not self._answers_our_request(packet, now):
            return
        options = self._options_of(packet, now)
        if options is None:
            return
        self._take(packet, now, describe(options, self.table))
        for option in options:
            self._learn(option, rejected=True)
        self._answered(packet, Event.RCN, now)

    def _learn(self, option: Option, *, rejected: bool) -> None:
        if rejected:
            self.learn_reject(option)
        else:
            self.learn_nak(option)

    def _answers_our_request(self, packet: ControlPacket, now: float) -> bool:
        # "the Identifier field MUST match that of the last transmitted Configure-Request. ... Invalid packets
        # are silently discarded" (§5.2).  An answer already used counts as invalid, so that a duplicated
        # datagram does not become the table's crossed connection.
        if self.state not in _ANSWERING_STATES or packet.identifier == self._pending:
            return True
        self._drop(packet, now, "unexpected")
        return False

    def _answered(self, packet: ControlPacket, event: Event, now: float) -> None:
        if self._sent_at is not None and packet.identifier == self._pending:
            self._outlet.round_trip.sample(now - self._sent_at)
        elif packet.identifier == self._pending and self._transmissions > self._missed_by_late_riser + 1:
            self._outlet.round_trip.lossy = True
        self._missed_by_late_riser = 0
        self._pending = None
        self._sent_at = None
        self._incoming = packet if self.state not in _ANSWERING_STATES else self._incoming
        self._fire(event, now)

    def _terminate_request(self, packet: ControlPacket, now: float) -> None:
        reason = text_of(packet.data)
        self._take(packet, now, {"reason": reason} if reason else {})
        negotiating = self.state in _ANSWERING_STATES
        if negotiating:
            self.end_reason = reason
        self._incoming = packet
        self._fire(Event.RTR, now)
        if negotiating:
            self._listener(Signal.PEER_TERMINATED, now)

    def _terminate_ack(self, packet: ControlPacket, now: float) -> None:
        self._take(packet, now)
        self._fire(Event.RTA, now)

    def _code_reject(self, packet: ControlPacket, now: float) -> None:
        if not packet.data:
            self._drop(packet, now, "malformed")
            return
        code = packet.data[0]
        self._take(packet, now, {"rejected": code_name(code)})
        # §4.3 RXJ: catastrophic when it is "such as to prevent the automaton from working".
        self._fire(Event.RXJ_MINUS if code <= Code.CODE_REJECT else Event.RXJ_PLUS, now)

    # Actions.

    def _fire(self, event: Event, now: float) -> None:
        transition = TABLE.get((self.state, event))
        if transition is None:
            return
        self._event = event
        self.state = transition.state
        # A stopped timer is "not running" for the actions below, which decide between begin and again.
        for action in transition.actions:
            self._actions[action](now)
        if self.state not in TIMED_STATES:
            self._timer.stop()
        if self._rounds > self._limits.max_rounds and self.state in _ANSWERING_STATES:
            self._rounds = 0
            self.end_reason = "negotiation does not converge"
            self._listener(Signal.DIVERGED, now)

    def _this_layer_up(self, now: float) -> None:
        self._timer.stop()
        self._rounds = 0
        self._requests.layer_is_up()
        self._listener(Signal.UP, now)

    def _initialize_restart_count(self, now: float) -> None:
        closing = self.state in (State.CLOSING, State.STOPPING)
        self._counter = self._limits.max_terminate if closing else self._max_configure
        self._timer.begin(now)

    @property
    def _max_configure(self) -> int:
        # Where packets are lost it is asked more often; how long for, the timer knows.
        return self._limits.max_configure * (LOSSY_CONFIGURE if self._outlet.round_trip.lossy else 1)

    def _zero_restart_count(self, now: float) -> None:
        self._counter = 0
        self._timer.begin(now)

    def _wait(self, now: float) -> None:
        if self._timer.due is None:  # back from Opened: the table has no irc there, the count is a new one
            self._counter = self._max_configure
            self._timer.begin(now)
        elif self._event is Event.TO_PLUS:
            self._timer.again(now)
        self._counter -= 1

    def _send_configure_request(self, now: float) -> None:
        wanted = self.wanted_options()
        repeated = self._event is Event.TO_PLUS and self._pending is not None and wanted == self._request
        if repeated:
            self._sent_at = None  # Karn: an answer could belong to either transmission
        else:
            self._identifier = (self._identifier + 1) & 0xFF
            self._request = wanted
            self._pending = self._identifier
            self._sent_at = self._first_sent_at = now
            self._transmissions = 0
            # In Ack-Rcvd the timer too makes a new request: the peer's own was lost, which is no round.
            if self._event is not Event.TO_PLUS:
                self._rounds += 1
                self._progress_at = now
        self._wait(now)
        self._transmit_request(now)

    def _transmit_request(self, now: float) -> None:
        self._last_sent_at = now
        self._transmissions += 1
        packet = ControlPacket(Code.CONFIGURE_REQUEST, self._identifier, encode_options(self._request))
        self._send(packet, now, describe(self._request, self.table))

    def _send_verdict(self, now: float) -> None:
        verdict = self._verdict
        if verdict.code is Code.CONFIGURE_ACK:
            self.peer_options = verdict.options
            self._naks_sent = 0
        elif verdict.code is Code.CONFIGURE_NAK and not self._verdict_repeated:
            self._naks_sent += 1
        packet = ControlPacket(verdict.code, self._incoming.identifier, encode_options(verdict.options))
        self._send(packet, now, describe(verdict.options, self.table))

    def _send_terminate_request(self, now: float) -> None:
        if self._event is not Event.TO_PLUS:
            self._identifier = (self._identifier + 1) & 0xFF
        self._wait(now)
        packet = ControlPacket(Code.TERMINATE_REQUEST, self._identifier, self.end_reason.encode()[:200])
        self._send(packet, now, {"reason": self.end_reason} if self.end_reason else {})

    def _send_terminate_ack(self, now: float) -> None:
        self._send(ControlPacket(Code.TERMINATE_ACK, self._incoming.identifier), now)

    def _send_code_reject(self, now: float) -> None:
        self._identifier = (self._identifier + 1) & 0xFF
        rejected = self._incoming.encode()[:512]  # §5.6: it is truncated to the peer's MRU; this always fits
        packet = ControlPacket(Code.CODE_REJECT, self._identifier, rejected)
        self._send(packet, now, {"rejected": code_name(self._incoming.code)})

    def _send_echo_reply(self, now: float) -> None:
        """LCP alone has echoes; it overrides this."""

    # Helpers.

    def _options_of(self, packet: ControlPacket, now: float) -> tuple[Option, ...] | None:
        try:
            return decode_options(packet.data)
        except WireError as error:
            size = len(packet.data) + 4
            self._outlet.dropped(self.protocol, size, now, f"{code_name(packet.code)}: {error}", "malformed")
            return None

    def _send(self, packet: ControlPacket, now: float, fields: Mapping[str, object] | None = None) -> None:
        shown = {"identifier": packet.identifier, **(fields or {})}
        self._outlet.send(self.protocol, packet.encode(), now, code_name(packet.code), shown)

    def _take(self, packet: ControlPacket, now: float, fields: Mapping[str, object] | None = None) -> None:
        shown = {"identifier": packet.identifier, **(fields or {})}
        self._outlet.received(self.protocol, len(packet.data) + 4, now, code_name(packet.code), shown)

    def _drop(self, packet: ControlPacket, now: float, trigger: str) -> None:
        self._outlet.dropped(self.protocol, len(packet.data) + 4, now, code_name(packet.code), trigger)
