"""The IKEv1 responder for one initiator: Main or Aggressive Mode, then Quick Modes.

It is the counterpart of :mod:`.initiator` for the embedded gateway and for tests that
join two engines.  Whoever owns the socket keeps one responder for each initiator cookie.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from l2tp_doctor.protocol import crypto, nat_t
from l2tp_doctor.protocol.crypto import CryptoError, DiffieHellman
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, TraceSink, discard_trace
from l2tp_doctor.protocol.ikev1 import events, informational
from l2tp_doctor.protocol.ikev1.authentication import Authenticator, certificate_identity, holds_proof
from l2tp_doctor.protocol.ikev1.endpoint import (
    ClearCopySink,
    MessageRefusedError,
    discard_clear_copy,
    first_of,
    require,
)
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.inputs import Input, Received, classify
from l2tp_doctor.protocol.ikev1.keys import Phase1Secrets
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    PathAddresses,
    Phase1Transform,
    ResponderPolicy,
    address_identity,
    decode_phase1,
)
from l2tp_doctor.protocol.ikev1.quick_responder import QuickModeResponder
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, Opened, payload_body
from l2tp_doctor.protocol.isakmp.constants import (
    AuthenticationMethod,
    ExchangeType,
    NotifyType,
    ProtocolId,
    name_of,
)
from l2tp_doctor.protocol.isakmp.message import Header, Message, decode_message, encode_message
from l2tp_doctor.protocol.isakmp.payloads import (
    Delete,
    Identification,
    KeyExchange,
    NatDiscovery,
    Nonce,
    Notify,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
    VendorId,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import (
    FRAGMENTATION,
    NAT_T_DRAFT_02,
    NAT_T_DRAFT_02_NEWLINE,
    NAT_T_DRAFT_03,
    RFC_3947,
)
from l2tp_doctor.protocol.wire import WireError

NO_COOKIE = bytes(8)
_DRAFTS = frozenset(entry.value for entry in (NAT_T_DRAFT_02, NAT_T_DRAFT_02_NEWLINE, NAT_T_DRAFT_03))


class State(enum.Enum):
    """Where the responder stands."""

    IDLE = "idle"
    MAIN_2_SENT = "main-2-sent"
    MAIN_4_SENT = "main-4-sent"
    AGGRESSIVE_2_SENT = "aggressive-2-sent"
    ESTABLISHED = "established"
    REFUSED = "refused"
    CLOSED = "closed"


class Ikev1Responder(QuickModeResponder):
    """Answers one initiator.

    Args:
        policy: what is accepted.
        paths: from the responder's side: ``local`` is the gateway, ``remote`` the peer as seen.
        credentials: what the responder proves itself with.
        random: source of the cookie, nonces, SPIs and private values.
        trace: hears every message.
        clear_copies: gets the clear text of every encrypted message.
    """

    def __init__(
        self,
        policy: ResponderPolicy,
        paths: PathAddresses,
        credentials: Credentials,
        random: RandomSource,
        trace: TraceSink = discard_trace,
        clear_copies: ClearCopySink = discard_clear_copy,
    ) -> None:
        super().__init__(
            random,
            trace,
            clear_copies,
            policy.fragment_size,
            suites=policy.suites,
            paths=paths,
            nonce_size=policy.nonce_size,
            retransmission=policy.retransmission,
            require_pfs=policy.require_pfs,
        )
        self._policy = policy
        self._credentials = credentials
        self.state = State.IDLE
        self.channel = Channel.IKE
        self.cookie = NO_COOKIE
        """The initiator's cookie, once its first message was read."""
        self._own_cookie = random(8)
        self._transform: Phase1Transform | None = None
        self._offer: SecurityAssociation | None = None
        self._dh: DiffieHellman | None = None
        self._nonce = random(policy.nonce_size)
        self._nat_t = False
        self._nat_t_draft = False
        self._authenticator: Authenticator | None = None
        self._initiator_identity: Identification | None = None

    # -- the six calls (receive, datagrams_to_send and next_event are the endpoint's) ---------

    def start(self, now: float) -> None:
        """A responder waits; nothing happens."""

    def get_timer(self) -> float | None:
        """Returns when an unconfirmed last message is due again."""
        return self.confirmation.timer()

    def handle_timer(self, now: float) -> None:
        """Sends the unconfirmed last message again, or gives up on it."""
        self._repeat_unconfirmed(now)

    def close(self, now: float) -> None:
        """Deletes the ESP SAs and the ISAKMP SA."""
        if self._sa is not None and self.state is State.ESTABLISHED:
            for quick in self._quick_modes.values():
                self._delete_esp(now, quick.our_spi)
            gone = informational.delete_isakmp(self.cookie, self._own_cookie)
            self._send_sealed(now, "Delete ISAKMP", [gone])
        self.state = self._forget()
        self._emit(events.Closed())

    def _forget(self) -> State:
        self._forget_answers()
        return State.CLOSED

    # -- dispatch -----------------------------------------------------------------------------

    def _dispatch(self, raw: bytes, header: Header, datagram: Datagram, now: float) -> None:
        if header.major != 1:
            raise MessageRefusedError("other-version", f"IKE major version {header.major}")
        if self.cookie not in (NO_COOKIE, header.initiator_cookie):
            raise MessageRefusedError("unknown-cookie")
        if header.responder_cookie not in (NO_COOKIE, self._own_cookie):
            raise MessageRefusedError("unknown-cookie")
        message = decode_message(raw)
        kind = _classify_for_responder(message)
        if kind is None:
            raise MessageRefusedError("unknown-exchange", name_of(ExchangeType, header.exchange))
        handler = TABLE.get((self.state, kind))
        if handler is None:
            raise MessageRefusedError("unexpected", f"{kind.value} in state {self.state.value}")
        try:
            self.state = handler(self, Received(raw, message, datagram), now)
        except CryptoError as error:
            raise MessageRefusedError("bad-key-exchange", str(error)) from error

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        del header
        self._drop(now, len(raw), "duplicate")
        self._outgoing.extend(self._answers.get(raw, ()))

    # -- Main Mode ----------------------------------------------------------------------------

    def _header(self, exchange: int) -> Header:
        return Header(self.cookie, self._own_cookie, exchange, 0, 0)

    def _on_main_1(self, received: Received, now: float) -> State:
        self._received(now, "Main Mode 1", received.message, received.raw, received.datagram)
        if not self._policy.main_mode:
            return self._refuse(received, now, NotifyType.UNSUPPORTED_EXCHANGE_TYPE)
        answer = self._choose(received.message)
        if answer is None:
            return self._refuse(received, now, NotifyType.NO_PROPOSAL_CHOSEN)
        self.cookie = received.message.header.initiator_cookie
        self._take_vendor_ids(received.message)
        payloads: list[Payload] = [answer, *self._vendor_ids()]
        message = encode_message(self._header(ExchangeType.IDENTITY_PROTECTION), payloads)
        self._answer(now, received, "Main Mode 2", message, payloads)
        return State.MAIN_2_SENT

    def _choose(self, message: Message) -> SecurityAssociation | None:
        offer = require(message.payloads, SecurityAssociation, "SA")
        acceptable = {transform.key for transform in self._policy.transforms}
        for proposal in offer.proposals:
            if proposal.protocol != ProtocolId.ISAKMP:
                continue
            for transform in proposal.transforms:
                decoded = decode_phase1(transform)
                if decoded is not None and decoded.key in acceptable:
                    self._transform = decoded
                    self._offer = offer
                    return _answer_with(proposal, transform)
        return None

    def _refuse(self, received: Received, now: float, notify_type: int) -> State:
        if self._policy.notify_on_mismatch:
            payloads: list[Payload] = [Notify(notify_type, ProtocolId.ISAKMP)]
            header = Header(
                received.message.header.initiator_cookie,
                self._own_cookie,
                ExchangeType.INFORMATIONAL,
                0,
                self._random_message_id(),
            )
            message = encode_message(header, payloads)
            self._send(now, received.datagram.channel, message, "Informational", payloads)
        return State.IDLE

    def _take_vendor_ids(self, message: Message) -> None:
        received = {payload.data for payload in message.payloads if isinstance(payload, VendorId)}
        ours = set(self._policy.vendor_ids)
        if self._policy.nat_t:
            self._nat_t = RFC_3947.value in received & ours
            if not self._nat_t and received & ours & _DRAFTS:
                self._nat_t = self._nat_t_draft = True
        self._peer_fragments = self._policy.fragmentation and any(
            data.startswith(FRAGMENTATION.value) for data in received
        )

    def _vendor_ids(self) -> list[Payload]:
        return [VendorId(data) for data in self._policy.vendor_ids]

    def _on_main_3(self, received: Received, now: float) -> State:
        self._received(now, "Main Mode 3", received.message, received.raw, received.datagram)
        secrets = self._exchange_keys(received.message)
        self._judge_nat(received)
        if self._dh is None:
            raise ValueError("the key exchange has not been started")
        payloads: list[Payload] = [
            KeyExchange(self._dh.public),
            Nonce(self._nonce),
            *self._nat_discovery(received.datagram.channel),
        ]
        message = encode_message(self._header(ExchangeType.IDENTITY_PROTECTION), payloads)
        self._answer(now, received, "Main Mode 4", message, payloads)
        self._derive(secrets)
        return State.MAIN_4_SENT

    def _chosen(self) -> tuple[Phase1Transform, SecurityAssociation]:
        if self._transform is None or self._offer is None:
            raise ValueError("nothing has been chosen yet")
        return self._transform, self._offer

    def _exchange_keys(self, message: Message) -> Phase1Secrets:
        transform, offer = self._chosen()
        public = require(message.payloads, KeyExchange, "KE").data
        nonce = require(message.payloads, Nonce, "Ni").data
        self._dh = crypto.generate(transform.group, self._random)
        return Phase1Secrets(
            self.cookie, self._own_cookie, nonce, self._nonce,
            public, self._dh.public, payload_body(offer), self._dh.shared(public),
        )  # fmt: skip

    def _derive(self, secrets: Phase1Secrets) -> None:
        transform, _ = self._chosen()
        missing = self._credentials.kind_missing_for(transform.authentication)
        if missing is not None:
            raise MessageRefusedError("no-credentials", missing)
        self._authenticator = Authenticator(transform, self._credentials, secrets)
        cipher = crypto.cipher(transform.encryption, transform.key_bits)
        self._sa = IsakmpSa(secrets, self._authenticator.keys, cipher)

    def _hash_of(self, address: bytes, port: int) -> bytes:
        transform, _ = self._chosen()
        return nat_t.nat_d_hash(transform.hash, self.cookie, self._own_cookie, address, port)

    def _judge_nat(self, received: Received) -> None:
        hashes = [p.data for p in received.message.payloads if isinstance(p, NatDiscovery)]
        if not self._nat_t or len(hashes) < 2:
            return
        local_port, remote_port = self._paths.ports(received.datagram.channel)
        verdict = nat_t.nat_verdict(
            hashes,
            [self._hash_of(self._paths.local, local_port)],
            self._hash_of(self._paths.remote, remote_port),
            local_is_client=False,
        )
        self._emit(events.NatDetected(verdict.client_behind, verdict.server_behind, False))

    def _nat_discovery(self, channel: Channel) -> list[Payload]:
        if not self._nat_t:
            return []
        local_port, remote_port = self._paths.ports(channel)
        local = self._hash_of(self._paths.local, local_port)
        if self._policy.pretend_behind_nat:
            local = self._random(len(local))
        remote = self._hash_of(self._paths.remote, remote_port)
        return [NatDiscovery(remote, self._nat_t_draft), NatDiscovery(local, self._nat_t_draft)]

    def _keys(self) -> tuple[IsakmpSa, Authenticator]:
        if self._sa is None or self._authenticator is None:
            raise MessageRefusedError("no-keys-yet")
        return self._sa, self._authenticator

    def _on_main_5(self, received: Received, now: float) -> State:
        sa, authenticator = self._keys()
        opened = self._open_proof(received, now, Step.MAIN_5)
        self._received(now, "Main Mode 5", received.message, received.raw, received.datagram, opened)
        if not self._verified(opened.payloads, received, now):
            return State.REFUSED
        payloads = authenticator.responder_proof(self._identity())
        message, clear = sa.seal_phase1(ExchangeType.IDENTITY_PROTECTION, payloads)
        self._answer(now, received, "Main Mode 6", message, payloads, clear)
        self._emit(events.MainModeEstablished())
        return State.ESTABLISHED

    def _open_proof(self, received: Received, now: float, step: Step) -> Opened:
        sa, _ = self._keys()
        try:
            opened = sa.open_phase1(received.message)
            if not holds_proof(opened.payloads, identity=step is Step.MAIN_5):
                raise WireError(28, "encrypted body", "neither HASH nor SIG inside")
        except WireError as error:
            self._complain(received, now, NotifyType.PAYLOAD_MALFORMED)
            raise self._undecryptable(error, step) from error
        sa.accept_phase1(received.message)
        return opened

    def _undecryptable(self, error: WireError, step: Step | None) -> MessageRefusedError:
        self._emit(events.Undecryptable(step))
        return MessageRefusedError("undecryptable", str(error))

    def _identity(self) -> Identification:
        if self._policy.identity is not None:
            return self._policy.identity
        transform, _ = self._chosen()
        if transform.authentication == AuthenticationMethod.PRE_SHARED_KEY:
            return address_identity(self._paths.local)
        return certificate_identity(self._credentials)

    def _verified(self, payloads: tuple[Payload, ...], received: Received, now: float) -> bool:
        _, authenticator = self._keys()
        for event in authenticator.verify_initiator(payloads):
            self._emit(event)
            if isinstance(event, events.AuthenticationFailed):
                self._complain(received, now, NotifyType.INVALID_HASH_INFORMATION)
                return False
        if not self._knows(first_of(payloads, Identification)):
            self._complain(received, now, NotifyType.AUTHENTICATION_FAILED)
            return False
        return True

    def _knows(self, identity: Identification | None) -> bool:
        accepted = self._policy.accepted_identities
        return accepted is None or (identity is not None and identity.data in accepted)

    def _complain(self, received: Received, now: float, notify_type: int) -> None:
        if not self._policy.notify_on_bad_psk:
            return
        self.channel = received.datagram.channel
        payloads: list[Payload] = [Notify(notify_type, ProtocolId.ISAKMP)]
        if self._policy.complain_in_clear:
            header = Header(
                self.cookie, self._own_cookie, ExchangeType.INFORMATIONAL, 0, self._random_message_id()
            )
            self._send(now, self.channel, encode_message(header, payloads), "Informational", payloads)
        else:
            self._send_sealed(now, "Informational", payloads)

    # -- Aggressive Mode ----------------------------------------------------------------------

    def _on_aggressive_1(self, received: Received, now: float) -> State:
        self._received(now, "Aggressive Mode 1", received.message, received.raw, received.datagram)
        if not self._policy.aggressive:
            return self._refuse(received, now, NotifyType.UNSUPPORTED_EXCHANGE_TYPE)
        answer = self._choose(received.message)
        if answer is None:
            return self._refuse(received, now, NotifyType.NO_PROPOSAL_CHOSEN)
        identity_i = require(received.message.payloads, Identification, "IDii")
        if not self._knows(identity_i):
            return self._refuse(received, now, NotifyType.AUTHENTICATION_FAILED)
        self.cookie = received.message.header.initiator_cookie
        self._take_vendor_ids(received.message)
        self._derive(self._exchange_keys(received.message))
        _, authenticator = self._keys()
        identity, *proof = authenticator.responder_proof(self._identity())
        if self._dh is None:
            raise ValueError("the key exchange has not been started")
        payloads: list[Payload] = [
            answer,
            KeyExchange(self._dh.public),
            Nonce(self._nonce),
            identity,
            *proof,
            *self._nat_discovery(received.datagram.channel),
            *self._vendor_ids(),
        ]
        # The initiator's identity came in clear and its proof covers it, so it is kept for message 3.
        self._initiator_identity = identity_i
        message = encode_message(self._header(ExchangeType.AGGRESSIVE), payloads)
        self._answer(now, received, "Aggressive Mode 2", message, payloads)
        return State.AGGRESSIVE_2_SENT

    def _on_aggressive_3(self, received: Received, now: float) -> State:
        opened = self._open_proof(received, now, Step.AGGRESSIVE_3)
        self._received(now, "Aggressive Mode 3", received.message, received.raw, received.datagram, opened)
        identity: list[Payload] = [self._initiator_identity] if self._initiator_identity else []
        if not self._verified((*identity, *opened.payloads), received, now):
            return State.REFUSED
        self._accepted.append(received.raw)
        self.channel = received.datagram.channel
        self._emit(events.MainModeEstablished())
        return State.ESTABLISHED

    # -- Quick Mode ---------------------------------------------------------------------------

    def _on_quick(self, received: Received, now: float) -> State:
        sa, _ = self._keys()
        self._take_quick(sa, received, now, draft=self._nat_t_draft)
        return self.state

    # -- Informational ------------------------------------------------------------------------

    def _on_informational_clear(self, received: Received, now: float) -> State:
        self._received(now, "Informational", received.message, received.raw, received.datagram)
        for event in informational.read(
            received.message.payloads, encrypted=False, authentic=False, after=None
        ):
            self._emit(event)
        return self.state

    def _on_informational_encrypted(self, received: Received, now: float) -> State:
        sa, _ = self._keys()
        opened, authentic = self._open_of_peer(sa.open_informational, received.message)
        self._received(now, "Informational", received.message, received.raw, received.datagram, opened)
        for event in informational.read(opened.payloads, encrypted=True, authentic=authentic, after=None):
            self._emit(event)
        if not authentic:
            return self.state
        for payload in opened.payloads:
            if isinstance(payload, Notify) and payload.notify_type == NotifyType.R_U_THERE:
                self._answer_dpd(payload, now)
            if isinstance(payload, Delete) and payload.protocol == ProtocolId.ISAKMP:
                return self._forget()
        return self.state

    def _answer_dpd(self, question: Notify, now: float) -> None:
        sequence = int.from_bytes(question.data[:4], "big")
        answer = informational.dpd(self.cookie, self._own_cookie, sequence, ack=True)
        self._send_sealed(now, "DPD acknowledgement", [answer])


