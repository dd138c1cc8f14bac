"""CHAP exchanges, both roles: MD5 (RFC 1994) and MS-CHAPv2 (RFC 2759)."""

from __future__ import annotations

import hashlib
import hmac

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp import mschapv2
from l2tp_doctor.protocol.ppp.auth_common import (
    AuthExchange,
    AuthOutcome,
    Credentials,
    ForcedFailure,
    ServerAuth,
)
from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, text_of
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import Reader

CHALLENGE, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4

# Responses repeated in vain before the peer's network phase is taken for its verdict.
UNHEARD_RESPONSES = 2
NAMES = {CHALLENGE: "Challenge", RESPONSE: "Response", SUCCESS: "Success", FAILURE: "Failure"}


def md5_response(identifier: int, password: Secret, challenge: bytes) -> bytes:
    """The response value of RFC 1994 §4.1: MD5 over Identifier, secret, Challenge."""
    return hashlib.md5(bytes([identifier]) + password.reveal() + challenge).digest()


def read_value_and_name(data: bytes) -> tuple[bytes, str]:
    """Reads Value-Size, Value and Name (RFC 1994 §4.1).

    Raises:
        WireError: the value is cut off or empty.
    """
    reader = Reader(data)
    size = reader.uint8("value size")
    if not size:
        raise reader.fail("value size", "zero")
    value = reader.raw(size, "value")
    return value, text_of(reader.rest())


