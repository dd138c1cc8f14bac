"""What an IKEv1 side offers, accepts and authenticates with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from l2tp_doctor.protocol.crypto import SUPPORTED_GROUPS, SUPPORTED_HASHES
from l2tp_doctor.protocol.engine import Channel, RetransmissionPolicy
from l2tp_doctor.protocol.esp import EspSuite
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.isakmp.constants import (
    AuthenticationMethod,
    EncapsulationMode,
    Encryption,
    EspTransform,
    IdentificationType,
    IpsecAttribute,
    LifeType,
    OakleyAttribute,
    ProtocolId,
)
from l2tp_doctor.protocol.isakmp.payloads import (
    Attribute,
    Identification,
    Proposal,
    SecurityAssociation,
    Transform,
)
from l2tp_doctor.protocol.secret import Secret

KEY_IKE = 1
"""The only transform identifier of ISAKMP proposals (RFC 2407 §4.4.2)."""
UDP = 17
L2TP_PORT = 1701


@dataclass(frozen=True, slots=True)
class Phase1Transform:
    """One Main Mode offer, in Oakley numbers (RFC 2409 appendix A)."""

    encryption: int
    key_bits: int | None
    hash: int
    group: int
    authentication: int
    lifetime_seconds: int = 28800

    def encode(self, number: int) -> Transform:
        """Returns it as the transform payload Windows sends: the life duration in four bytes."""
        attributes = [Attribute.tv(OakleyAttribute.ENCRYPTION, self.encryption)]
        if self.key_bits is not None:
            attributes.append(Attribute.tv(OakleyAttribute.KEY_LENGTH, self.key_bits))
        attributes += [
            Attribute.tv(OakleyAttribute.HASH, self.hash),
            Attribute.tv(OakleyAttribute.GROUP, self.group),
            Attribute.tv(OakleyAttribute.AUTHENTICATION, self.authentication),
            Attribute.tv(OakleyAttribute.LIFE_TYPE, LifeType.SECONDS),
            Attribute.tlv(OakleyAttribute.LIFE_DURATION, self.lifetime_seconds.to_bytes(4, "big")),
        ]
        return Transform(number, KEY_IKE, tuple(attributes))

    @property
    def key(self) -> tuple[int, int | None, int, int, int]:
        """Everything that must be equal for two sides to agree; the lifetime is not part of it."""
        return (self.encryption, self.key_bits, self.hash, self.group, self.authentication)


def decode_phase1(transform: Transform) -> Phase1Transform | None:
    """Returns the transform's meaning, or ``None`` when it lacks an attribute or is none we can speak."""
    encryption = transform.get(OakleyAttribute.ENCRYPTION)
    hash_id = transform.get(OakleyAttribute.HASH)
    group = transform.get(OakleyAttribute.GROUP)
    authentication = transform.get(OakleyAttribute.AUTHENTICATION)
    key_bits = transform.get(OakleyAttribute.KEY_LENGTH)
    if encryption is None or hash_id is None or authentication is None:
        return None
    if group not in SUPPORTED_GROUPS or hash_id not in SUPPORTED_HASHES:
        return None
    if encryption == Encryption.AES_CBC:
        key_bits = 128 if key_bits is None else key_bits  # RFC 3602 §2.2: 128 is the default
        if key_bits not in (128, 192, 256):
            return None
    elif encryption in (Encryption.TRIPLE_DES_CBC, Encryption.DES_CBC):
        key_bits = None
    else:
        return None
    life = transform.get(OakleyAttribute.LIFE_DURATION)
    return Phase1Transform(encryption, key_bits, hash_id, group, authentication, life or 28800)


def phase1_offer(transforms: Sequence[Phase1Transform]) -> SecurityAssociation:
    """Returns the SA payload of Main Mode message 1: one proposal with every transform."""
    encoded = tuple(transform.encode(number) for number, transform in enumerate(transforms, start=1))
    return SecurityAssociation((Proposal(1, ProtocolId.ISAKMP, b"", encoded),))


