"""The IKEv1 initiator: Main or Aggressive Mode, then one Quick Mode, as a table of states.

The table at the end of the file is the machine: ``(state, input) -> handler``; a handler
returns the next state.  What is not in the table is dropped as *unexpected*; what no
handler can read is dropped as *malformed*; what belongs to nobody is dropped as *unknown*.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from l2tp_doctor.protocol import nat_t
from l2tp_doctor.protocol.crypto import CryptoError
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, TraceSink, discard_trace
from l2tp_doctor.protocol.ikev1 import events, informational
from l2tp_doctor.protocol.ikev1.authentication import Authenticator, OwnCredentialsError, holds_proof
from l2tp_doctor.protocol.ikev1.endpoint import (
    ClearCopySink,
    MessageRefusedError,
    discard_clear_copy,
)
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.inputs import Input, Received, classify, needed
from l2tp_doctor.protocol.ikev1.keys import Phase1Secrets
from l2tp_doctor.protocol.ikev1.phase1 import NO_COOKIE, Phase1
from l2tp_doctor.protocol.ikev1.policy import Credentials, InitiatorPolicy, PathAddresses
from l2tp_doctor.protocol.ikev1.quick_mode import NatTraversal, QuickMode, random_spi
from l2tp_doctor.protocol.ikev1.requester import Requester
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, Opened
from l2tp_doctor.protocol.isakmp.constants import ExchangeType, NotifyType, ProtocolId, name_of
from l2tp_doctor.protocol.isakmp.message import Header, Message, decode_message, encode_message
from l2tp_doctor.protocol.isakmp.payloads import (
    Delete,
    Notify,
    Payload,
    VendorId,
)
from l2tp_doctor.protocol.wire import WireError

# Transmissions of Quick Mode 1 after which a peer that still repeats message 6 must have received one of
# them, however lossy the path.
UNHEARD_QUICK_MODES = 4


class State(enum.Enum):
    """Where the initiator stands."""

    IDLE = "idle"
    MAIN_1_SENT = "main-1-sent"
    MAIN_3_SENT = "main-3-sent"
    MAIN_5_SENT = "main-5-sent"
    AGGRESSIVE_1_SENT = "aggressive-1-sent"
    QUICK_1_SENT = "quick-1-sent"
    READY = "ready"  # ISAKMP SA and ESP SAs up
    ESTABLISHED = "established"  # ISAKMP SA up, Quick Mode failed or not wanted
    STOPPED = "stopped"  # phase 1 given up, refused, or a credential is missing
    CLOSED = "closed"


class Ikev1Initiator(Requester):
    """Dials one gateway.

    Args:
        policy: what is offered.
        paths: the addresses and ports as this side knows them, for NAT-D and identities.
        credentials: any part may be missing; the engine then goes as far as it can and emits
            :class:`~l2tp_doctor.protocol.ikev1.events.CredentialNeeded`.
        random: source of cookies, nonces, SPIs and private values.
        trace: hears every message.
        clear_copies: gets the clear text of every encrypted message.
    """

    def __init__(
        self,
        policy: InitiatorPolicy,
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
            silence_after=policy.silence_after,
        )
        self._policy = policy
        self.state = State.IDLE
        self.channel = policy.first_channel
        self._phase1 = Phase1(policy, paths, credentials, random, self._emit)
        self._authenticator: Authenticator | None = None
        self._quick: QuickMode | None = None
        self._dpd_sequence: int | None = None
        self._deleted_by_peer = False

    # -- the six calls (receive, datagrams_to_send and next_event are the endpoint's) ---------

    def start(self, now: float) -> None:
        """Sends message 1.  Raises ``ValueError`` when called twice."""
        if self.state is not State.IDLE:
            raise ValueError("an initiator is started once")
        self._apply(Input.START, None, now)

    def _give_up(self, now: float) -> None:
        self._apply(Input.GIVE_UP, None, now)

    def close(self, now: float) -> None:
        """Deletes what was set up, as far as the keys allow (RFC 2408 §3.15)."""
        self._apply(Input.CLOSE, None, now)

    # -- what the owner may ask ---------------------------------------------------------------

    @property
    def cookie(self) -> bytes:
        """The initiator cookie, by which answers are told apart from those to other dials."""
        return self._phase1.cookie

    @property
    def awaiting(self) -> Step | None:
        """The step whose answer is awaited."""
        return self._step

    def confirm_quick_mode(self, now: float, spi: int | None = None) -> None:
        """ESP under that SA of ours (``None``: the newest) arrived, so both sides have the pair."""
        self._esp_is_heard()
        super().confirm_quick_mode(now, spi)

    def send_keepalive(self) -> None:
        """Sends the one-byte NAT keepalive (RFC 3948 §2.3), once NAT-T is active."""
        if self.channel is Channel.NAT_T:
            self._outgoing.append(Datagram(Channel.NAT_T, nat_t.KEEPALIVE))

    def send_dpd(self, now: float) -> None:
        """Asks whether the peer is alive (RFC 3706); the answer is a ``PeerAlive`` event."""
        if self._sa is None:
            return
        self._dpd_sequence = int.from_bytes(self._random(4), "big") >> 1
        self._send_sealed(now, "DPD", [self._dpd(self._dpd_sequence, ack=False)])

    def _dpd(self, sequence: int, *, ack: bool) -> Notify:
        return informational.dpd(self.cookie, self._phase1.peer_cookie, sequence, ack=ack)

    # -- classification and dispatch ----------------------------------------------------------

    def _dispatch(self, raw: bytes, header: Header, datagram: Datagram, now: float) -> None:
        if header.initiator_cookie != self.cookie:
            raise MessageRefusedError("unknown-cookie")
        if header.major != 1:
            message = Message(header, (), raw[28:])
            self._apply(Input.OTHER_VERSION, Received(raw, message, datagram), now)
            return
        message = decode_message(raw)
        kind = classify(message)
        if kind is None:
            raise MessageRefusedError("unknown-exchange", name_of(ExchangeType, header.exchange))
        peer_cookie = self._phase1.peer_cookie
        # A gateway that has lost our SA may complain with another cookie; its word is unproven anyway.
        if peer_cookie not in (NO_COOKIE, header.responder_cookie) and kind is not Input.INFORMATIONAL_CLEAR:
            raise MessageRefusedError("unknown-cookie")
        self._apply(kind, Received(raw, message, datagram), now)

    def _apply(self, kind: Input, received: Received | None, now: float) -> None:
        handler = TABLE.get((self.state, kind))
        if handler is None:
            if received is None:
                return  # closing twice, or a timer of a state already left
            raise MessageRefusedError("unexpected", f"{kind.value} in state {self.state.value}")
        step = self._step
        try:
            self.state = handler(self, received, now)
        except OwnCredentialsError as error:
            self._remark(now, "our certificate or key cannot be used", {"detail": error.detail})
            self._emit(events.CredentialNeeded("certificate"))
            self.state = State.STOPPED
        except CryptoError as error:
            self._fail(step, "bad-key-exchange")
            raise MessageRefusedError("bad-key-exchange", str(error)) from error
        except MessageRefusedError as refused:
            if refused.trigger in UNUSABLE_ANSWERS:
                self._fail(step, refused.trigger)
            raise

    def _fail(self, step: Step | None, reason: str) -> None:
        if step is not None:
            self._emit(events.ExchangeFailed(step, reason))

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        unseen = self.state is State.QUICK_1_SENT and raw == self._last_answer
        super()._duplicate(raw, header, now)
        if unseen and self.transmission.transmissions > UNHEARD_QUICK_MODES:
            self._begin_quick_anew(now)

    # -- the end of waiting -------------------------------------------------------------------

    def _on_give_up(self, _received: Received | None, _now: float) -> State:
        tries = self.transmission.transmissions
        self.transmission.cancel()
        self._flight = []
        self._error_at = None
        if self._step is not None:
            self._emit(events.GaveUp(self._step, tries))
        return State.ESTABLISHED if self.state is State.QUICK_1_SENT else State.STOPPED

    # -- Main Mode (RFC 2409 §5) --------------------------------------------------------------

    def _main_header(self) -> Header:
        return Header(self.cookie, self._phase1.peer_cookie, ExchangeType.IDENTITY_PROTECTION, 0, 0)

    def _send_clear(
        self, now: float, label: str, step: Step, header: Header, payloads: list[Payload]
    ) -> None:
        message = encode_message(header, payloads)
        datagram = self._send(now, self.channel, message, label, payloads)
        self._request(now, step, datagram)

    def _vendor_ids(self) -> list[Payload]:
        return [VendorId(data) for data in self._policy.vendor_ids]

    def _on_start(self, _received: Received | None, now: float) -> State:
        if self._policy.aggressive:
            missing = self._phase1.credential_missing()
            # With a pre-shared key message 1 holds nothing of it; a certificate's subject is in it already.
            if missing == "certificate" and self._policy.identity is None:
                self._emit(events.CredentialNeeded(missing))
                return State.STOPPED
            return self._send_aggressive_1(now)
        payloads = [self._phase1.offer, *self._vendor_ids()]
        self._send_clear(now, "Main Mode 1", Step.MAIN_1, self._main_header(), payloads)
        return State.MAIN_1_SENT

    def _on_main_2(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        self._received(now, "Main Mode 2", message, raw, datagram)
        self._phase1.take_selection(message)
        self._answered(raw, now)
        self._phase1.take_vendor_ids(message)
        self._phase1.take_certificate_requests(message)
        self._peer_fragments = self._phase1.peer_fragments
        if self._policy.stop_after is Step.MAIN_1:
            return State.STOPPED
        payloads: list[Payload] = [
            self._phase1.begin_key_exchange(self._phase1.transform.group),
            self._phase1.nonce_payload,
            *self._phase1.nat_discovery(self.channel),
        ]
        self._send_clear(now, "Main Mode 3", Step.MAIN_3, self._main_header(), payloads)
        return State.MAIN_3_SENT

    def _on_main_4(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        self._received(now, "Main Mode 4", message, raw, datagram)
        secrets = self._phase1.finish_key_exchange(message)
        self._answered(raw, now)
        self._phase1.judge_nat(message, self.channel)
        self._phase1.take_certificate_requests(message)
        self._phase1.tell_certificate_requests()
        if self._policy.stop_after is Step.MAIN_3:
            return State.STOPPED
        if not self._take_keys(secrets):
            return State.STOPPED
        self._float_if_nat(now)
        self._send_main_5(now)
        return State.MAIN_5_SENT

    def _float_if_nat(self, now: float) -> None:
        """RFC 3947 §4: once a NAT is found the initiator moves both ports to 4500."""
        if self._phase1.nat_found and self.channel is not Channel.NAT_T:
            self.channel = Channel.NAT_T
            self._remark(now, "NAT-T: moving to UDP 4500")
            self._emit(events.Floated(Channel.NAT_T))

    def _take_keys(self, secrets: Phase1Secrets) -> bool:
        """Derives the keys; whether the credentials that takes are there."""
        missing = self._phase1.credential_missing()
        if missing is not None:
            self._emit(events.CredentialNeeded(missing))
            return False
        self._sa, self._authenticator = self._phase1.keys(secrets)
        return True

    def _keys(self) -> tuple[IsakmpSa, Authenticator]:
        if self._sa is None or self._authenticator is None:
            raise ValueError("there are no keys yet")
        return self._sa, self._authenticator

    def _send_main_5(self, now: float) -> None:
        sa, authenticator = self._keys()
        payloads = authenticator.initiator_proof(self._phase1.identity())
        message, clear = sa.seal_phase1(ExchangeType.IDENTITY_PROTECTION, payloads)
        datagram = self._send(now, self.channel, message, "Main Mode 5", payloads, clear)
        self._request(now, Step.MAIN_5, datagram)

    def _on_main_6(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        sa, authenticator = self._keys()
        opened = self._open(sa.open_phase1, message)
        if not holds_proof(opened.payloads):
            self._emit(events.Undecryptable(self._step))
            raise MessageRefusedError("undecryptable", "neither ID nor HASH inside")
        sa.accept_phase1(message)
        self._received(now, "Main Mode 6", message, raw, datagram, opened)
        self._answered(raw, now)
        if not self._peer_is_genuine(authenticator, opened.payloads):
            return State.STOPPED
        return self._phase1_complete(now)

    def _peer_is_genuine(self, authenticator: Authenticator, payloads: tuple[Payload, ...]) -> bool:
        accept = self._policy.accept_certificates
        refused = False
        for event in authenticator.verify_responder(payloads):
            self._emit(event)
            if isinstance(event, events.AuthenticationFailed):
                return False
            if isinstance(event, events.PeerCertificates) and accept is not None:
                refused = not accept(event.chain, event.crls)
        if refused:
            self._emit(events.AuthenticationFailed("certificate-refused"))
        return not refused

    def _phase1_complete(self, now: float) -> State:
        self._emit(events.MainModeEstablished())
        if not self._policy.suites:
            return State.ESTABLISHED
        return self._send_quick_1(now)

    def _on_early_quick(self, received: Received | None, now: float) -> State:
        raw, message, _ = needed(received)
        self._refuse_what_follows(message)
        self._drop(now, len(raw), "unexpected", "Quick Mode before message 6")
        return self.state

    def _refuse_what_follows(self, message: Message) -> None:
        """Notes, and drops, what a peer says after a last phase 1 message that we never got."""
        if self.state is State.MAIN_5_SENT and self._keys()[0].proves_keys(message):
            self._emit(events.PeerEstablished())
            raise MessageRefusedError("after-lost-message", "sealed with our keys, behind a lost message 6")

    # -- Aggressive Mode (RFC 2409 §5) --------------------------------------------------------

    def _aggressive_header(self) -> Header:
        return Header(self.cookie, self._phase1.peer_cookie, ExchangeType.AGGRESSIVE, 0, 0)

    def _send_aggressive_1(self, now: float) -> State:
        payloads: list[Payload] = [
            self._phase1.offer,
            self._phase1.begin_key_exchange(self._policy.transforms[0].group),
            self._phase1.nonce_payload,
            self._phase1.identity(),
            *self._vendor_ids(),
        ]
        self._send_clear(now, "Aggressive Mode 1", Step.AGGRESSIVE_1, self._aggressive_header(), payloads)
        return State.AGGRESSIVE_1_SENT

    def _on_aggressive_2(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        self._received(now, "Aggressive Mode 2", message, raw, datagram)
        self._phase1.take_selection(message)
        secrets = self._phase1.finish_key_exchange(message)
        self._answered(raw, now)
        self._phase1.take_vendor_ids(message)
        self._peer_fragments = self._phase1.peer_fragments
        self._phase1.judge_nat(message, self.channel)
        self._phase1.take_certificate_requests(message)
        self._phase1.tell_certificate_requests()
        if self._policy.stop_after is Step.AGGRESSIVE_1:
            return State.STOPPED
        if not self._take_keys(secrets):
            return State.STOPPED
        if not self._peer_is_genuine(self._keys()[1], message.payloads):
            return State.STOPPED
        nat_d = self._phase1.nat_discovery(self.channel)
        self._float_if_nat(now)
        self._send_aggressive_3(now, nat_d)
        return self._phase1_complete(now)

    def _send_aggressive_3(self, now: float, nat_d: list[Payload]) -> None:
        sa, authenticator = self._keys()
        proof = authenticator.initiator_proof(self._phase1.identity(), request_certificate=False)
        # The identity went with message 1 already; what is left is CERT, SIG or HASH.
        payloads = [*proof[1:], *nat_d]
        message, clear = sa.seal_phase1(ExchangeType.AGGRESSIVE, payloads)
        datagram = self._send(now, self.channel, message, "Aggressive Mode 3", payloads, clear)
        self._take_off(now, [datagram])

    # -- Quick Mode (RFC 2409 §5.5) -----------------------------------------------------------

    def _send_quick_1(self, now: float) -> State:
        fixed = self._policy.quick_message_id
        self._begin_quick(now, fixed if fixed is not None else self._random_message_id())
        return State.QUICK_1_SENT

    def _begin_quick_anew(self, now: float) -> None:
        """Gives up a Quick Mode that the peer does not see, for one with another message ID.

        The peer repeats message 6, so it is there; but SoftEther looks a message ID up among all SAs it has
        of a client's address (``SearchIPsecSaByMessageId``), and takes a first message that has the number of
        an earlier dial's half-open Quick Mode for that one's third.
        """
        waited = self.transmission
        self._remark(now, "Quick Mode again with another message ID")
        self._flight = []
        message_id, first_sent = self._random_message_id(), waited.first_sent
        self._begin_quick(now, message_id)
        waited.continues(first_sent)

    def _begin_quick(self, now: float, message_id: int) -> None:
        sa, _ = self._keys()
        quick = QuickMode(
            sa,
            message_id,
            NatTraversal(self.channel is Channel.NAT_T and self._phase1.nat_found, self._phase1.nat_t_draft),
            random_spi(self._random),
            self._random(self._policy.nonce_size),
        )
        quick.begin_pfs(self._policy.suites, self._random)
        self._quick = quick
        payloads = quick.message_1(
            self._policy.suites,
            self._paths,
            separate=self._policy.separate_proposals,
            l2tp_port=self._policy.l2tp_port,
        )
        message, clear = sa.seal_with_hash_1(ExchangeType.QUICK, message_id, payloads)
        datagram = self._send(now, self.channel, message, "Quick Mode 1", payloads, clear)
        self._request(now, Step.QUICK_1, datagram)

    def _on_quick(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        if self._quick is not None and message.header.message_id == self._quick.message_id:
            return self._on_quick_2(Received(raw, message, datagram), now)
        sa, _ = self._keys()
        waiting = len(self._unconfirmed)
        self._take_quick(sa, Received(raw, message, datagram), now, draft=self._phase1.nat_t_draft)
        if len(self._unconfirmed) >= waiting:
            return self.state
        # A pair is up, whoever asked for it: our own question has lost its purpose.
        self._superseded()
        return State.READY

    def _on_quick_2(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        sa, _ = self._keys()
        quick = self._quick
        if quick is None or quick.suite is not None:
            raise MessageRefusedError("unexpected", "a second answer to one Quick Mode")
        opened = self._open(sa.open_quick, message)
        quick.take_message_2(opened, self._policy.suites)
        sa.accept_quick(message)
        self._received(now, "Quick Mode 2", message, raw, datagram, opened)
        self._answered(raw, now)
        inbound, outbound = quick.esp_pair(initiator=True)
        payloads = quick.message_3()
        sealed, clear = sa.seal(ExchangeType.QUICK, quick.message_id, payloads)
        self._take_off(now, [self._send(now, self.channel, sealed, "Quick Mode 3", payloads, clear)])
        self._emit(
            events.QuickModeEstablished(inbound, outbound, quick.traversal.encapsulated, quick.description)
        )
        return State.READY

    def _open(self, opener: Callable[[Message], Opened], message: Message) -> Opened:
        try:
            return opener(message)
        except WireError as error:
            self._emit(events.Undecryptable(self._step))
            raise MessageRefusedError("undecryptable", str(error)) from error

    # -- Informational (RFC 2408 §3.14, RFC 2409 §5.7) ----------------------------------------

    def _on_informational_clear(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        self._received(now, "Informational", message, raw, datagram)
        self._take_informational(message.payloads, now, encrypted=False, authentic=False)
        return self.state

    def _on_informational_encrypted(self, received: Received | None, now: float) -> State:
        raw, message, datagram = needed(received)
        if self._sa is None:
            raise MessageRefusedError("no-keys-yet")
        try:
            opened, authentic = self._sa.open_informational(message)
        except WireError as error:
            self._refuse_what_follows(message)
            self._emit(events.Undecryptable(self._step))
            self._note_error(now)
            raise MessageRefusedError("undecryptable", str(error)) from error
        self._received(now, "Informational", message, raw, datagram, opened)
        self._take_informational(opened.payloads, now, encrypted=True, authentic=authentic)
        if authentic and any(isinstance(payload, Delete) for payload in opened.payloads):
            return self._after_delete(opened.payloads)
        return self.state

    def _take_informational(
        self, payloads: tuple[Payload, ...], now: float, *, encrypted: bool, authentic: bool
    ) -> None:
        for event in informational.read(payloads, encrypted=encrypted, authentic=authentic, after=self._step):
            self._emit(event)
            if isinstance(event, events.NotifyReceived) and informational.is_error(event.notify_type):
                self._note_error(now)
        if authentic:
            self._answer_dpd(payloads, now)

    def _answer_dpd(self, payloads: tuple[Payload, ...], now: float) -> None:
        for payload in payloads:
            if not isinstance(payload, Notify) or len(payload.data) != 4:
                continue
            sequence = int.from_bytes(payload.data, "big")
            if payload.notify_type == NotifyType.R_U_THERE:
                self._send_sealed(now, "DPD acknowledgement", [self._dpd(sequence, ack=True)])
            elif payload.notify_type == NotifyType.R_U_THERE_ACK and sequence == self._dpd_sequence:
                self._emit(events.PeerAlive())

    def _after_delete(self, payloads: tuple[Payload, ...]) -> State:
        if any(isinstance(p, Delete) and p.protocol == ProtocolId.ISAKMP for p in payloads):
            self.transmission.cancel()
            self._forget_answers()
            self._esp_is_heard()
            self._flight = []
            self._deleted_by_peer = True
            return State.STOPPED
        return self.state

    # -- endings ------------------------------------------------------------------------------

    def _on_other_version(self, received: Received | None, now: float) -> State:
        raw, message, _ = needed(received)
        major = message.header.major
        self._drop(now, len(raw), "other-version", f"IKE major version {major}")
        self._emit(events.VersionRefused(major, name_of(ExchangeType, message.header.exchange)))
        return self.state

    def _on_close(self, _received: Received | None, now: float) -> State:
        self.transmission.cancel()
        self._esp_is_heard()
        self._forget_answers()
        self._flight = []
        # Without an answer to message 5 too: its receiver may hold an SA although message 6 was lost.
        if self._sa is not None and not self._deleted_by_peer:
            own = [self._quick] if self._quick is not None and self.state is not State.ESTABLISHED else []
            for quick in (*own, *self._quick_modes.values()):
                self._delete_esp(now, quick.our_spi)
            self._send_sealed(
                now,
                "Delete ISAKMP",
                [informational.delete_isakmp(self.cookie, self._phase1.peer_cookie)],
            )
        self._emit(events.Closed())
        return State.CLOSED


UNUSABLE_ANSWERS = frozenset({"transform-not-offered", "more-than-one-choice", "hash", "reserved-spi"})
"""Refusals that are told to the owner too: an answer came, and nothing can be done with it."""

Handler = Callable[[Ikev1Initiator, Received | None, float], State]

_I = Ikev1Initiator

# Informational messages and other versions are heard in every state in which we can be addressed;
# closing is possible from each of them.
_ALWAYS: dict[Input, Handler] = {
    Input.INFORMATIONAL_CLEAR: _I._on_informational_clear,
    Input.INFORMATIONAL_ENCRYPTED: _I._on_informational_encrypted,
    Input.OTHER_VERSION: _I._on_other_version,
    Input.CLOSE: _I._on_close,
}

TABLE: dict[tuple[State, Input], Handler] = {
    (State.IDLE, Input.START): _I._on_start,
    (State.MAIN_1_SENT, Input.MAIN_SA): _I._on_main_2,
    (State.MAIN_1_SENT, Input.GIVE_UP): _I._on_give_up,
    (State.MAIN_3_SENT, Input.MAIN_KE): _I._on_main_4,
    (State.MAIN_3_SENT, Input.GIVE_UP): _I._on_give_up,
    (State.MAIN_5_SENT, Input.MAIN_ENCRYPTED): _I._on_main_6,
    (State.MAIN_5_SENT, Input.QUICK): _I._on_early_quick,
    (State.MAIN_5_SENT, Input.GIVE_UP): _I._on_give_up,
    (State.AGGRESSIVE_1_SENT, Input.AGGRESSIVE): _I._on_aggressive_2,
    (State.AGGRESSIVE_1_SENT, Input.GIVE_UP): _I._on_give_up,
    (State.QUICK_1_SENT, Input.QUICK): _I._on_quick,
    (State.QUICK_1_SENT, Input.GIVE_UP): _I._on_give_up,
    # "Either side may" begin one: the ISAKMP SA is bi-directional (RFC 2409 §5, §5.5).
    (State.READY, Input.QUICK): _I._on_quick,
    (State.ESTABLISHED, Input.QUICK): _I._on_quick,
    **{
        (state, kind): handler
        for state in State
        if state not in (State.IDLE, State.CLOSED)
        for kind, handler in _ALWAYS.items()
    },
}
