"""Quick Mode (RFC 2409 §5.5): the payloads and keys of one exchange, for both roles."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.crypto import DiffieHellman
from l2tp_doctor.protocol.engine import RandomSource
from l2tp_doctor.protocol.esp import EspInbound, EspOutbound, EspSa
from l2tp_doctor.protocol.ikev1 import keys as derivation
from l2tp_doctor.protocol.ikev1.endpoint import MessageRefusedError, first_of, require
from l2tp_doctor.protocol.ikev1.policy import (
    L2TP_PORT,
    TRANSPORT_MODES,
    UDP,
    PathAddresses,
    Phase2Suite,
    address_identity,
    decode_phase2,
    phase2_offer,
)
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, Opened
from l2tp_doctor.protocol.isakmp.constants import (
    EncapsulationMode,
    ExchangeType,
    IdentificationType,
    ProtocolId,
)
from l2tp_doctor.protocol.isakmp.describe import describe_transform
from l2tp_doctor.protocol.isakmp.message import encode_payloads
from l2tp_doctor.protocol.isakmp.payloads import (
    HashPayload,
    Identification,
    KeyExchange,
    NatOriginalAddress,
    Nonce,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
)

# RFC 4303 §2.1: SPIs 1 to 255 are reserved, 0 is for local use only.
FIRST_SPI = 256


def random_spi(random: RandomSource) -> int:
    """Returns a usable SPI."""
    while True:
        spi = int.from_bytes(random(4), "big")
        if spi >= FIRST_SPI:
            return spi


@dataclass(frozen=True, slots=True)
class NatTraversal:
    """How ESP is carried: whether in UDP, and by which draft's numbers."""

    encapsulated: bool
    draft: bool

    @property
    def mode(self) -> int:
        """The ENCAPSULATION_MODE attribute (RFC 3947 §5.1)."""
        if not self.encapsulated:
            return EncapsulationMode.TRANSPORT
        return EncapsulationMode.UDP_TRANSPORT_DRAFT if self.draft else EncapsulationMode.UDP_TRANSPORT

    def original_addresses(self, paths: PathAddresses, *, initiator: bool) -> list[Payload]:
        """NAT-OAi and NAT-OAr (RFC 3947 §5.2), only behind NAT."""
        if not self.encapsulated:
            return []
        ours = (paths.local, paths.remote) if initiator else (paths.remote, paths.local)
        return [
            NatOriginalAddress(
                IdentificationType.IPV4_ADDR if len(address) == 4 else IdentificationType.IPV6_ADDR,
                address,
                self.draft,
            )
            for address in ours
        ]


