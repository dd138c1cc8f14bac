"""The faults a practice gateway can show, each as a change of its settings.

A fault's words for people are in the text catalogue under :attr:`Fault.text_key`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from l2tp_doctor.practice.packet_filter import Content, DropRule
from l2tp_doctor.practice.settings import (
    CertificateFlaw,
    GatewaySettings,
    Ikev1Behaviour,
    Ikev2Behaviour,
    with_certificates,
)
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1.policy import Credentials, Phase1Transform, Phase2Suite
from l2tp_doctor.protocol.isakmp.constants import (
    AuthenticationMethod,
    Encryption,
    EspTransform,
    Group,
    HashAlgorithm,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import FRAGMENTATION, NAT_T_DRAFT_02_NEWLINE, RFC_3947
from l2tp_doctor.protocol.l2tp.config import LnsFaults, Refusal
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol, ForcedFailure
from l2tp_doctor.protocol.ppp.eap import EapType
from l2tp_doctor.protocol.secret import Secret

Alteration = Callable[[GatewaySettings], GatewaySettings]

LOSS = 0.15
"""Share of the datagrams that ``packet-loss`` loses, each way."""
SLOW_DELAY = 0.35
"""Seconds that ``slow`` adds each way."""
# What is left of an Ethernet frame behind the IPv4 and UDP headers; a larger datagram travels in fragments.
_LARGEST_UNFRAGMENTED = 1500 - 20 - 8
_HMAC_SHA2_512 = 7  # IANA, IPsec Authentication Algorithm


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        id: name on the command line.
        cause: identifier of the cause a diagnosis should name; ``None`` when nothing is wrong.
        alter: returns the faulty gateway's settings from a healthy one's.
        certificates: the client has to dial with a certificate to meet it.
        connects: the dial succeeds nevertheless.
    """

    id: str
    cause: str | None
    alter: Alteration
    certificates: bool = False
    connects: bool = False

    @property
    def text_key(self) -> str:
        """Where the catalogue has this fault's title."""
        return f"practice.fault.{self.id}"


def _ike(**changes: object) -> Alteration:
    """An alteration of the responder's policy."""
    return lambda settings: replace(settings, ike=replace(settings.ike, **changes))  # type: ignore[arg-type]  # one constructor for many fields


def _ppp(**changes: object) -> Alteration:
    """An alteration of the PPP server."""
    return lambda settings: replace(settings, ppp=replace(settings.ppp, **changes))  # type: ignore[arg-type]  # as above


def _l2tp(faults: LnsFaults) -> Alteration:
    return lambda settings: replace(settings, tunnel=replace(settings.tunnel, faults=faults))


def _lose(*rules: DropRule) -> Alteration:
    return lambda settings: replace(settings, rules=(*settings.rules, *rules))


def _refuse_user(code: int) -> Alteration:
    return _ppp(forced_failure=ForcedFailure(code))


def _certificate(flaw: CertificateFlaw) -> Alteration:
    return lambda settings: with_certificates(settings, flaw)


def _together(*alterations: Alteration) -> Alteration:
    def alter(settings: GatewaySettings) -> GatewaySettings:
        for alteration in alterations:
            settings = alteration(settings)
        return settings

    return alter


def _other_psk(settings: GatewaySettings) -> GatewaySettings:
    return replace(settings, credentials=Credentials(psk=Secret(b"not the key the client was given")))


def _without_vendor_ids(*gone: bytes) -> Alteration:
    def alter(settings: GatewaySettings) -> GatewaySettings:
        kept = tuple(value for value in settings.ike.vendor_ids if value not in gone)
        return replace(settings, ike=replace(settings.ike, vendor_ids=kept))

    return alter


# Algorithms no Windows client offers for L2TP.
_OTHER_PHASE_1 = (
    Phase1Transform(
        Encryption.AES_CBC,
        256,
        HashAlgorithm.SHA2_512,
        Group.MODP_4096,
        AuthenticationMethod.PRE_SHARED_KEY,
    ),
)
_OTHER_PHASE_2 = (Phase2Suite(EspTransform.AES_CBC, 256, _HMAC_SHA2_512),)

