"""What all authentication protocols share: names, credentials, outcome, and the exchange's skeleton."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, decode_control_packet
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.ppp.timers import RestartTimer
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError


class AuthProtocol(enum.Enum):
    """Authentication protocols by the name Windows and its administrators use."""

    PAP = "PAP"
    CHAP = "CHAP"
    MSCHAPV1 = "MS-CHAP"
    MSCHAPV2 = "MS-CHAPv2"
    EAP = "EAP"


OPTION_DATA: Mapping[AuthProtocol, bytes] = {
    AuthProtocol.PAP: b"\xc0\x23",
    AuthProtocol.CHAP: b"\xc2\x23\x05",
    AuthProtocol.MSCHAPV1: b"\xc2\x23\x80",
    AuthProtocol.MSCHAPV2: b"\xc2\x23\x81",
    AuthProtocol.EAP: b"\xc2\x27",
}
"""Data of LCP option 3 (RFC 1334 §2.1, RFC 1994 §3, RFC 2433 §3, RFC 2759 §3, RFC 3748 §3.1)."""

BY_OPTION_DATA: Mapping[bytes, AuthProtocol] = {data: protocol for protocol, data in OPTION_DATA.items()}

USABLE = frozenset({AuthProtocol.PAP, AuthProtocol.CHAP, AuthProtocol.MSCHAPV2, AuthProtocol.EAP})
"""MS-CHAPv1 is only ever refused: Windows has not offered it since Vista."""

_SHORTEST_HURRY = 0.03
"""Seconds; on a path of no length at all every packet would look overdue."""

Authenticator = Callable[[str], Secret | None]
"""Returns the password of a user name, or ``None`` for a name that does not exist."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's name and password.  ``domain`` is put before the name as Windows does."""

    username: str
    password: Secret
    domain: str | None = None

    @property
    def name(self) -> str:
        """The name as sent: ``DOMAIN\\user`` or ``user``."""
        return f"{self.domain}\\{self.username}" if self.domain else self.username


@dataclass(frozen=True, slots=True)
class ForcedFailure:
    """A server's fault switch: refuse whoever comes with this code and these words (RFC 2759 §6)."""

    error_code: int = 691
    message: str = ""
    retry: bool = False


@dataclass(frozen=True, slots=True)
class ServerAuth:
    """How a server authenticates its clients."""

    authenticator: Authenticator
    name: str = "gateway"
    forced: ForcedFailure | None = None

    def password_of(self, name: str) -> Secret | None:
        """Returns the password for a name with or without its domain."""
        found = self.authenticator(name)
        if found is None and "\\" in name:
            return self.authenticator(name.rpartition("\\")[2])
        return found


@dataclass(frozen=True, slots=True)
class AuthOutcome:
    """How an exchange ended; the fields are those of the AuthSucceeded and AuthFailed events."""

    success: bool
    message: str = ""
    error_code: int | None = None
    retry: bool = False
    server_authentic: bool | None = None


class AuthExchange:
    """One authentication in one direction.

    ``outcome`` is set when it is over, ``silent_step`` when the peer stopped answering.  The exchange
    stays in use afterwards, to answer repeated messages whose answers were lost.
    """

    protocol: ClassVar[int]

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy) -> None:
        self.outcome: AuthOutcome | None = None
        self.silent_step: str | None = None
        self._outlet = outlet
        self._timer = RestartTimer(policy, outlet.round_trip)
        self._step = ""
        self._repeat: tuple[ControlPacket, str] | None = None
        self._sent_at: float | None = None
        self._last_sent_at = 0.0
        self._policy = policy
        self.repetitions = 0
        """How often the message under way has been sent again."""

    def start(self, now: float) -> None:
        """Begins: sends the first message, or waits for it."""
        raise NotImplementedError

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Takes a well-framed packet."""
        raise NotImplementedError

    @property
    def verdict_overdue(self) -> bool:
        """Whether the peer may have said that all is well without our hearing it."""
        return False

    def network_phase_seen(self, now: float) -> None:
        """The peer has gone on to the network phase: a lost success message, where that is certain."""

    def receive(self, payload: bytes, now: float) -> None:
        """Takes one packet; never raises for its content."""
        try:
            packet = decode_control_packet(payload)
            self.handle_packet(packet, now)
        except WireError as error:
            self._outlet.dropped(self.protocol, len(payload), now, str(error), "malformed")

    def get_timer(self) -> float | None:
        """Returns when the exchange wants to be called."""
        return self._timer.due

    def handle_timer(self, now: float) -> None:
        """Repeats the last message, or gives up."""
        if not self._timer.expired(now):
            return
        if self._timer.exhausted(now):
            self._timer.stop()
            self.silent_step = self._step
            return
        self._timer.again(now)
        self._send_again(now)

    def hurry(self, now: float) -> None:
        """The peer has gone on without us: repeats what is overdue without waiting for the timer.

        Overdue is what has been unanswered for more than a round trip; its answer is lost then.
        """
        rtt = self._outlet.round_trip.smoothed
        patience = self._policy.initial if rtt is None else max(1.5 * rtt, _SHORTEST_HURRY)
        if self.outcome is None and now - self._last_sent_at > patience:
            self._send_again(now)

    def _send_again(self, now: float) -> None:
        if self._repeat is not None:
            packet, summary = self._repeat
            self.repetitions += 1
            self._sent_at = None
            self._last_sent_at = now
            self._outlet.send(self.protocol, packet.encode(), now, summary, {"repeated": True})

    def _wait_for(self, step: str, now: float) -> None:
        """Waits without repeating anything."""
        self._step, self._repeat = step, None
        self._timer.begin(now)

    def _ask(self, step: str, packet: ControlPacket, summary: str, now: float, **fields: object) -> None:
        """Sends a message and repeats it until :meth:`_answered`."""
        self._step, self._repeat, self._sent_at = step, (packet, summary), now
        self._last_sent_at = now
        self.repetitions = 0
        self._timer.begin(now)
        self._outlet.send(self.protocol, packet.encode(), now, summary, fields)

    def _say(self, packet: ControlPacket, summary: str, now: float, **fields: object) -> None:
        """Sends a message nobody answers."""
        self._outlet.send(self.protocol, packet.encode(), now, summary, fields)

    def _answered(self, now: float) -> None:
        """What was asked is answered: stops the timer and measures the round trip."""
        if self._sent_at is not None:
            self._outlet.round_trip.sample(now - self._sent_at)
        elif self.repetitions:
            self._outlet.round_trip.lossy = True
        self._sent_at = None
        self._repeat = None
        self._timer.stop()

    def _finish(self, outcome: AuthOutcome) -> None:
        self._timer.stop()
        self._repeat = None
        if self.outcome is None:
            self.outcome = outcome

    def _took(self, packet: ControlPacket, summary: str, now: float, **fields: object) -> None:
        self._outlet.received(self.protocol, len(packet.data) + 4, now, summary, fields)

    def _drop(self, packet: ControlPacket, now: float, summary: str, trigger: str = "unexpected") -> None:
        self._outlet.dropped(self.protocol, len(packet.data) + 4, now, summary, trigger)


def clear_text(password: Secret) -> str:
    """Returns the password as text; octets that are not UTF-8 are kept as surrogates."""
    return password.reveal().decode("utf-8", "surrogateescape")