@dataclass
class QuickMode:
    """One Quick Mode exchange.  ``ours`` and ``theirs`` are nonces and SPIs as they become known."""

    sa: IsakmpSa
    message_id: int
    traversal: NatTraversal
    our_spi: int
    our_nonce: bytes
    diffie_hellman: DiffieHellman | None = field(default=None, repr=False)
    peer_spi: bytes = b""
    peer_nonce: bytes = b""
    suite: Phase2Suite | None = None
    shared: bytes = field(default=b"", repr=False)

    # -- initiator ----------------------------------------------------------------------------

    def begin_pfs(self, suites: Sequence[Phase2Suite], random: RandomSource) -> None:
        """Makes a public value when the suites ask for perfect forward secrecy; all must name one group."""
        if suites and suites[0].group is not None:
            self.diffie_hellman = crypto.generate(suites[0].group, random)

    def message_1(
        self,
        suites: Sequence[Phase2Suite],
        paths: PathAddresses,
        *,
        separate: bool = True,
        l2tp_port: int = L2TP_PORT,
    ) -> list[Payload]:
        """SA, Ni, [KE], IDci, IDcr, [NAT-OAi, NAT-OAr]; HASH(1) is put in front by the SA."""
        spi = self.our_spi.to_bytes(4, "big")
        payloads: list[Payload] = [
            phase2_offer(suites, spi, self.traversal.mode, separate=separate),
            Nonce(self.our_nonce),
        ]
        if self.diffie_hellman is not None:
            payloads.append(KeyExchange(self.diffie_hellman.public))
        payloads += [
            address_identity(paths.local, UDP, l2tp_port),
            address_identity(paths.remote, UDP, L2TP_PORT),
        ]
        return payloads + self.traversal.original_addresses(paths, initiator=True)

    def take_message_2(self, opened: Opened, suites: Sequence[Phase2Suite]) -> None:
        """Verifies HASH(2) and takes over the peer's choice.

        Raises:
            MessageRefusedError: the hash is wrong, or the choice is none of our offers.
            WireError: a payload is missing.
            CryptoError: the peer's public value is bad.
        """
        authenticator = require(opened.payloads, HashPayload, "HASH(2)")
        expected = derivation.quick_hash_2(self.sa.keys, self.message_id, self.our_nonce, opened.after_hash)
        if not hmac.compare_digest(authenticator.data, expected):
            raise MessageRefusedError("hash")
        proposal, transform = _single_choice(require(opened.payloads, SecurityAssociation, "SA"))
        chosen = _offered(proposal, transform, suites)
        if chosen is None:
            raise MessageRefusedError("transform-not-offered", describe_transform(transform, ProtocolId.ESP))
        if not _usable_spi(proposal.spi):
            raise MessageRefusedError("reserved-spi", proposal.spi.hex())
        self.suite = chosen
        self.peer_spi = proposal.spi
        self.peer_nonce = require(opened.payloads, Nonce, "Nr").data
        self._take_key_exchange(opened)

    def _take_key_exchange(self, opened: Opened) -> None:
        if self.diffie_hellman is not None:
            self.shared = self.diffie_hellman.shared(require(opened.payloads, KeyExchange, "KE").data)

    def message_3(self) -> list[Payload]:
        """HASH(3)."""
        return [
            HashPayload(
                derivation.quick_hash_3(self.sa.keys, self.message_id, self.our_nonce, self.peer_nonce)
            )
        ]

    # -- responder ----------------------------------------------------------------------------

    def take_message_1(
        self, opened: Opened, suites: Sequence[Phase2Suite], random: RandomSource, *, require_pfs: bool
    ) -> SecurityAssociation | None:
        """Chooses from the initiator's offer; returns the SA payload of the answer, or ``None`` for no match.

        Raises:
            MessageRefusedError: HASH(1) is wrong.
            WireError: a payload is missing.
            CryptoError: the peer's public value is bad.
        """
        if not self.sa.verify_hash_1(self.message_id, opened):
            raise MessageRefusedError("hash")
        offer = require(opened.payloads, SecurityAssociation, "SA")
        self.peer_nonce = require(opened.payloads, Nonce, "Ni").data
        public = first_of(opened.payloads, KeyExchange)
        choice = _choose(offer, suites)
        if choice is None or (require_pfs and public is None):
            return None
        proposal, transform, suite, mode = choice
        # On UDP 4500 too an initiator that found no NAT asks for plain ESP.
        draft = mode == EncapsulationMode.UDP_TRANSPORT_DRAFT
        self.traversal = NatTraversal(mode != EncapsulationMode.TRANSPORT, draft)
        self.suite = suite
        self.peer_spi = proposal.spi
        if public is not None and suite.group is not None:
            self.diffie_hellman = crypto.generate(suite.group, random)
            self.shared = self.diffie_hellman.shared(public.data)
        answer = Proposal(proposal.number, proposal.protocol, self.our_spi.to_bytes(4, "big"), (transform,))
        return SecurityAssociation((answer,))

    def message_2(self, answer: SecurityAssociation, opened: Opened, paths: PathAddresses) -> list[Payload]:
        """HASH(2), SA, Nr, [KE], the initiator's IDs, [NAT-OA]."""
        rest: list[Payload] = [answer, Nonce(self.our_nonce)]
        if self.diffie_hellman is not None:
            rest.append(KeyExchange(self.diffie_hellman.public))
        rest += [payload for payload in opened.payloads if isinstance(payload, Identification)]
        rest += self.traversal.original_addresses(paths, initiator=False)
        return rest

    def verify_message_3(self, opened: Opened) -> bool:
        """Whether HASH(3) is right."""
        authenticator = first_of(opened.payloads, HashPayload)
        expected = derivation.quick_hash_3(self.sa.keys, self.message_id, self.peer_nonce, self.our_nonce)
        return authenticator is not None and hmac.compare_digest(authenticator.data, expected)

    # -- both ---------------------------------------------------------------------------------

    def seal_with_hash_2(self, payloads: Sequence[Payload]) -> tuple[bytes, bytes]:
        """Returns message 2 encrypted and in clear, HASH(2) computed over ``payloads``."""
        rest = encode_payloads(payloads)[1]
        authenticator = HashPayload(
            derivation.quick_hash_2(self.sa.keys, self.message_id, self.peer_nonce, rest)
        )
        return self.sa.seal(ExchangeType.QUICK, self.message_id, [authenticator, *payloads])

    def esp_pair(self, *, initiator: bool) -> tuple[EspInbound, EspOutbound]:
        """Returns the ESP SAs; call it once the exchange has a suite.

        Raises:
            ValueError: no suite has been agreed on yet (a bug of ours).
        """
        if self.suite is None:
            raise ValueError("Quick Mode has not agreed on a suite")
        nonces = self.our_nonce + self.peer_nonce if initiator else self.peer_nonce + self.our_nonce
        inbound = self._esp_sa(self.our_spi.to_bytes(4, "big"), nonces)
        outbound = self._esp_sa(self.peer_spi, nonces)
        return EspInbound(inbound), EspOutbound(outbound)

    def _esp_sa(self, spi: bytes, nonces: bytes) -> EspSa:
        if self.suite is None:
            raise ValueError("Quick Mode has not agreed on a suite")
        suite = self.suite.suite
        cut = suite.encryption_key_size
        material = derivation.keymat(
            self.sa.keys, self.shared, ProtocolId.ESP, spi, nonces, cut + suite.integrity_key_size
        )
        return EspSa(int.from_bytes(spi, "big"), suite, material[:cut], material[cut:])

    @property
    def description(self) -> str:
        """What was agreed on, for people."""
        if self.suite is None:
            return ""
        carried = "UDP" if self.traversal.encapsulated else "native"
        return f"{self.suite.suite.name}/transport/{carried}"