_ALL = (
    Fault("psk-mismatch", "psk-mismatch", _other_psk),
    Fault("psk-mismatch-clear", "psk-mismatch", _together(_other_psk, _ike(complain_in_clear=True))),
    Fault("psk-mismatch-silent", "psk-mismatch", _together(_other_psk, _ike(notify_on_bad_psk=False))),
    Fault("peer-identity-rejected", "peer-identity-rejected", _ike(accepted_identities=())),
    Fault("phase1-proposal-mismatch", "phase1-proposal-mismatch", _ike(transforms=_OTHER_PHASE_1)),
    Fault(
        "phase1-proposal-mismatch-silent",
        "phase1-proposal-mismatch",
        _ike(transforms=_OTHER_PHASE_1, notify_on_mismatch=False),
    ),
    Fault("phase2-proposal-mismatch", "phase2-proposal-mismatch", _ike(suites=_OTHER_PHASE_2)),
    Fault("auth-method-mismatch", "auth-method-mismatch", _certificate(CertificateFlaw.NONE)),
    Fault("udp-500-blocked", "udp-500-blocked", _lose(DropRule(channel=Channel.IKE))),
    Fault("udp-4500-blocked", "udp-4500-blocked", _lose(DropRule(channel=Channel.NAT_T))),
    Fault(
        "ike-fragments-dropped",
        "ike-fragments-dropped",
        _together(
            _certificate(CertificateFlaw.NONE),
            lambda settings: replace(settings, long_certificate_chain=True),
            _ike(fragmentation=False),
            _without_vendor_ids(FRAGMENTATION.value),
            _lose(DropRule(content=Content.ISAKMP, minimum_size=_LARGEST_UNFRAGMENTED + 1)),
        ),
        certificates=True,
    ),
    Fault(
        "ike-service-down",
        "ike-service-down",
        lambda settings: replace(settings, ike_socket=False, nat_t_socket=False),
    ),
    Fault(
        "ikev1-disabled",
        "ikev1-disabled",
        lambda settings: replace(settings, ikev1=Ikev1Behaviour.IGNORE, ikev2=Ikev2Behaviour.ACCEPT),
    ),
    Fault(
        "ikev1-disabled-refused",
        "ikev1-disabled",
        lambda settings: replace(settings, ikev1=Ikev1Behaviour.REFUSE, ikev2=Ikev2Behaviour.ACCEPT),
    ),
    Fault("main-mode-refused", "main-mode-refused", _ike(main_mode=False)),
    Fault("server-behind-nat", "server-behind-nat", _ike(pretend_behind_nat=True), connects=True),
    Fault(
        "nat-t-unsupported",
        "nat-t-unsupported",
        _together(_ike(nat_t=False), _without_vendor_ids(RFC_3947.value, NAT_T_DRAFT_02_NEWLINE.value)),
    ),
    Fault("l2tp-service-down", "l2tp-service-down", _l2tp(LnsFaults(silent=True))),
    Fault("l2tp-service-stuck", "l2tp-service-down", _l2tp(LnsFaults(acknowledge_only=True))),
    Fault(
        "l2tp-tunnel-rejected",
        "l2tp-call-rejected",
        _l2tp(LnsFaults(refuse_tunnel=Refusal(4, None, "this computer is not on the list"))),
    ),
    Fault(
        "l2tp-call-rejected",
        "l2tp-call-rejected",
        _l2tp(LnsFaults(refuse_call=Refusal(4, None, "all lines are busy"))),
    ),
    Fault("ppp-credentials-rejected", "ppp-credentials-rejected", _refuse_user(691)),
    Fault("account-disabled", "account-disabled", _refuse_user(647)),
    Fault("password-expired", "password-expired", _refuse_user(648)),
    Fault("account-restricted", "account-restricted", _refuse_user(649)),
    Fault("account-restricted-hours", "account-restricted", _refuse_user(646)),
    Fault("ppp-auth-protocol-mismatch", "ppp-auth-protocol-mismatch", _ppp(auth=(AuthProtocol.PAP,))),
    Fault(
        "ppp-auth-protocol-mismatch-eap",
        "ppp-auth-protocol-mismatch",
        _ppp(auth=(AuthProtocol.EAP,), eap_methods=(int(EapType.TLS),)),
    ),
    Fault("ppp-address-pool-exhausted", "ppp-address-pool-exhausted", _ppp(addresses=())),
    Fault(
        "ppp-address-pool-exhausted-rejected",
        "ppp-address-pool-exhausted",
        _ppp(addresses=(), pool_exhausted="reject-protocol"),
    ),
    Fault(
        "gateway-certificate-expired",
        "gateway-certificate-expired",
        _certificate(CertificateFlaw.EXPIRED),
        certificates=True,
    ),
    Fault(
        "gateway-certificate-not-yet-valid",
        "gateway-certificate-not-yet-valid",
        _certificate(CertificateFlaw.NOT_YET_VALID),
        certificates=True,
    ),
    Fault(
        "gateway-certificate-untrusted",
        "gateway-certificate-untrusted",
        _certificate(CertificateFlaw.UNTRUSTED),
        certificates=True,
    ),
    Fault(
        "gateway-certificate-name-mismatch",
        "gateway-certificate-name-mismatch",
        _certificate(CertificateFlaw.NAME_MISMATCH),
        certificates=True,
    ),
    Fault(
        "gateway-certificate-wrong-usage",
        "gateway-certificate-wrong-usage",
        _certificate(CertificateFlaw.WRONG_USAGE),
        certificates=True,
    ),
    Fault("packet-loss", "packet-loss", _lose(DropRule(probability=LOSS)), connects=True),
    Fault("slow", None, lambda settings: replace(settings, delay=SLOW_DELAY), connects=True),
    Fault("icmp-filtered", None, _ppp(answer_icmp=False), connects=True),
)

FAULTS: Mapping[str, Fault] = MappingProxyType({fault.id: fault for fault in _ALL})
"""Every fault by id, in the order a list shows them."""
