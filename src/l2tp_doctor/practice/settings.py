"""What a practice gateway is set to: policies, users, addresses, limits and the faults' switches."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Literal

from l2tp_doctor.practice.packet_filter import DropRule
from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ikev1.policy import Credentials, Phase1Transform, Phase2Suite, ResponderPolicy
from l2tp_doctor.protocol.isakmp.constants import (
    AuthenticationMethod,
    Encryption,
    EspTransform,
    Group,
    HashAlgorithm,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import DPD, FRAGMENTATION, NAT_T_DRAFT_02_NEWLINE, RFC_3947
from l2tp_doctor.protocol.l2tp.config import Role, TunnelConfig
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol, ForcedFailure
from l2tp_doctor.protocol.ppp.eap import DEFAULT_METHODS
from l2tp_doctor.protocol.secret import Secret

# Published on purpose: they protect a gateway that leads nowhere.
PRACTICE_PSK = "practice-psk"
PRACTICE_USER = "practice"
PRACTICE_PASSWORD = "practice-password"

PRACTICE_NETWORK = IPv4Network("192.0.2.0/24")
"""Addresses inside the tunnel: the documentation range (RFC 5737), so no real network is shadowed."""
GATEWAY_ADDRESS = PRACTICE_NETWORK[1]
CLIENT_ADDRESSES = tuple(PRACTICE_NETWORK[host] for host in range(100, 110))

_HMAC_SHA1 = 2  # RFC 2407 §4.5, Authentication Algorithm

# DPD's vendor ID ends in the protocol version, 1.0 (RFC 3706 §5.1).
VENDOR_IDS = (RFC_3947.value, NAT_T_DRAFT_02_NEWLINE.value, FRAGMENTATION.value, DPD.value + b"\x01\x00")


def phase1_transforms(authentication: int) -> tuple[Phase1Transform, ...]:
    """Returns what an ordinary gateway accepts in phase 1 for an authentication method."""
    aes, triple_des = Encryption.AES_CBC, Encryption.TRIPLE_DES_CBC
    sha1, sha256 = HashAlgorithm.SHA1, HashAlgorithm.SHA2_256
    return (
        *(
            Phase1Transform(aes, bits, hash_id, group, authentication)
            for bits in (256, 128)
            for hash_id in (sha1, sha256)
            for group in (Group.ECP_384, Group.ECP_256, Group.MODP_2048)
        ),
        Phase1Transform(triple_des, None, sha1, Group.MODP_2048, authentication),
    )


PHASE2_SUITES = (
    Phase2Suite(EspTransform.AES_CBC, 256, _HMAC_SHA1),
    Phase2Suite(EspTransform.AES_CBC, 128, _HMAC_SHA1),
    Phase2Suite(EspTransform.TRIPLE_DES, None, _HMAC_SHA1),
)


class Ikev2Behaviour(enum.Enum):
    """What becomes of an IKEv2 IKE_SA_INIT."""

    IGNORE = "ignore"
    REFUSE = "refuse"
    """NO_PROPOSAL_CHOSEN: a gateway that speaks IKEv2 and has no connection for it."""
    ACCEPT = "accept"
    """Answered in full, as a gateway does that serves IKEv2 clients."""


class Ikev1Behaviour(enum.Enum):
    """Whether IKEv1 is spoken at all."""

    SERVE = "serve"
    IGNORE = "ignore"
    """First messages are dropped without a word (Libreswan's ``ikev1-policy=drop``)."""
    REFUSE = "refuse"
    """First messages are answered by NO_PROPOSAL_CHOSEN (``ikev1-policy=reject``)."""


class CertificateFlaw(enum.Enum):
    """What is wrong with the gateway's certificate."""

    NONE = "none"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNTRUSTED = "untrusted"
    NAME_MISMATCH = "name-mismatch"
    WRONG_USAGE = "wrong-usage"


@dataclass(frozen=True, slots=True)
class PppSettings:
    """The PPP server's part."""

    auth: tuple[AuthProtocol, ...] = (AuthProtocol.MSCHAPV2,)
    eap_methods: tuple[int, ...] = DEFAULT_METHODS
    forced_failure: ForcedFailure | None = None
    pool_exhausted: Literal["reject-address", "reject-protocol"] = "reject-address"
    addresses: tuple[IPv4Address, ...] = CLIENT_ADDRESSES
    local_address: IPv4Address = GATEWAY_ADDRESS
    dns: tuple[IPv4Address, ...] = (GATEWAY_ADDRESS,)
    ipv6: bool = False
    answer_icmp: bool = True
    retransmission: RetransmissionPolicy = field(default_factory=RetransmissionPolicy)


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may make the gateway keep.  Times are in seconds.

    The numbers are small: a practice gateway serves one person, and a flood of first messages
    must cost it neither memory nor the ability to serve that person.
    """

    sessions: int = 64
    half_open: int = 16
    """The oldest half-open session makes room for a new one."""
    half_open_time: float = 20.0
    idle_time: float = 20.0
    """An ISAKMP SA without any L2TP tunnel is forgotten after this; covers a lost Delete."""
    deleted_time: float = 1.0
    """As ``idle_time``, once the client has deleted its ESP SA."""
    tunnels: int = 4
    tunnel_linger: float = 3.0
    """A closed tunnel is kept to acknowledge a repeated StopCCN, about a retransmission cycle
    of the client (RFC 2661 §5.7)."""
    teardown_time: float = 2.0
    """After PPP ended from the client's side, the time it has to close the tunnel as well."""
    hello_interval: float = 30.0


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One practice gateway.

    Attributes:
        ike: what the responder accepts.
        credentials: what it proves itself with; certificates are put in by the server.
        users: password by user name.
        rules: datagrams that get lost.
        delay: extra one-way delay in seconds, which the server puts on every datagram it sends and takes.
        ike_socket: ``False`` closes the IKE port, so that the system answers port-unreachable.
        certificate: ``None`` for a pre-shared key; otherwise the flaw of the certificate to make.
        long_certificate_chain: makes messages with certificates larger than any Ethernet frame.
    """

    ike: ResponderPolicy = field(
        default_factory=lambda: ResponderPolicy(
            phase1_transforms(AuthenticationMethod.PRE_SHARED_KEY),
            PHASE2_SUITES,
            VENDOR_IDS,
            # The client repeats Quick Mode 1 sooner; a gateway's own timers are slow, as in real daemons.
            retransmission=RetransmissionPolicy(initial=2.0),
        )
    )
    credentials: Credentials = field(
        default_factory=lambda: Credentials(psk=Secret(PRACTICE_PSK.encode("ascii")))
    )
    users: Mapping[str, Secret] = field(
        default_factory=lambda: MappingProxyType({PRACTICE_USER: Secret(PRACTICE_PASSWORD.encode("ascii"))})
    )
    tunnel: TunnelConfig = field(
        default_factory=lambda: TunnelConfig(
            Role.LNS, "practice-gateway", vendor_name="l2tp-doctor", firmware_revision=1, hello_interval=30.0
        )
    )
    ppp: PppSettings = field(default_factory=PppSettings)
    ikev1: Ikev1Behaviour = Ikev1Behaviour.SERVE
    ikev2: Ikev2Behaviour = Ikev2Behaviour.REFUSE
    limits: Limits = field(default_factory=Limits)
    rules: tuple[DropRule, ...] = ()
    delay: float = 0.0
    ike_socket: bool = True
    nat_t_socket: bool = True
    certificate: CertificateFlaw | None = None
    long_certificate_chain: bool = False


def with_certificates(settings: GatewaySettings, flaw: CertificateFlaw) -> GatewaySettings:
    """Returns the settings of a gateway that authenticates with RSA signatures."""
    ike = replace(settings.ike, transforms=phase1_transforms(AuthenticationMethod.RSA_SIGNATURES))
    return replace(settings, ike=ike, certificate=flaw)
