"""Password Authentication Protocol, both roles (RFC 1334 §2)."""

from __future__ import annotations

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.auth_common import AuthExchange, AuthOutcome, Credentials, ServerAuth
from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, text_of
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.mschapv2 import DEFAULT_MESSAGES, parse_failure
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import Reader

REQUEST, ACK, NAK = 1, 2, 3


class PapClient(AuthExchange):
    """Sends the Authenticate-Request until it is answered."""

    protocol = PppProtocol.PAP

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy, credentials: Credentials) -> None:
        super().__init__(outlet, policy)
        self._credentials = credentials
        self._identifier = outlet.exchange_identifier()

    def start(self, now: float) -> None:
        """Sends the request."""
        name = self._credentials.name.encode()[:255]
        password = self._credentials.password.reveal()[:255]
        data = bytes([len(name)]) + name + bytes([len(password)]) + password
        packet = ControlPacket(REQUEST, self._identifier, data)
        self._ask("pap-verdict", packet, "PAP Authenticate-Request", now, name=self._credentials.name)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Takes the Ack or Nak."""
        if packet.code not in (ACK, NAK):
            self._drop(packet, now, f"PAP code {packet.code}")
            return
        name = "PAP Authenticate-Ack" if packet.code == ACK else "PAP Authenticate-Nak"
        if self.outcome is not None or packet.identifier != self._identifier:
            self._drop(packet, now, name)
            return
        # "Message ... zero or more octets": some servers leave even its length out.
        message = text_of(packet.data[1 : 1 + packet.data[0]]) if packet.data else ""
        self._took(packet, name, now, message=message)
        self._answered(now)
        code = None if packet.code == ACK else parse_failure(message).error_code
        self._finish(AuthOutcome(packet.code == ACK, message, code))


class PapServer(AuthExchange):
    """Waits for a request and answers it; repeated requests get the same answer (RFC 1334 §2.2.1)."""

    protocol = PppProtocol.PAP

    def __init__(self, outlet: Outlet, policy: RetransmissionPolicy, server: ServerAuth) -> None:
        super().__init__(outlet, policy)
        self._server = server

    def start(self, now: float) -> None:
        """Waits."""
        self._wait_for("pap-request", now)

    def handle_packet(self, packet: ControlPacket, now: float) -> None:
        """Checks a request; the first one decides."""
        if packet.code != REQUEST:
            self._drop(packet, now, f"PAP code {packet.code}")
            return
        reader = Reader(packet.data)
        name = reader.raw(reader.uint8("name length"), "name").decode("utf-8", "replace")
        given = Secret(reader.raw(reader.uint8("password length"), "password"))
        self._took(packet, "PAP Authenticate-Request", now, name=name)
        if self.outcome is None:
            self._finish(self._decide(name, given))
        outcome = self.outcome
        if outcome is None:
            return
        text = outcome.message.encode()[:255]
        code, summary = (ACK, "PAP Authenticate-Ack") if outcome.success else (NAK, "PAP Authenticate-Nak")
        answer = ControlPacket(code, packet.identifier, bytes([len(text)]) + text)
        self._say(answer, summary, now, message=outcome.message)

    def _decide(self, name: str, given: Secret) -> AuthOutcome:
        forced = self._server.forced
        if forced is not None:
            message = forced.message or DEFAULT_MESSAGES.get(forced.error_code, "")
            return AuthOutcome(False, message, forced.error_code)
        password = self._server.password_of(name)
        if password is not None and password == given:
            return AuthOutcome(True, "Login ok")
        return AuthOutcome(False, "Login incorrect", 691)