def _single_choice(answer: SecurityAssociation) -> tuple[Proposal, Transform]:
    if len(answer.proposals) != 1 or len(answer.proposals[0].transforms) != 1:
        raise MessageRefusedError("more-than-one-choice")
    return answer.proposals[0], answer.proposals[0].transforms[0]


def _usable_spi(spi: bytes) -> bool:
    return len(spi) == 4 and int.from_bytes(spi, "big") >= FIRST_SPI


def _offered(proposal: Proposal, transform: Transform, suites: Sequence[Phase2Suite]) -> Phase2Suite | None:
    """Returns which of our offers the peer's choice is; tunnel mode and AH are never among them."""
    decoded = decode_phase2(transform)
    if decoded is None or proposal.protocol != ProtocolId.ESP or decoded[1] not in TRANSPORT_MODES:
        return None
    offered = {(suite.encryption, suite.key_bits, suite.integrity): suite for suite in suites}
    return offered.get((decoded[0].encryption, decoded[0].key_bits, decoded[0].integrity))


def _choose(
    offer: SecurityAssociation, suites: Sequence[Phase2Suite]
) -> tuple[Proposal, Transform, Phase2Suite, int | None] | None:
    acceptable = {(suite.encryption, suite.key_bits, suite.integrity) for suite in suites}
    for proposal in offer.proposals:
        if proposal.protocol != ProtocolId.ESP or not _usable_spi(proposal.spi):
            continue
        for transform in proposal.transforms:
            decoded = decode_phase2(transform)
            if decoded is None:
                continue
            suite, mode = decoded
            if mode in TRANSPORT_MODES and (suite.encryption, suite.key_bits, suite.integrity) in acceptable:
                return proposal, transform, suite, mode
    return None