class ChapClient(AuthExchange):
    """Answers challenges; here with MD5."""

    protocol = PppProtocol.CHAP
    label = "CHAP"

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy, credentials: Credentials) -> None:
        super().__init__(outlet, policy)
        self._credentials = credentials
        self._challenge: ControlPacket | None = None
        self._response: ControlPacket | None = None

    def start(self, now: float) -> None:
        """Waits for the challenge."""
        self._wait_for("chap-challenge", now)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Takes a Challenge, Success or Failure."""
        name = f"{self.label} {NAMES.get(packet.code, f'code {packet.code}')}"
        if packet.code == CHALLENGE:
            self._answer(packet, name, now)
        elif packet.code in (SUCCESS, FAILURE):
            self._take_verdict(packet, name, now)
        else:
            self._drop(packet, now, name)

    @property
    def verdict_overdue(self) -> bool:
        """Whether the Response was repeated in vain.

        "Because the Success might be lost, the authenticator MUST allow repeated Response packets during the
        Network-Layer Protocol phase" (RFC 1994 §4.2).  SoftEther ignores them there, and never repeats its
        Success (``PPPProcessResponsePacket`` and ``PPPProcessCHAPResponsePacketEx`` in its ``Proto_PPP.c``).
        """
        return self.outcome is None and self._response is not None and self.repetitions >= UNHEARD_RESPONSES

    def network_phase_seen(self, now: float) -> None:
        """A peer that negotiates network protocols has accepted our Response (RFC 1661 §3.5)."""
        if self.verdict_overdue:
            self._outlet.note(self.protocol, now, "the Success was lost: the peer is in the network phase")
            self._outlet.round_trip.lossy = True
            self._finish(AuthOutcome(True))

    def _answer(self, packet: ControlPacket, summary: str, now: float) -> None:
        value, server = read_value_and_name(packet.data)
        # The same challenge again: our response was lost, "the same ... Response" is due (RFC 1994 §4.1),
        # and MS-CHAPv2 must not draw a new peer challenge for it.
        if packet != self._challenge or self._response is None:
            response = self._value(packet.identifier, value)
            data = bytes([len(response)]) + response + self._credentials.name.encode()
            self._challenge = packet
            self._response = ControlPacket(RESPONSE, packet.identifier, data)
        self._took(packet, summary, now, server=server)
        summary = f"{self.label} Response"
        if self.outcome is None:
            self._ask("chap-verdict", self._response, summary, now, name=self._credentials.name)
        else:  # challenged again during the network phase (RFC 1994 §2): answered, nothing to wait for
            self._say(self._response, summary, now, name=self._credentials.name)

    def _take_verdict(self, packet: ControlPacket, summary: str, now: float) -> None:
        if self.outcome is not None or self._response is None:
            self._drop(packet, now, summary)
            return
        if packet.identifier != self._response.identifier:
            self._drop(packet, now, summary)
            return
        outcome = self._success(packet.data) if packet.code == SUCCESS else self._failure(packet.data)
        self._took(packet, summary, now, message=outcome.message, error_code=outcome.error_code)
        self._answered(now)
        self._finish(outcome)

    def _value(self, identifier: int, challenge: bytes) -> bytes:
        return md5_response(identifier, self._credentials.password, challenge)

    def _success(self, data: bytes) -> AuthOutcome:
        return AuthOutcome(True, text_of(data))

    def _failure(self, data: bytes) -> AuthOutcome:
        failure = mschapv2.parse_failure(text_of(data))
        return AuthOutcome(False, failure.message, failure.error_code, failure.retry)


class MsChapV2Client(ChapClient):
    """MS-CHAPv2 as the dialling side."""

    label = "MS-CHAPv2"

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy, credentials: Credentials) -> None:
        super().__init__(outlet, policy, credentials)
        self._expected = ""

    def _value(self, identifier: int, challenge: bytes) -> bytes:
        peer_challenge = self._outlet.random(mschapv2.CHALLENGE_SIZE)
        credentials = self._credentials
        built = mschapv2.build_response(challenge, peer_challenge, credentials.name, credentials.password)
        self._expected = built.expected
        return built.value

    def _success(self, data: bytes) -> AuthOutcome:
        success = mschapv2.check_success(data, self._expected)
        return AuthOutcome(True, success.message, server_authentic=success.authentic)


class ChapServer(AuthExchange):
    """Sends the challenge and judges the response; here with MD5."""

    protocol = PppProtocol.CHAP
    label = "CHAP"

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy, server: ServerAuth) -> None:
        super().__init__(outlet, policy)
        self._server = server
        self._identifier = outlet.exchange_identifier()
        self._challenge = outlet.random(mschapv2.CHALLENGE_SIZE)
        self._verdict: ControlPacket | None = None

    def start(self, now: float) -> None:
        """Sends the challenge."""
        data = bytes([len(self._challenge)]) + self._challenge + self._server.name.encode()
        packet = ControlPacket(CHALLENGE, self._identifier, data)
        self._ask("chap-response", packet, f"{self.label} Challenge", now, server=self._server.name)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Judges the response; a repeated one gets the same verdict (RFC 1994 §4.2)."""
        name = f"{self.label} {NAMES.get(packet.code, f'code {packet.code}')}"
        if packet.code != RESPONSE or packet.identifier != self._identifier:
            self._drop(packet, now, name)
            return
        value, user = read_value_and_name(packet.data)
        if self._verdict is None:
            self._verdict = self._judge(value, user)
            self._answered(now)
        self._took(packet, name, now, name=user)
        summary = f"{self.label} {NAMES[self._verdict.code]}"
        self._say(self._verdict, summary, now, message=self.outcome.message if self.outcome else "")

    def _judge(self, value: bytes, user: str) -> ControlPacket:
        forced = self._server.forced
        text = None if forced else self._verify(value, user, self._server.password_of(user))
        if text is not None:
            self._finish(AuthOutcome(True, "Access granted"))
            return ControlPacket(SUCCESS, self._identifier, text.encode())
        failure = forced or ForcedFailure(691)
        message = failure.message or mschapv2.DEFAULT_MESSAGES.get(failure.error_code, "")
        self._finish(AuthOutcome(False, message, failure.error_code, failure.retry))
        return ControlPacket(FAILURE, self._identifier, self._failure_text(failure).encode())

    def _verify(self, value: bytes, user: str, password: Secret | None) -> str | None:
        if password is None:
            return None
        expected = md5_response(self._identifier, password, self._challenge)
        return "Access granted" if hmac.compare_digest(expected, value) else None

    def _failure_text(self, failure: ForcedFailure) -> str:
        return failure.message or mschapv2.DEFAULT_MESSAGES.get(failure.error_code, "")


class MsChapV2Server(ChapServer):
    """MS-CHAPv2 as the gateway."""

    label = "MS-CHAPv2"

    def _verify(self, value: bytes, user: str, password: Secret | None) -> str | None:
        proof = mschapv2.verify_response(value, self._challenge, user, password)
        return None if proof is None else f"{proof} M=Access granted"

    def _failure_text(self, failure: ForcedFailure) -> str:
        return mschapv2.failure_text(failure, self._challenge)
