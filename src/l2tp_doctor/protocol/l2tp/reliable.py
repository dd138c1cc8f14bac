"""Reliable delivery of control messages (RFC 2661 §5.8 and Appendix A).

Theory of operation.  Every control message but the ZLB takes the next Ns; Nr in any
message acknowledges all below it.  What is outstanding is kept and sent again with
the *current* Nr until it is acknowledged or ``give_up`` seconds have passed.  A
message in sequence is handed up at once, one ahead of sequence waits in a small queue,
one behind is a repetition: it is acknowledged again and dropped.

Appendix A's slow start is kept for new messages.  Retransmission sends *everything*
outstanding again, not only the oldest: some peers drop what is out of sequence
(RFC 2661 §5.8 allows it), the messages are few and tiny, and after the loss of SCCCN
the ICRQ behind it must not wait for a timer of its own.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.l2tp.message import ControlFrame, encode_control
from l2tp_doctor.protocol.unanswered import Unanswered

MODULUS = 0x10000
HALF = 0x8000
DEFAULT_WINDOW = 4
"""> If absent, the peer must assume a value of 4 for its send window. (RFC 2661 §4.4.3)"""


# The first message of a tunnel may arrive before the peer's kernel can use the SA that protects it: a Linux
# gateway answers SCCRQ some milliseconds before its outbound SA is installed, and that answer is lost.  So an
# SCCRQ answered after its second or third copy says nothing about the path.
_MAY_BE_EARLY = {"SCCRQ": 3}


def sequence_before(a: int, b: int) -> bool:
    """Whether ``a`` lies in the 32768 numbers before ``b``, modulo 65536 (RFC 2661 §5.8)."""
    return a != b and (b - a) % MODULUS <= HALF


class Arrival(enum.Enum):
    """What a received control message is to the sequence."""

    IN_ORDER = "in-order"
    ACKNOWLEDGEMENT = "acknowledgement"
    AHEAD = "ahead"
    DUPLICATE = "duplicate"
    OUT_OF_WINDOW = "out-of-window"


@dataclass(slots=True)
class Outgoing:
    """An own message that is not acknowledged yet."""

    name: str
    tunnel_id: int
    session_id: int
    body: bytes
    ns: int
    first_sent: float = 0.0
    last_sent: float = 0.0
    transmissions: int = 0


@dataclass(frozen=True, slots=True)
class Transmission:
    """A datagram to be sent now, with what the trace says about it."""

    data: bytes
    name: str
    repetition: int
    """0 the first time."""
    session_id: int = 0
    body: bytes = b""


class ReliableControl:
    """One direction pair of sequence numbers with its queues and timers.

    Args:
        policy: when to send again and when to give up.
        receive_window: messages the peer may have outstanding, and so the most that are kept
            ahead of sequence: a peer cannot make us store more.
        acknowledgement_delay: seconds a ZLB waits for a message to ride on.
        maximum_queued: own messages that may wait for the window; :meth:`send` refuses more.
        first_ns: the first sequence number; other than 0 in tests only.
    """

    def __init__(
        self,
        policy: RetransmissionPolicy,
        receive_window: int,
        *,
        acknowledgement_delay: float,
        maximum_queued: int,
        first_ns: int = 0,
        first_nr: int = 0,
    ) -> None:
        self._policy = policy
        self._receive_window = receive_window
        self._acknowledgement_delay = acknowledgement_delay
        self._maximum_queued = maximum_queued
        self._next_ns = first_ns
        self._expected = first_nr
        self._queued: deque[Outgoing] = deque()
        self._outstanding: deque[Outgoing] = deque()
        self._ahead: dict[int, ControlFrame] = {}
        self._peer_window = DEFAULT_WINDOW
        self._congestion_window = 1.0
        self._threshold = float(DEFAULT_WINDOW)
        self._smoothed_rtt: float | None = None
        self.lossy = False
        """Whether something was acknowledged only after it had been repeated."""
        self.sent = 0
        """Transmissions of messages that want an acknowledgement."""
        self._answered = 0
        self._answered_transmissions = 0
        self._interval = policy.initial
        self._retransmit_at: float | None = None
        self._acknowledge_at: float | None = None
        self._heard_at = -math.inf  # data of the peer's, see :meth:`data_heard`
        self.peer_tunnel_id = 0
        """Written into ZLBs; 0 until the peer has assigned one."""

    @property
    def smoothed_rtt(self) -> float | None:
        """Round-trip time in seconds, from messages that were sent once only (Karn)."""
        return self._smoothed_rtt

    @property
    def unanswered(self) -> Unanswered | None:
        """The message that has waited longest for its acknowledgement."""
        if not self._outstanding:
            return None
        oldest = self._outstanding[0]
        return Unanswered(oldest.name, oldest.transmissions, oldest.first_sent, oldest.last_sent)

    def expire(self, now: float) -> None:
        """What is outstanding has waited long enough: the next :meth:`handle_timer` gives it up."""
        self._heard_at = -math.inf
        for message in self._outstanding:
            message.first_sent = now - self._policy.give_up
        if self._outstanding:
            self._retransmit_at = now

    @property
    def counted(self) -> tuple[int, int]:
        """Acknowledged messages, and the transmissions they took."""
        return self._answered, self._answered_transmissions

    @property
    def all_acknowledged(self) -> bool:
        """Nothing of ours is waiting or outstanding."""
        return not self._queued and not self._outstanding

    @property
    def has_unsent(self) -> bool:
        """A message still waits for room in the window and has never been sent."""
        return bool(self._queued)

    def waits_for(self, name: str) -> bool:
        """Whether a message of this name is not acknowledged yet."""
        return any(message.name == name for message in (*self._outstanding, *self._queued))

    def set_peer_window(self, messages: int | None) -> None:
        """Takes the peer's Receive Window Size; ``None`` when it sent none."""
        # 0 would forbid every message, also the one that could change it: taken as 1.
        self._peer_window = max(1, DEFAULT_WINDOW if messages is None else messages)
        self._threshold = float(self._peer_window)

    def hurry(self) -> None:
        """Lifts slow start to the peer's window: CDN and StopCCN leave in one flight."""
        self._congestion_window = max(self._congestion_window, float(min(self._peer_window, 4)))

    def send(self, name: str, tunnel_id: int, session_id: int, body: bytes) -> bool:
        """Queues a message; ``False`` when the queue is full and it was not taken."""
        if len(self._queued) >= self._maximum_queued:
            return False
        self._queued.append(Outgoing(name, tunnel_id, session_id, body, self._next_ns))
        self._next_ns = (self._next_ns + 1) % MODULUS
        return True

    def receive(self, frame: ControlFrame, now: float) -> tuple[Arrival, list[ControlFrame]]:
        """Takes a control message.

        Returns:
            What it was, and the messages that are now in sequence, in order.
        """
        self._take_acknowledgement(frame.nr, now)
        if frame.is_zlb:
            return Arrival.ACKNOWLEDGEMENT, []
        if sequence_before(frame.ns, self._expected):
            # Acknowledged again, because the peer repeats it only when the first acknowledgement was lost.
            self._acknowledge_at = now
            return Arrival.DUPLICATE, []
        if (frame.ns - self._expected) % MODULUS >= self._receive_window:
            return Arrival.OUT_OF_WINDOW, []
        if frame.ns != self._expected:
            self._ahead.setdefault(frame.ns, frame)
            # Says which one is missing, before the peer's timer does.
            self._acknowledge_at = now
            return Arrival.AHEAD, []
        in_order = [frame]
        self._expected = (self._expected + 1) % MODULUS
        while (waiting := self._ahead.pop(self._expected, None)) is not None:
            in_order.append(waiting)
            self._expected = (self._expected + 1) % MODULUS
        if self._acknowledge_at is None:
            self._acknowledge_at = now + self._acknowledgement_delay
        return Arrival.IN_ORDER, in_order

    def data_heard(self, now: float) -> None:
        """The peer has sent data: it lives, whatever became of its acknowledgements.

        RFC 2661 §5.8 has a tunnel cleared when "no peer response is detected", and a call whose data comes is
        one of which the peer has had the ICCN; so the wait for its acknowledgement begins anew.
        """
        self._heard_at = now

    def acknowledge_now(self, now: float) -> None:
        """Lets the pending acknowledgement leave with the next flight, without waiting."""
        if self._acknowledge_at is not None:
            self._acknowledge_at = now

    def _take_acknowledgement(self, nr: int, now: float) -> None:
        # An Nr beyond what was ever sent acknowledges nothing: the number below it is not outstanding.
        if not any((message.ns + 1) % MODULUS == nr for message in self._outstanding):
            return
        while self._outstanding:
            message = self._outstanding[0]
            if not sequence_before(message.ns, nr):
                break
            self._outstanding.popleft()
            early = message.transmissions <= _MAY_BE_EARLY.get(message.name, 1)
            if message.transmissions == 1:
                self._measure(now - message.first_sent)
            elif not early:
                self.lossy = True
            self._answered += 1
            self._answered_transmissions += 1 if early else message.transmissions
            self._grow_window()
        self._interval = self._policy.first_interval(self._smoothed_rtt)
        self._retransmit_at = now + self._interval if self._outstanding else None

    def _measure(self, sample: float) -> None:
        if self._smoothed_rtt is None:
            self._smoothed_rtt = sample
        else:
            self._smoothed_rtt += (sample - self._smoothed_rtt) / 8

    def _grow_window(self) -> None:
        slow_start = self._congestion_window < self._threshold
        self._congestion_window += 1.0 if slow_start else 1.0 / self._congestion_window

    def flight(self, now: float) -> list[Transmission]:
        """Returns what is to be sent now: new messages within the window, or a due ZLB."""
        flight: list[Transmission] = []
        window = min(self._peer_window, int(self._congestion_window))
        while self._queued and len(self._outstanding) < window:
            message = self._queued.popleft()
            message.first_sent = now
            self._outstanding.append(message)
            flight.append(self._transmit(message, now))
            if self._retransmit_at is None:
                self._interval = self._policy.first_interval(self._smoothed_rtt)
                self._retransmit_at = now + self._interval
        if not flight and self._acknowledge_at is not None and now >= self._acknowledge_at:
            self._acknowledge_at = None
            data = encode_control(self.peer_tunnel_id, 0, self._next_unsent_ns(), self._expected)
            flight.append(Transmission(data, "ZLB", 0))
        return flight

    def _next_unsent_ns(self) -> int:
        # > Ns is not incremented after a ZLB is sent: it carries the number of the next real message.
        return self._queued[0].ns if self._queued else self._next_ns

    def _transmit(self, message: Outgoing, now: float) -> Transmission:
        message.transmissions += 1
        self.sent += 1
        message.last_sent = now
        self._acknowledge_at = None  # this Nr acknowledges everything in sequence
        data = encode_control(message.tunnel_id, message.session_id, message.ns, self._expected, message.body)
        return Transmission(data, message.name, message.transmissions - 1, message.session_id, message.body)

    def get_timer(self) -> float | None:
        """Returns when a retransmission or a delayed acknowledgement is due."""
        times = [at for at in (self._retransmit_at, self._acknowledge_at) if at is not None]
        return min(times, default=None)

    def handle_timer(self, now: float) -> tuple[list[Transmission], Outgoing | None]:
        """Does what is due.

        Returns:
            The repetitions to send, and the message that was given up, if any.
        """
        if self._retransmit_at is None or now < self._retransmit_at or not self._outstanding:
            return [], None
        oldest = self._outstanding[0]
        give_up_at = max(oldest.first_sent, self._heard_at) + self._policy.give_up
        if now >= give_up_at:
            self._retransmit_at = None
            return [], oldest
        self._interval = min(self._policy.maximum, self._interval * self._policy.backoff)
        self._retransmit_at = min(now + self._interval, give_up_at)
        # Appendix A: half the window becomes the threshold, and new messages start slowly again.
        self._threshold = max(1.0, self._congestion_window / 2)
        self._congestion_window = 1.0
        return [self._transmit(message, now) for message in self._outstanding], None

    def abandon(self) -> None:
        """Forgets everything unsent or unacknowledged; acknowledging goes on."""
        self._queued.clear()
        self._outstanding.clear()
        self._retransmit_at = None
