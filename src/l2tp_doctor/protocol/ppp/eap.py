"""EAP over PPP as the dialling side: Identity, Notification, Nak, MD5-Challenge and MS-CHAPv2.

RFC 3748 and draft-kamath-pppext-eap-mschapv2-02; the gateway's side is in ``eap_server``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp import mschapv2
from l2tp_doctor.protocol.ppp.auth_common import AuthExchange, AuthOutcome, Credentials
from l2tp_doctor.protocol.ppp.chap import md5_response, read_value_and_name
from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, text_of
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.wire import Reader, WireError

REQUEST, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4


class EapType(enum.IntEnum):
    """EAP types (RFC 3748 §5; 13 RFC 5216, 25 and 26 Microsoft)."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5_CHALLENGE = 4
    TLS = 13
    TTLS = 21
    PEAP = 25
    MSCHAPV2 = 26


class OpCode(enum.IntEnum):
    """OpCodes of EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2 §2)."""

    CHALLENGE = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4
    CHANGE_PASSWORD = 7


DEFAULT_METHODS: tuple[int, ...] = (EapType.MSCHAPV2, EapType.MD5_CHALLENGE)
"""What we can do, best first; everything else is Nak'ed with this list."""


def type_name(number: int) -> str:
    """Returns an EAP type's name, or its number."""
    try:
        return EapType(number).name.replace("_", "-")
    except ValueError:
        return f"type {number}"


@dataclass(frozen=True, slots=True)
class MsChapMessage:
    """The MS-CHAPv2 message inside an EAP packet; ``data`` follows MS-Length, empty in short answers."""

    op_code: int
    identifier: int = 0
    data: bytes = b""
    short: bool = False

    def encode(self) -> bytes:
        """Returns type data: the OpCode alone when ``short``, else with MS-CHAPv2-ID and MS-Length."""
        if self.short:
            return bytes([self.op_code])
        head = bytes([self.op_code, self.identifier])
        return head + (len(self.data) + 4).to_bytes(2, "big") + self.data


def decode_mschap(data: bytes) -> MsChapMessage:
    """Reads EAP-MSCHAPv2 type data.

    MS-Length "MUST be set to the value of the Length field minus 5"; servers that get it wrong are
    common, so only the EAP packet's own length counts.

    Raises:
        WireError: the header is cut off.
    """
    reader = Reader(data)
    op_code = reader.uint8("op code")
    if not reader.remaining:
        return MsChapMessage(op_code, short=True)
    identifier = reader.uint8("MS-CHAPv2-ID")
    reader.uint16("MS-Length")
    return MsChapMessage(op_code, identifier, reader.rest())


