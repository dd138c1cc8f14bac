"""What an IKEv1 engine tells its owner."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.esp import EspInbound, EspOutbound


class Step(enum.Enum):
    """The message an exchange waits to see answered, named as the initiator counts them."""

    MAIN_1 = "main-1"
    MAIN_3 = "main-3"
    MAIN_5 = "main-5"
    AGGRESSIVE_1 = "aggressive-1"
    AGGRESSIVE_3 = "aggressive-3"
    QUICK_1 = "quick-1"
    QUICK_3 = "quick-3"


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The expected answer to ``step`` arrived and was accepted."""

    step: Step
    rtt: float | None


@dataclass(frozen=True, slots=True)
class TransformSelected:
    """The gateway chose a phase 1 transform; ``authentication`` is the Oakley number."""

    description: str
    authentication: int
    group: int


@dataclass(frozen=True, slots=True)
class VendorIds:
    """Vendor IDs of message 2 (or of Aggressive Mode's)."""

    names: tuple[str, ...]
    nat_t: bool
    fragmentation: bool
    dpd: bool


@dataclass(frozen=True, slots=True)
class NatDetected:
    """The verdict of both sides' NAT-D payloads (RFC 3947 §3.2)."""

    client_behind: bool
    server_behind: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class Floated:
    """The exchange goes on on another channel (RFC 3947 §4)."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class CredentialNeeded:
    """The next message cannot be made: ``psk`` or ``certificate`` is missing."""

    kind: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing has answered ``step`` for a while; the engine keeps trying."""

    step: Step


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Nothing answered ``step`` within the policy's patience; the exchange is over."""

    step: Step
    transmissions: int


@dataclass(frozen=True, slots=True)
class NotifyReceived:
    """A NOTIFY payload.  ``authentic`` says that its HASH(1) matched; a clear one never is."""

    notify_type: int
    name: str
    encrypted: bool
    authentic: bool
    after: Step | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class DeleteReceived:
    """The peer deleted an SA: ``isakmp`` or ``esp``; ``spis`` are its own inbound ones, or cookies."""

    protocol: str
    authentic: bool
    after: Step | None
    spis: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Undecryptable:
    """An encrypted message of our SA that our keys do not open."""

    after: Step | None


@dataclass(frozen=True, slots=True)
class PeerEstablished:
    """The peer goes on with phase 2, in our keys: its last phase 1 message, that we wait for, was lost."""


@dataclass(frozen=True, slots=True)
class DuplicateReply:
    """The peer sent its answer to an earlier step again: it has not taken our newest message."""

    step: Step


@dataclass(frozen=True, slots=True)
class CertificateRequested:
    """What the peer's messages before our proof asked for, once signatures are the method agreed on.

    Attributes:
        authorities: DER names of X.509 authorities, empty for any; ``()`` when it asked for nothing.
    """

    authorities: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerCertificates:
    """Certificates (DER, in the order received) and CRLs the peer sent."""

    chain: tuple[bytes, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """The identity of message 6, in words."""

    id_type: int
    text: str


@dataclass(frozen=True, slots=True)
class AuthenticationFailed:
    """The peer's proof fails.

    Attributes:
        reason: ``hash``, ``signature``, ``certificate-missing``, ``certificate-refused`` (the policy's
            ``accept_certificates`` said no) or ``incomplete``.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class MainModeEstablished:
    """The ISAKMP SA is up on both sides as far as this side can know."""


@dataclass(frozen=True, slots=True)
class QuickModeAnswered:
    """A Quick Mode of the peer's was answered: from now on it may send ESP under the new pair."""

    inbound: EspInbound = field(repr=False)
    outbound: EspOutbound = field(repr=False)
    udp_encapsulated: bool


@dataclass(frozen=True, slots=True)
class QuickModeEstablished:
    """An ESP SA pair is up, on both sides as far as this side can know."""

    inbound: EspInbound = field(repr=False)
    outbound: EspOutbound = field(repr=False)
    udp_encapsulated: bool
    description: str


@dataclass(frozen=True, slots=True)
class ExchangeFailed:
    """The peer's answer to ``step`` cannot be used: ``transform-not-offered``, ``bad-key-exchange`` …"""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class VersionRefused:
    """The peer answered in another major version of IKE."""

    major: int
    notify: str


@dataclass(frozen=True, slots=True)
class PeerAlive:
    """The peer acknowledged a DPD message (RFC 3706)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """All Delete payloads have been sent."""


IkeEvent = (
    ReplyReceived
    | TransformSelected
    | VendorIds
    | NatDetected
    | Floated
    | CredentialNeeded
    | Silence
    | GaveUp
    | NotifyReceived
    | DeleteReceived
    | Undecryptable
    | PeerEstablished
    | DuplicateReply
    | CertificateRequested
    | PeerCertificates
    | PeerIdentity
    | AuthenticationFailed
    | MainModeEstablished
    | QuickModeAnswered
    | QuickModeEstablished
    | ExchangeFailed
    | VersionRefused
    | PeerAlive
    | Closed
)
