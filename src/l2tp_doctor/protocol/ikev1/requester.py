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
from l2tp_doctor.protocol.unanswered import Unanswered

# Anyone on the path can send a clear NOTIFY, and some gateways send one and answer all the
# same; so after an error that proves nothing we still wait this long (seconds) for a real answer.
GRACE_AFTER_ERROR = 0.7

# Nothing acknowledges Quick Mode 3, and a gateway that did not get it installs no SA: our ESP falls on deaf
# ears.  RFC 2409 leaves it to the responder to repeat message 2, which real ones do after seconds or, like
# SoftEther, never.  So as long as no ESP was heard, message 3 leaves again after 0.25, 0.75 and 1.75 s (three
# round trips at least, then doubled): at 20 % loss all four are lost in two of a thousand dials.
CONFIRMATION_REPEATS = 3
CONFIRMATION_INTERVAL = 0.25
CONFIRMATION_ROUND_TRIPS = 3.0


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
        self._confirm_at: float | None = None  # when Quick Mode 3 leaves again
        self._confirm_interval = 0.0
        self.confirmations_repeated = 0
        """How often Quick Mode 3 has been sent again because no ESP was heard."""

    def give_up(self, now: float) -> None:
        """Stops waiting for the answer to the request under way, as if its time were over.

        For an owner that has reason to believe in silence before the policy does.
        """
        if self.transmission.waiting:
            self._give_up(now)

    @property
    def unanswered(self) -> Unanswered | None:
        """The request under way."""
        first, step = self.transmission.first_sent, self._step
        if first is None or step is None:
            return None
        return Unanswered(step.value, self.transmission.transmissions, first, self.transmission.last_sent)

    def _give_up(self, now: float) -> None:
        raise NotImplementedError

    def get_timer(self) -> float | None:
        """Returns when a retransmission, a remark on silence or giving up is due."""
        times = [self.transmission.timer(), self.confirmation.timer(), self._confirm_at]
        if self.transmission.waiting and self._error_at is not None:
            times.append(self._error_at + self._grace())
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Does what is due."""
        self._repeat_unconfirmed(now)
        self._repeat_confirmation(now)
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

    def await_esp(self, now: float) -> None:
        """Quick Mode 3 was just sent and the owner begins to send ESP: repeats it until ESP is heard.

        The end is :meth:`confirm_quick_mode`, or :data:`CONFIRMATION_REPEATS` repetitions.
        """
        self._confirm_interval = max(
            CONFIRMATION_INTERVAL, CONFIRMATION_ROUND_TRIPS * (self.transmission.estimate or 0.0)
        )
        self._confirm_at = now + self._confirm_interval

    def _esp_is_heard(self) -> None:
        """Nothing has to be said again: whoever sends ESP has the SA."""
        self._confirm_at = None

    def _repeat_confirmation(self, now: float) -> None:
        if self._confirm_at is None or now < self._confirm_at:
            return
        self._confirm_at = None
        if not self._flight:
            return
        self.confirmations_repeated += 1
        self._outgoing.extend(self._flight)
        self._flight_at = now
        self._remark(
            now, f"retransmission {self.confirmations_repeated} of {Step.QUICK_3.value}: no ESP heard"
        )
        if self.confirmations_repeated < CONFIRMATION_REPEATS:
            self._confirm_interval *= 2.0
            self._confirm_at = now + self._confirm_interval

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