class EapClient(AuthExchange):
    """Answers EAP requests."""

    protocol = PppProtocol.EAP

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        credentials: Credentials,
        methods: tuple[int, ...] = DEFAULT_METHODS,
    ) -> None:
        super().__init__(outlet, policy)
        self.offered: list[str] = []
        """Methods the server asked for and we do not do, by name."""
        self._credentials = credentials
        self._methods = methods
        self._request: ControlPacket | None = None
        self._answer: tuple[ControlPacket, str] | None = None
        self._expected = ""
        self._authentic: bool | None = None
        self._message = ""
        self._failure: AuthOutcome | None = None
        self._may_succeed = False

    def start(self, now: float) -> None:
        """Waits for the first request."""
        self._wait_for("eap-request", now)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Takes a Request, Success or Failure."""
        if packet.code == REQUEST:
            self._take_request(packet, now)
        elif packet.code == SUCCESS:
            self._take_success(packet, now)
        elif packet.code == FAILURE:
            self._take_failure(packet, now)
        else:
            self._drop(packet, now, f"EAP code {packet.code}")

    def network_phase_seen(self, now: float) -> None:
        """RFC 3748 §4.2: the peer "MAY, in the event that an EAP Success is not received, conclude" so."""
        if self.outcome is None and self._may_succeed:
            self._outlet.note(self.protocol, now, "EAP Success was lost: the peer is in the network phase")
            self._succeed()

    def _take_request(self, packet: ControlPacket, now: float) -> None:
        if not packet.data:
            raise WireError(4, "type", "missing")
        kind, data = packet.data[0], packet.data[1:]
        summary = f"EAP Request {type_name(kind)}"
        # "If a peer receives a valid duplicate Request ... it MUST resend its original Response" (§4.1).
        if packet == self._request and self._answer is not None:
            self._took(packet, summary, now, repeated=True)
            answer, name = self._answer
            self._say(answer, name, now, repeated=True)
            return
        if self.outcome is not None:
            self._drop(packet, now, summary)
            return
        # A type's answer may raise WireError; then nothing is remembered of a malformed request.
        answered, summary_out = self._respond(packet.identifier, kind, data)
        self._took(
            packet, summary, now, **({"message": text_of(data)} if kind == EapType.NOTIFICATION else {})
        )
        self._request, self._answer = packet, (answered, summary_out)
        self._wait_for("eap-request" if kind == EapType.IDENTITY else "eap-verdict", now)
        self._say(answered, summary_out, now)

    def _respond(self, identifier: int, kind: int, data: bytes) -> tuple[ControlPacket, str]:
        if kind == EapType.IDENTITY:
            return self._response(identifier, kind, self._credentials.name.encode(), "Identity")
        if kind == EapType.NOTIFICATION:
            return self._response(identifier, kind, b"", "Notification")
        if kind == EapType.MD5_CHALLENGE and kind in self._methods:
            value, _server = read_value_and_name(data)
            response = md5_response(identifier, self._credentials.password, value)
            self._may_succeed = True
            body = bytes([len(response)]) + response + self._credentials.name.encode()
            return self._response(identifier, kind, body, "MD5-Challenge")
        if kind == EapType.MSCHAPV2 and kind in self._methods:
            return self._respond_mschap(identifier, decode_mschap(data))
        if type_name(kind) not in self.offered:
            self.offered.append(type_name(kind))
        # §5.3.1 Legacy Nak: the types we want, or zero for none.
        return self._response(identifier, EapType.NAK, bytes(self._methods) or b"\0", "Nak")

    def _respond_mschap(self, identifier: int, message: MsChapMessage) -> tuple[ControlPacket, str]:
        if message.op_code == OpCode.CHALLENGE:
            challenge, _server = read_value_and_name(message.data)
            peer_challenge = self._outlet.random(mschapv2.CHALLENGE_SIZE)
            credentials = self._credentials
            built = mschapv2.build_response(challenge, peer_challenge, credentials.name, credentials.password)
            self._expected = built.expected
            body = bytes([len(built.value)]) + built.value + credentials.name.encode()
            answer = MsChapMessage(OpCode.RESPONSE, message.identifier, body)
        elif message.op_code == OpCode.SUCCESS and self._expected:
            success = mschapv2.check_success(message.data, self._expected)
            self._authentic, self._message = success.authentic, success.message
            self._may_succeed = True
            answer = MsChapMessage(OpCode.SUCCESS, short=True)
        elif message.op_code == OpCode.FAILURE and self._expected:
            failure = mschapv2.parse_failure(text_of(message.data))
            self._failure = AuthOutcome(False, failure.message, failure.error_code, failure.retry)
            answer = MsChapMessage(OpCode.FAILURE, short=True)
        else:
            raise WireError(5, "op code", f"{message.op_code} is not expected now")
        name = OpCode(answer.op_code).name.title()
        return self._response(identifier, EapType.MSCHAPV2, answer.encode(), f"MS-CHAPv2 {name}")

    @staticmethod
    def _response(identifier: int, kind: int, body: bytes, name: str) -> tuple[ControlPacket, str]:
        return ControlPacket(RESPONSE, identifier, bytes([kind]) + body), f"EAP Response {name}"

    def _take_success(self, packet: ControlPacket, now: float) -> None:
        # Before the method is through, a Success "MUST be silently discarded" (§4.2): anybody could send it.
        if self.outcome is not None or not self._may_succeed:
            self._drop(packet, now, "EAP Success")
            return
        self._took(packet, "EAP Success", now)
        self._succeed()

    def _succeed(self) -> None:
        self._finish(AuthOutcome(True, self._message, server_authentic=self._authentic))

    def _take_failure(self, packet: ControlPacket, now: float) -> None:
        if self.outcome is not None:
            self._drop(packet, now, "EAP Failure")
            return
        self._took(packet, "EAP Failure", now)
        if self._failure is not None:
            self._finish(self._failure)
        elif self.offered and not self._expected:
            self._finish(AuthOutcome(False, f"EAP method not possible: {', '.join(self.offered)}"))
        else:
            self._finish(AuthOutcome(False))

    @property
    def known_failure(self) -> AuthOutcome | None:
        """A Failure-Request already received whose EAP Failure may have been lost."""
        return self._failure