def _answer_with(proposal: Proposal, transform: Transform) -> SecurityAssociation:
    """The choice: the offer's proposal with one transform, unchanged (RFC 2408 §4.2)."""
    return SecurityAssociation((Proposal(proposal.number, proposal.protocol, proposal.spi, (transform,)),))


def _classify_for_responder(message: Message) -> Input | None:
    if message.header.exchange == ExchangeType.AGGRESSIVE:
        return Input.AGGRESSIVE  # message 3 is encrypted
    return classify(message)


Handler = Callable[[Ikev1Responder, Received, float], State]

_R = Ikev1Responder
_INFORMATIONAL: dict[Input, Handler] = {
    Input.INFORMATIONAL_CLEAR: _R._on_informational_clear,
    Input.INFORMATIONAL_ENCRYPTED: _R._on_informational_encrypted,
}

TABLE: dict[tuple[State, Input], Handler] = {
    (State.IDLE, Input.MAIN_SA): _R._on_main_1,
    (State.IDLE, Input.AGGRESSIVE): _R._on_aggressive_1,
    (State.MAIN_2_SENT, Input.MAIN_KE): _R._on_main_3,
    (State.MAIN_4_SENT, Input.MAIN_ENCRYPTED): _R._on_main_5,
    (State.AGGRESSIVE_2_SENT, Input.AGGRESSIVE): _R._on_aggressive_3,
    (State.ESTABLISHED, Input.QUICK): _R._on_quick,
    **{
        (state, kind): handler
        for state in (State.MAIN_4_SENT, State.AGGRESSIVE_2_SENT, State.ESTABLISHED, State.REFUSED)
        for kind, handler in _INFORMATIONAL.items()
    },
}
