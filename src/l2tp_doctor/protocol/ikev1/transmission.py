"""Retransmission of the one unanswered request of an IKEv1 exchange (RFC 2408 §5.1)."""

from __future__ import annotations

import enum

from l2tp_doctor.protocol.engine import RetransmissionPolicy

# An answer within this share of the time between the last two transmissions belongs to the last.
PROMPT_SHARE = 0.2


class Due(enum.Enum):
    """What a timer call finds."""

    NOTHING = "nothing"
    RESEND = "resend"
    SILENCE = "silence"  # resend is not due, but the silence is worth a remark
    GIVE_UP = "give-up"


class Transmission:
    """Keeps time for one request after another and measures the round-trip time.

    The patience doubles once a retransmission has brought an answer: a path that
    is known to lose packets and to work deserves more tries than one that was never heard.
    """

    def __init__(self, policy: RetransmissionPolicy, silence_after: float = 1.0) -> None:
        self._policy = policy
        self._silence_after = silence_after
        self._first_sent: float | None = None
        self._last_sent = 0.0
        self._interval = 0.0
        self._remarked = False
        self.lossy = False
        """Whether something was answered only after it had been sent again."""
        self._bound: float | None = None  # stands in for the round-trip time until one was measured
        self._gap = 0.0  # between the last two transmissions
        self._ambiguous = 0  # answers in a row that could not be measured
        self.rtt: float | None = None
        self.sent = 0
        self.retransmissions = 0
        self.repeated = 0
        """Requests that were sent more than once; one alone may be a peer that takes its time over it."""
        self.transmissions = 0  # of the request under way
        self._answered = 0
        self._answered_transmissions = 0

    @property
    def waiting(self) -> bool:
        """Whether a request is unanswered."""
        return self._first_sent is not None

    @property
    def estimate(self) -> float | None:
        """The round-trip time, or as long as none was measured a guess at it."""
        return self._bound if self.rtt is None else self.rtt

    def begin(self, now: float) -> None:
        """A new request was sent."""
        self._first_sent = self._last_sent = now
        self._interval = self._policy.first_interval(self.estimate)
        self._remarked = False
        self.transmissions = 1
        self.sent += 1

    @property
    def last_sent(self) -> float:
        """When the request under way was sent last."""
        return self._last_sent

    @property
    def first_sent(self) -> float | None:
        """When the request under way was sent first."""
        return self._first_sent

    def continues(self, first_sent: float | None) -> None:
        """The request just begun takes the place of one sent at ``first_sent``, and inherits its deadline."""
        self._first_sent = first_sent

    def answered(self, now: float) -> float | None:
        """The request was answered; returns the round-trip time where it is unambiguous (Karn)."""
        if self._first_sent is None:
            return None
        self._answered += 1
        self._answered_transmissions += self.transmissions
        sample = now - self._last_sent if self.transmissions == 1 else None
        if sample is not None:
            self._ambiguous = 0
            self.rtt = sample if self.rtt is None else 0.75 * self.rtt + 0.25 * sample
        else:
            self.lossy = True
            # Karn's rule leaves no sample.  Most often the answer belongs to the last transmission, the
            # earlier ones being lost.  But where the path is merely slower than our interval, every request
            # would be sent twice and none ever measured; so the second time the whole wait is believed.
            # Not where the answer came right behind the last transmission: an answer to an earlier one would
            # have to hit that moment by chance.
            since_last = now - self._last_sent
            prompt = since_last <= PROMPT_SHARE * self._gap
            self._ambiguous += 0 if prompt else 1
            self._bound = since_last if prompt or self._ambiguous == 1 else now - self._first_sent
        self._first_sent = None
        return sample

    def superseded(self) -> None:
        """The request needs no answer any more; having had to repeat it is a sign of loss all the same."""
        self.lossy = self.lossy or (self._first_sent is not None and self.transmissions > 1)
        self.cancel()

    def cancel(self) -> None:
        """The request will not be answered; stop sending it."""
        self._first_sent = None

    def answered_again(self) -> None:
        """A copy of an answer arrived: what looked lost was only slow."""
        self._answered = min(self._answered + 1, self._answered_transmissions)

    @property
    def counted(self) -> tuple[int, int]:
        """Answers, and the transmissions they took: :attr:`loss` as two numbers that can be added up."""
        return self._answered, self._answered_transmissions

    @property
    def loss(self) -> float | None:
        """Share of transmissions that brought no answer, among requests answered in the end."""
        if not self._answered_transmissions:
            return None
        return 1.0 - self._answered / self._answered_transmissions

    @property
    def _patience(self) -> float:
        return self._policy.give_up * (2.0 if self.lossy else 1.0)

    @property
    def _silence_limit(self) -> float:
        return max(self._silence_after, 4.0 * self.rtt) if self.rtt is not None else self._silence_after

    def timer(self) -> float | None:
        """When :meth:`due` will next say something."""
        if self._first_sent is None:
            return None
        times = [self._last_sent + self._interval, self._first_sent + self._patience]
        if not self._remarked:
            times.append(self._first_sent + self._silence_limit)
        return min(times)

    def due(self, now: float) -> Due:
        """Returns what is due at ``now``, one thing a call; RESEND counts as sent."""
        if self._first_sent is None:
            return Due.NOTHING
        if now >= self._first_sent + self._patience:
            self._first_sent = None
            return Due.GIVE_UP
        if not self._remarked and now >= self._first_sent + self._silence_limit:
            self._remarked = True
            return Due.SILENCE
        if now >= self._last_sent + self._interval:
            self.resent(now)
            return Due.RESEND
        return Due.NOTHING

    def resent(self, now: float) -> None:
        """The request was sent again, by the timer or because the peer repeated itself."""
        self._gap = now - self._last_sent
        self._last_sent = now
        self._interval = min(self._policy.maximum, self._interval * self._policy.backoff)
        if self.transmissions == 1:
            self.repeated += 1
        self.transmissions += 1
        self.sent += 1
        self.retransmissions += 1
