"""The time within which a request must be answered by more than an acknowledgement."""

from __future__ import annotations

from collections.abc import Callable

from l2tp_doctor.protocol.engine import RetransmissionPolicy


class ReplyWait:
    """Waits for SCCRP, SCCCN, ICRP or ICCN: a peer may acknowledge a request and never act on it.

    As long as the request is not even acknowledged, the reliable delivery tells of that itself.  The peer's
    own time for its reply begins with the acknowledgement: over a poor path the request may have been on its
    way for nearly all of the time that we are patient.

    Args:
        policy: ``give_up`` is how long a reply may take, in seconds.
        waits_for: whether a message of that name is not acknowledged yet.
    """

    def __init__(self, policy: RetransmissionPolicy, waits_for: Callable[[str], bool]) -> None:
        self._policy = policy
        self._waits_for = waits_for
        self._request: str | None = None
        self._acknowledged = False
        self.due: float | None = None
        """When :meth:`overdue` has to be asked next; ``None`` while nothing is waited for."""

    def begin(self, request: str, now: float) -> None:
        """A request, named as in the trace, is sent now."""
        self._request, self._acknowledged = request, False
        self.due = now + self._policy.give_up

    def end(self) -> None:
        """The reply has come, or is not wanted any more."""
        self._request = self.due = None

    def look_for_acknowledgement(self, now: float) -> None:
        """Something has arrived that may have acknowledged the request."""
        if self._request is not None and not self._acknowledged and not self._waits_for(self._request):
            self._acknowledged = True
            self.due = now + self._policy.give_up

    def overdue(self, now: float) -> str | None:
        """Returns the request whose reply is overdue, once; the wait is over then."""
        if self.due is None or self._request is None or now < self.due:
            return None
        if not self._acknowledged:
            self.due += self._policy.minimum
            return None
        request = self._request
        self.end()
        return request
