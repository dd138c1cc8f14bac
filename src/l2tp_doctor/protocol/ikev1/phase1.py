"""The initiator's side of a phase 1 negotiation: what was chosen, NAT-T, the key exchange.

No messages are sent and no states kept here; :mod:`.initiator` does that.
"""

from __future__ import annotations

from collections.abc import Callable

from l2tp_doctor.protocol import crypto, nat_t
from l2tp_doctor.protocol.crypto import DiffieHellman
from l2tp_doctor.protocol.engine import Channel, RandomSource
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.authentication import Authenticator, certificate_identity
from l2tp_doctor.protocol.ikev1.endpoint import MessageRefusedError, require
from l2tp_doctor.protocol.ikev1.keys import Phase1Secrets
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    InitiatorPolicy,
    PathAddresses,
    Phase1Transform,
    address_identity,
    decode_phase1,
    phase1_offer,
)
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, payload_body
from l2tp_doctor.protocol.isakmp.constants import AuthenticationMethod, CertificateEncoding, ProtocolId
from l2tp_doctor.protocol.isakmp.describe import describe_transform
from l2tp_doctor.protocol.isakmp.message import Message
from l2tp_doctor.protocol.isakmp.payloads import (
    CertificateRequest,
    Identification,
    KeyExchange,
    NatDiscovery,
    Nonce,
    Payload,
    SecurityAssociation,
    VendorId,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import (
    DPD,
    FRAGMENTATION,
    NAT_T_DRAFT_02,
    NAT_T_DRAFT_02_NEWLINE,
    NAT_T_DRAFT_03,
    RFC_3947,
    name_of_vendor_id,
)

NO_COOKIE = bytes(8)
DRAFT_NAT_T = frozenset(entry.value for entry in (NAT_T_DRAFT_02, NAT_T_DRAFT_02_NEWLINE, NAT_T_DRAFT_03))


class Phase1:
    """What the initiator knows of the negotiation so far."""

    def __init__(
        self,
        policy: InitiatorPolicy,
        paths: PathAddresses,
        credentials: Credentials,
        random: RandomSource,
        emit: Callable[[events.IkeEvent], None],
    ) -> None:
        self._policy = policy
        self._paths = paths
        self._credentials = credentials
        self._random = random
        self._emit = emit
        self.cookie = random(8)
        self.peer_cookie = NO_COOKIE
        self.offer = phase1_offer(self._offered())
        self.nonce = random(policy.nonce_size)
        self.peer_nonce = b""
        self.peer_fragments = False
        self.nat_t = False
        self.nat_t_draft = False
        self.nat_found = False
        self._requested: tuple[bytes, ...] = ()
        self._selected: Phase1Transform | None = None
        self._dh: DiffieHellman | None = None

    def _offered(self) -> tuple[Phase1Transform, ...]:
        transforms = self._policy.transforms
        if not self._policy.aggressive:
            return transforms
        # RFC 2409 §5: Aggressive Mode's first message already holds KE, so all offers share its group.
        group = transforms[0].group
        return tuple(transform for transform in transforms if transform.group == group)

    @property
    def transform(self) -> Phase1Transform:
        """The transform chosen.  Raises ``ValueError`` before there is one."""
        if self._selected is None:
            raise ValueError("no transform has been selected")
        return self._selected

    @property
    def nonce_payload(self) -> Nonce:
        """Our nonce."""
        return Nonce(self.nonce)

    def take_selection(self, message: Message) -> None:
        """Takes the gateway's choice and cookie from its first message.

        Raises:
            MessageRefusedError: it is no choice from our offer.
            WireError: there is no SA payload.
        """
        answer = require(message.payloads, SecurityAssociation, "SA")
        if message.header.responder_cookie == NO_COOKIE:
            raise MessageRefusedError("no-responder-cookie")
        if len(answer.proposals) != 1 or len(answer.proposals[0].transforms) != 1:
            raise MessageRefusedError("more-than-one-choice")
        transform = answer.proposals[0].transforms[0]
        decoded = decode_phase1(transform)
        if decoded is None or decoded.key not in {offer.key for offer in self._offered()}:
            raise MessageRefusedError(
                "transform-not-offered", describe_transform(transform, ProtocolId.ISAKMP)
            )
        self._selected = decoded
        self.peer_cookie = message.header.responder_cookie
        self._emit(
            events.TransformSelected(
                describe_transform(transform, ProtocolId.ISAKMP), decoded.authentication, decoded.group
            )
        )

    def take_vendor_ids(self, message: Message) -> None:
        """Notes which extensions both sides speak."""
        received = [payload.data for payload in message.payloads if isinstance(payload, VendorId)]
        ours = set(self._policy.vendor_ids)
        self.nat_t = RFC_3947.value in received and RFC_3947.value in ours
        if not self.nat_t and DRAFT_NAT_T & ours & set(received):
            self.nat_t = self.nat_t_draft = True
        # Cisco and others append a word of flags to this one.
        self.peer_fragments = any(data.startswith(FRAGMENTATION.value) for data in received)
        self._emit(
            events.VendorIds(
                tuple(name_of_vendor_id(data) for data in received),
                self.nat_t,
                self.peer_fragments,
                any(data.startswith(DPD.value) for data in received),
            )
        )

    def take_certificate_requests(self, message: Message) -> None:
        """Collects whose certificate the gateway asks for, in any message (RFC 2408 §3.10)."""
        self._requested += tuple(
            payload.data
            for payload in message.payloads
            if isinstance(payload, CertificateRequest)
            and payload.encoding == CertificateEncoding.X509_SIGNATURE
        )

    def tell_certificate_requests(self) -> None:
        """Says what was asked for; with a pre-shared key the question means nothing."""
        if self.transform.authentication != AuthenticationMethod.PRE_SHARED_KEY:
            self._emit(events.CertificateRequested(tuple(dict.fromkeys(self._requested))))

    # -- NAT detection (RFC 3947 §3.2) --------------------------------------------------------

    def _hash_of(self, address: bytes, port: int) -> bytes:
        return nat_t.nat_d_hash(self.transform.hash, self.cookie, self.peer_cookie, address, port)

    def nat_discovery(self, channel: Channel) -> list[Payload]:
        """NAT-D of the peer's address, then of ours; nothing when the peer does not speak NAT-T."""
        if not self.nat_t:
            return []
        local_port, remote_port = self._paths.ports(channel)
        remote = self._hash_of(self._paths.remote, remote_port)
        local = self._hash_of(self._paths.local, local_port)
        if self._policy.force_nat_t:
            local = self._random(len(local))
        return [NatDiscovery(remote, self.nat_t_draft), NatDiscovery(local, self.nat_t_draft)]

    def judge_nat(self, message: Message, channel: Channel) -> None:
        """Compares the peer's NAT-D payloads with what we see; too few of them say nothing."""
        hashes = [payload.data for payload in message.payloads if isinstance(payload, NatDiscovery)]
        if len(hashes) < 2 or not self.nat_t:
            return
        local_port, remote_port = self._paths.ports(channel)
        verdict = nat_t.nat_verdict(
            hashes,
            [self._hash_of(self._paths.local, local_port)],
            self._hash_of(self._paths.remote, remote_port),
        )
        self.nat_found = verdict.detected or self._policy.force_nat_t
        self._emit(events.NatDetected(verdict.client_behind, verdict.server_behind, self._policy.force_nat_t))

    # -- key exchange -------------------------------------------------------------------------

    def begin_key_exchange(self, group: int) -> KeyExchange:
        """Returns our KE payload for the group."""
        self._dh = crypto.generate(group, self._random)
        return KeyExchange(self._dh.public)

    def finish_key_exchange(self, message: Message) -> Phase1Secrets:
        """Takes KE and Nr.

        Raises:
            CryptoError: the public value is bad.
            WireError: KE or Nr is missing.
        """
        if self._dh is None:
            raise ValueError("the key exchange has not been started")
        public = require(message.payloads, KeyExchange, "KE").data
        self.peer_nonce = require(message.payloads, Nonce, "Nr").data
        return Phase1Secrets(
            self.cookie, self.peer_cookie, self.nonce, self.peer_nonce,
            self._dh.public, public, payload_body(self.offer), self._dh.shared(public),
        )  # fmt: skip

    def credential_missing(self) -> str | None:
        """Returns ``psk`` or ``certificate`` when that is needed (message 5, Aggressive 1) and absent."""
        transform = self._selected or self._policy.transforms[0]
        return self._credentials.kind_missing_for(transform.authentication)

    def keys(self, secrets: Phase1Secrets) -> tuple[IsakmpSa, Authenticator]:
        """Derives the keys."""
        authenticator = Authenticator(self.transform, self._credentials, secrets)
        cipher = crypto.cipher(self.transform.encryption, self.transform.key_bits)
        return IsakmpSa(secrets, authenticator.keys, cipher), authenticator

    def identity(self) -> Identification:
        """Our ID payload: the policy's, else our address as Windows does, else the certificate's subject."""
        if self._policy.identity is not None:
            return self._policy.identity
        # Aggressive Mode sends the identity before anything has been selected.
        transform = self._selected or self._policy.transforms[0]
        if transform.authentication == AuthenticationMethod.PRE_SHARED_KEY:
            # Behind NAT this is the private address; Windows does not know the other one either.
            return address_identity(self._paths.local)
        return certificate_identity(self._credentials)
