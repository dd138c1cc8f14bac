"""EAP over PPP as the gateway: Identity, then one method the client accepts (RFC 3748)."""

from __future__ import annotations

import hmac

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp import mschapv2
from l2tp_doctor.protocol.ppp.auth_common import AuthExchange, AuthOutcome, ForcedFailure, ServerAuth
from l2tp_doctor.protocol.ppp.chap import md5_response, read_value_and_name
from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, text_of
from l2tp_doctor.protocol.ppp.eap import (
    DEFAULT_METHODS,
    FAILURE,
    REQUEST,
    RESPONSE,
    SUCCESS,
    EapType,
    MsChapMessage,
    OpCode,
    decode_mschap,
    type_name,
)
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.outlet import Outlet


class EapServer(AuthExchange):
    """Asks for the identity and runs the first method in ``methods`` that the client does not refuse.

    A method we cannot do (PEAP, TLS) may be listed: it is asked for and nothing else is accepted in its
    place, which is what a gateway with an EAP policy the client lacks looks like.
    """

    protocol = PppProtocol.EAP

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        server: ServerAuth,
        methods: tuple[int, ...] = DEFAULT_METHODS,
    ) -> None:
        super().__init__(outlet, policy)
        self._server = server
        self._methods = list(methods)
        self._identifier = outlet.exchange_identifier()
        self._challenge = outlet.random(mschapv2.CHALLENGE_SIZE)
        self._stage = int(EapType.IDENTITY)
        self._op_code = int(OpCode.CHALLENGE)
        self._name = ""
        self._failure: ForcedFailure | None = None
        self._verdict: ControlPacket | None = None
        self._last_response: ControlPacket | None = None

    def start(self, now: float) -> None:
        """Asks for the identity."""
        self._request(EapType.IDENTITY, b"", "Identity", now)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Takes a Response to the outstanding request."""
        if packet.code != RESPONSE or not packet.data:
            self._drop(packet, now, f"EAP code {packet.code}")
            return
        kind = packet.data[0]
        summary = f"EAP Response {type_name(kind)}"
        if self._verdict is not None:
            self._repeat_verdict(packet, summary, now)
            return
        if packet.identifier != self._identifier or kind not in (self._stage, EapType.NAK):
            self._drop(packet, now, summary)
            return
        body = packet.data[1:]
        if kind == EapType.IDENTITY:
            self._name = text_of(body)
        self._took(packet, summary, now, **({"name": self._name} if kind == EapType.IDENTITY else {}))
        self._last_response = packet
        if kind == EapType.IDENTITY:
            self._answered(now)
            self._begin_method(now)
        elif kind == EapType.NAK:
            self._answered(now)
            self._change_method(body, now)
        elif kind == EapType.MD5_CHALLENGE:
            self._judge_md5(packet.identifier, body, now)
        else:
            self._judge_mschap(body, now)

    def _repeat_verdict(self, packet: ControlPacket, summary: str, now: float) -> None:
        if packet == self._last_response and self._verdict is not None:
            self._took(packet, summary, now, repeated=True)
            self._say(self._verdict, "EAP Success" if self._verdict.code == SUCCESS else "EAP Failure", now)
        else:
            self._drop(packet, now, summary)

    def _request(self, kind: int, body: bytes, name: str, now: float) -> None:
        self._stage = kind
        self._identifier = (self._identifier + 1) & 0xFF
        packet = ControlPacket(REQUEST, self._identifier, bytes([kind]) + body)
        self._ask("eap-response", packet, f"EAP Request {name}", now)

    def _begin_method(self, now: float) -> None:
        if not self._methods:
            self._fail(ForcedFailure(691, "no EAP method in common"), now)
            return
        method = self._methods[0]
        name = self._server.name.encode()
        challenge = bytes([len(self._challenge)]) + self._challenge + name
        if method == EapType.MSCHAPV2:
            identifier = (self._identifier + 1) & 0xFF
            self._op_code = OpCode.CHALLENGE
            body = MsChapMessage(OpCode.CHALLENGE, identifier, challenge).encode()
            self._request(method, body, "MS-CHAPv2 Challenge", now)
        elif method == EapType.MD5_CHALLENGE:
            self._request(method, challenge, "MD5-Challenge", now)
        else:  # a TLS based method starts with the S flag (RFC 5216 §3.1)
            self._request(method, b"\x20", type_name(method), now)

    def _change_method(self, wanted: bytes, now: float) -> None:
        refused = self._methods.pop(0) if self._methods else 0
        self._methods = [method for method in self._methods if method in wanted and method != refused]
        self._begin_method(now)

    def _judge_md5(self, identifier: int, body: bytes, now: float) -> None:
        value, _name = read_value_and_name(body)
        self._answered(now)
        password = self._server.password_of(self._name)
        good = password is not None and hmac.compare_digest(
            md5_response(identifier, password, self._challenge), value
        )
        if good and self._server.forced is None:
            self._succeed(now)
        else:
            self._fail(self._server.forced or ForcedFailure(691), now)

    def _judge_mschap(self, body: bytes, now: float) -> None:
        if self._stage != EapType.MSCHAPV2:  # a TLS method somebody answered: we cannot go on
            self._fail(ForcedFailure(691, "method not implemented"), now)
            return
        message = decode_mschap(body)
        if message.op_code == OpCode.RESPONSE and self._op_code == OpCode.CHALLENGE:
            value, name = read_value_and_name(message.data)
            proof = mschapv2.verify_response(value, self._challenge, name, self._server.password_of(name))
            self._answered(now)
            self._send_verdict_request(proof, message.identifier, now)
        elif message.op_code == OpCode.SUCCESS and self._op_code == OpCode.SUCCESS:
            self._answered(now)
            self._succeed(now)
        elif self._failure is not None:
            self._answered(now)
            self._fail(self._failure, now)

    def _send_verdict_request(self, proof: str | None, identifier: int, now: float) -> None:
        forced = self._server.forced
        if proof is not None and forced is None:
            self._op_code, name = OpCode.SUCCESS, "MS-CHAPv2 Success"
            text = f"{proof} M=Access granted"
        else:
            self._failure = forced or ForcedFailure(691)
            self._op_code, name = OpCode.FAILURE, "MS-CHAPv2 Failure"
            text = mschapv2.failure_text(self._failure, self._challenge)
        body = MsChapMessage(self._op_code, identifier, text.encode()).encode()
        self._request(EapType.MSCHAPV2, body, name, now)

    def _succeed(self, now: float) -> None:
        self._finish(AuthOutcome(True, "Access granted"))
        self._verdict = ControlPacket(SUCCESS, self._identifier)
        self._say(self._verdict, "EAP Success", now)

    def _fail(self, failure: ForcedFailure, now: float) -> None:
        message = failure.message or mschapv2.DEFAULT_MESSAGES.get(failure.error_code, "")
        self._finish(AuthOutcome(False, message, failure.error_code, failure.retry))
        self._verdict = ControlPacket(FAILURE, self._identifier)
        self._say(self._verdict, "EAP Failure", now)