@dataclass(frozen=True, slots=True)
class Phase2Suite:
    """One Quick Mode offer: an ESP transform with its integrity algorithm and lifetimes."""

    encryption: int
    key_bits: int | None
    integrity: int | None
    group: int | None = None
    lifetime_seconds: int = 3600
    lifetime_kilobytes: int | None = 250000

    def encode(self, number: int, mode: int) -> Transform:
        """Returns it as a transform payload for the encapsulation ``mode``."""
        attributes = [Attribute.tv(IpsecAttribute.ENCAPSULATION_MODE, mode)]
        if self.integrity is not None:
            attributes.append(Attribute.tv(IpsecAttribute.AUTHENTICATION_ALGORITHM, self.integrity))
        if self.key_bits is not None:
            attributes.append(Attribute.tv(IpsecAttribute.KEY_LENGTH, self.key_bits))
        if self.group is not None:
            attributes.append(Attribute.tv(IpsecAttribute.GROUP, self.group))
        attributes += [
            Attribute.tv(IpsecAttribute.LIFE_TYPE, LifeType.SECONDS),
            Attribute.tlv(IpsecAttribute.LIFE_DURATION, self.lifetime_seconds.to_bytes(4, "big")),
        ]
        if self.lifetime_kilobytes is not None:
            attributes += [
                Attribute.tv(IpsecAttribute.LIFE_TYPE, LifeType.KILOBYTES),
                Attribute.tlv(IpsecAttribute.LIFE_DURATION, self.lifetime_kilobytes.to_bytes(4, "big")),
            ]
        return Transform(number, self.encryption, tuple(attributes))

    @property
    def suite(self) -> EspSuite:
        """Returns the ESP algorithms."""
        return EspSuite(self.encryption, self.key_bits, self.integrity)


def decode_phase2(transform: Transform) -> tuple[Phase2Suite, int | None] | None:
    """Returns (suite, encapsulation mode) of an ESP transform, or ``None`` when it is none we can speak."""
    integrity = transform.get(IpsecAttribute.AUTHENTICATION_ALGORITHM)
    key_bits = transform.get(IpsecAttribute.KEY_LENGTH)
    encryption = transform.identifier
    if encryption == EspTransform.AES_CBC and key_bits is None:
        key_bits = 128
    if encryption in (EspTransform.DES, EspTransform.TRIPLE_DES, EspTransform.NULL):
        key_bits = None
    group = transform.get(IpsecAttribute.GROUP)
    suite = Phase2Suite(encryption, key_bits, integrity, group, lifetime_kilobytes=None)
    try:
        _ = suite.suite.encryption_key_size + suite.suite.integrity_key_size
    except ValueError:
        return None
    return suite, transform.get(IpsecAttribute.ENCAPSULATION_MODE)


def phase2_offer(
    suites: Sequence[Phase2Suite], spi: bytes, mode: int, *, separate: bool = True
) -> SecurityAssociation:
    """Returns the SA payload of Quick Mode message 1.

    Windows makes each suite a proposal of its own (``separate``); others list them as
    transforms of one proposal.
    """
    if separate:
        return SecurityAssociation(
            tuple(
                Proposal(number, ProtocolId.ESP, spi, (suite.encode(1, mode),))
                for number, suite in enumerate(suites, start=1)
            )
        )
    transforms = tuple(suite.encode(number, mode) for number, suite in enumerate(suites, start=1))
    return SecurityAssociation((Proposal(1, ProtocolId.ESP, spi, transforms),))


