"""Round-trip estimation and the retransmission timer all PPP exchanges share."""

from __future__ import annotations

from l2tp_doctor.protocol.engine import RetransmissionPolicy

# A path known to lose packets is a reason to repeat that a slow gateway is not: there the restart timer need
# not be as patient as its policy, which is made for gateways that work each repetition off.  Seconds.
LOSSY_MINIMUM = 0.4
LOSSY_MAXIMUM = 1.0

_EPSILON = 1e-9  # a driver may call exactly at the time get_timer() gave; float sums must not miss it


class RoundTrip:
    """The smoothed round-trip time of a link (RFC 6298 §2: one eighth of each new sample)."""

    def __init__(self, initial: float | None = None, *, lossy: bool = False) -> None:
        self.smoothed = initial
        self.lossy = lossy
        """Whether something, in either direction, was answered only after it had been repeated."""

    def sample(self, seconds: float) -> None:
        """Takes a measured round trip; the caller leaves out retransmitted messages (Karn)."""
        if self.smoothed is None:
            self.smoothed = seconds
        else:
            self.smoothed += (seconds - self.smoothed) / 8


class RestartTimer:
    """RFC 1661 §4.6 Restart timer with back-off and a limit on the whole wait.

    ``give_up`` bounds the wait in seconds whatever the counter says, so that a diagnosis ends in time.
    """

    def __init__(self, policy: RetransmissionPolicy, round_trip: RoundTrip) -> None:
        self._policy = policy
        self._round_trip = round_trip
        self._interval = 0.0
        self._give_up_at = 0.0
        self.due: float | None = None
        """When the timer expires next; ``None`` while stopped."""

    def begin(self, now: float) -> None:
        """Starts a new wait with the first interval and a fresh limit."""
        self._interval = self._first_interval()
        # A path known to lose packets and to work deserves more tries, as in IKE.
        self._give_up_at = now + self._policy.give_up * (2.0 if self._round_trip.lossy else 1.0)
        self.due = min(now + self._interval, self._give_up_at)

    def _first_interval(self) -> float:
        rtt = self._round_trip.smoothed
        usual = self._policy.first_interval(rtt)
        if not self._round_trip.lossy or rtt is None:
            return usual
        return min(usual, max(LOSSY_MINIMUM, self._policy.rtt_factor * rtt))

    def again(self, now: float) -> None:
        """Waits the next, longer interval of the same wait."""
        longest = self._policy.maximum
        if self._round_trip.lossy:
            longest = min(longest, max(LOSSY_MAXIMUM, self._first_interval()))  # never ahead of the answer
        self._interval = min(longest, self._interval * self._policy.backoff)
        self.due = min(now + self._interval, max(self._give_up_at, now + self._policy.minimum))

    def prolong(self, now: float) -> None:
        """The peer has shown life: the wait lasts at least as long again, at the same pace."""
        self._give_up_at = max(self._give_up_at, now + self._policy.give_up)

    def stop(self) -> None:
        """Stops the timer."""
        self.due = None

    def expired(self, now: float) -> bool:
        """Tells whether the timer runs and is due."""
        return self.due is not None and now >= self.due - _EPSILON

    def exhausted(self, now: float) -> bool:
        """Tells whether the whole wait is over."""
        return now >= self._give_up_at - _EPSILON
