"""The request under way: sent again until it is answered, given up after an error or a long silence."""

from __future__ import annotations

from collections.abc import Sequence

from l2tp_doctor.protocol.engine import Datagram, RandomSource, RetransmissionPolicy, TraceSink
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.endpoint import DUPLICATE_INTERVAL, ClearCopySink
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.policy import PathAddresses, Phase2Suite
from l2tp_doctor.protocol.ikev1.quick_responder import QuickModeResponder
from l2tp_doctor.protocol.ikev1.transmission import Due, Transmission
from l2tp_doctor.protocol.isakmp.message import Header

# Anyone on the path can send a clear NOTIFY, and some gateways send one and answer all the
# same; so after an error that proves nothing we still wait this long (seconds) for a real answer.
GRACE_AFTER_ERROR = 0.7


class Requester(QuickModeResponder):
    """The part of the initiator that keeps after its newest request, whatever that is.

    Subclasses implement :meth:`_give_up`.  Arguments as in the base class, and
    ``silence_after``: seconds without an answer that are worth a ``Silence`` event.
    """

    def __init__(
        self,
        random: RandomSource,
        trace: TraceSink,
        clear_copies: ClearCopySink,
        fragment_size: int,
        *,
        suites: Sequence[Phase2Suite],
        paths: PathAddresses,
        nonce_size: int,
        retransmission: RetransmissionPolicy,
        silence_after: float,
    ) -> None:
        super().__init__(
            random,
            trace,
            clear_copies,
            fragment_size,
            suites=suites,
            paths=paths,
            nonce_size=nonce_size,
            retransmission=retransmission,
        )
        self.transmission = Transmission(retransmission, silence_after)
        self._step: Step | None = None
        self._flight: list[Datagram] = []
        self._flight_at = 0.0  # when it was sent last
        self._flight_began = 0.0  # when its newest message was sent first
        self._last_answer = b""
        self._error_at: float | None = None

    def _give_up(self, now: float) -> None:
        raise NotImplementedError

    def get_timer(self) -> float | None:
        """Returns when a retransmission, a remark on silence or giving up is due."""
        times = [self.transmission.timer(), self.confirmation.timer()]
        if self.transmission.waiting and self._error_at is not None:
            times.append(self._error_at + self._grace())
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Does what is due."""
        self._repeat_unconfirmed(now)
        if self.transmission.waiting and self._error_at is not None and now >= self._error_at + self._grace():
            self._give_up(now)
            return
        due = self.transmission.due(now)
        if due is Due.RESEND:
            self._resend(now)
        elif due is Due.SILENCE and self._step is not None:
            self._emit(events.Silence(self._step))
        elif due is Due.GIVE_UP:
            self._give_up(now)

    def _grace(self) -> float:
        return max(GRACE_AFTER_ERROR, 2.0 * (self.transmission.estimate or 0.0))

    def _request(self, now: float, step: Step, datagram: Datagram) -> None:
        self._step = step
        # Nothing answers Aggressive Mode 3, so it goes along with what follows it until that is answered.
        self._take_off(now, [*self._flight, datagram])
        self._error_at = None
        self.transmission.begin(now)

    def _resend(self, now: float) -> None:
        if self._peer_fragments:
            # Windows fragments a message "the next time it is retransmitted" (MS-IKEE 3.2.7), not before.
            self._flight = [piece for whole in self._flight for piece in self._in_pieces(whole)]
        self._outgoing.extend(self._flight)
        self._flight_at = now
        name = self._step.value if self._step is not None else ""
        self._remark(now, f"retransmission {self.transmission.transmissions - 1} of {name}")

    def _answered(self, raw: bytes, now: float) -> None:
        self._accepted.append(raw)
        self._last_answer = raw
        # Not even a peer that repeats itself needs again what it has answered.
        self._flight = []
        rtt = self.transmission.answered(now)
        self._error_at = None
        if self._step is not None:
            self._emit(events.ReplyReceived(self._step, rtt))
        self._step = None

    def _superseded(self) -> None:
        """What the request was for has come about without its answer."""
        self.transmission.superseded()
        self._flight = []
        self._step = None

    def _note_error(self, now: float) -> None:
        if self.transmission.waiting and self._error_at is None:
            self._error_at = now

    def _take_off(self, now: float, flight: list[Datagram]) -> None:
        """These datagrams, the last of them new, are what is repeated until it is answered."""
        self._flight = flight
        self._flight_at = self._flight_began = now

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        del header
        self._drop(now, len(raw), "duplicate")
        self._outgoing.extend(self._answers.get(raw, ()))
        if raw != self._last_answer or not self._flight:
            return
        interval = max(DUPLICATE_INTERVAL, self.transmission.estimate or 0.0)
        if now - self._flight_began < interval:
            # It was on its way before our newest message could arrive: it answers a repetition of our own.
            self.transmission.answered_again()
            return
        # The peer repeats its last message, so our newest has not arrived.
        self._emit(events.DuplicateReply(self._step or Step.QUICK_3))
        if now - self._flight_at < interval:
            return
        self._outgoing.extend(self._flight)
        self._flight_at = now
        if self.transmission.waiting:
            self.transmission.resent(now)