TRANSPORT_MODES = frozenset(
    {
        EncapsulationMode.TRANSPORT,
        EncapsulationMode.UDP_TRANSPORT,
        EncapsulationMode.UDP_TRANSPORT_DRAFT,
    }
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a side proves itself with; any part may be missing."""

    psk: Secret | None = None
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    private_key: Secret | None = None

    def kind_missing_for(self, authentication: int) -> str | None:
        """Returns ``psk`` or ``certificate`` when that is needed for the Oakley method and absent."""
        if authentication == AuthenticationMethod.PRE_SHARED_KEY:
            return None if self.psk is not None else "psk"
        if self.certificates and self.private_key is not None:
            return None
        return "certificate"


def address_identity(address: bytes, protocol: int = 0, port: int = 0) -> Identification:
    """Returns an ID payload with an IPv4 or IPv6 address in network order."""
    kind = IdentificationType.IPV4_ADDR if len(address) == 4 else IdentificationType.IPV6_ADDR
    return Identification(kind, protocol, port, address)


@dataclass(frozen=True, slots=True)
class PathAddresses:
    """The addresses and ports one side believes the path to have, for NAT-D and identities.

    Addresses are 4 or 16 bytes in network order.
    """

    local: bytes
    remote: bytes
    local_ike_port: int = 500
    remote_ike_port: int = 500
    local_nat_t_port: int = 4500
    remote_nat_t_port: int = 4500

    def ports(self, channel: Channel) -> tuple[int, int]:
        """Returns (local, remote) port of a UDP channel."""
        if channel is Channel.NAT_T:
            return self.local_nat_t_port, self.remote_nat_t_port
        return self.local_ike_port, self.remote_ike_port


@dataclass(frozen=True, slots=True)
class InitiatorPolicy:
    """How the initiator dials.

    Attributes:
        transforms: phase 1 offers in order.
        suites: phase 2 offers in order.
        vendor_ids: sent in message 1, in order.
        nonce_size: bytes of our nonces; Windows sends 48 (RFC 2409 §5 allows 8 to 256).
        force_nat_t: send a source NAT-D that cannot match, so that the peer floats to UDP 4500.
        first_channel: where message 1 goes; NAT_T dials wholly on UDP 4500.
        aggressive: Aggressive Mode instead of Main Mode.
        quick_message_id: Windows numbers its first Quick Mode 1; ``None`` takes a random one.
        fragment_size: bytes of an IKE fragment's message, once one is needed.
        identity: our ID payload; ``None`` takes our address, or the certificate's subject.
        retransmission: when unanswered messages are sent again.
        silence_after: seconds without an answer that are worth a ``Silence`` event.
        accept_certificates: told the peer's certificates and CRLs (DER), says whether to go on with it.
    """

    transforms: tuple[Phase1Transform, ...]
    suites: tuple[Phase2Suite, ...]
    vendor_ids: tuple[bytes, ...]
    nonce_size: int = 48
    force_nat_t: bool = False
    first_channel: Channel = Channel.IKE
    aggressive: bool = False
    quick_message_id: int | None = 1
    separate_proposals: bool = True
    fragment_size: int = 1280
    identity: Identification | None = None
    retransmission: RetransmissionPolicy = field(default_factory=RetransmissionPolicy)
    silence_after: float = 1.0
    stop_after: Step | None = None
    l2tp_port: int = L2TP_PORT
    accept_certificates: Callable[[Sequence[bytes], Sequence[bytes]], bool] | None = None


@dataclass(frozen=True, slots=True)
class ResponderPolicy:
    """What the responder accepts; faults are the embedded gateway's switches."""

    transforms: tuple[Phase1Transform, ...]
    suites: tuple[Phase2Suite, ...]
    vendor_ids: tuple[bytes, ...]
    nonce_size: int = 32
    nat_t: bool = True
    main_mode: bool = True
    aggressive: bool = True
    require_pfs: bool = False
    identity: Identification | None = None
    accepted_identities: tuple[bytes, ...] | None = None
    pretend_behind_nat: bool = False
    notify_on_mismatch: bool = True
    notify_on_bad_psk: bool = True
    complain_in_clear: bool = False
    """Says in clear what is wrong with message 5, as gateways do that drop the keys first."""
    fragment_size: int = 1280
    fragmentation: bool = True
    retransmission: RetransmissionPolicy = field(default_factory=RetransmissionPolicy)
