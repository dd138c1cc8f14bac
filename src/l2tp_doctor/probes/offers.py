"""From a profile and a request to what the engines take."""

from __future__ import annotations

from l2tp_doctor.knowledge.profile import AUTH_PSK, AUTH_RSA_SIGNATURES, MainModeTransform, Profile
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.protocol.engine import Channel, RetransmissionPolicy
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    InitiatorPolicy,
    Phase1Transform,
    Phase2Suite,
)
from l2tp_doctor.protocol.l2tp.config import Role as L2tpRole
from l2tp_doctor.protocol.l2tp.config import TunnelConfig
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol
from l2tp_doctor.protocol.ppp.config import LinkConfig
from l2tp_doctor.protocol.ppp.config import Role as PppRole
from l2tp_doctor.protocol.ppp.lcp import LcpProfile

# Six tries of message 1 in 4.5 s: at 30 % loss each way a try fails with 51 %, so all of
# them with 1.8 %; and the experiments that start meanwhile ask the same port again.
DIAL_PATIENCE = RetransmissionPolicy(
    initial=0.45, minimum=0.25, rtt_factor=2.5, backoff=1.35, maximum=1.5, give_up=4.5
)
# A Linux gateway's xl2tpd often answers the first SCCRQ before its kernel has the outbound SA, and that
# answer is lost: the second SCCRQ, soon after the first, is the one that counts.  A fast path sees nine.
L2TP_PATIENCE = RetransmissionPolicy(
    initial=0.45, minimum=0.1, rtt_factor=2.0, backoff=1.5, maximum=1.5, give_up=5.0
)
# An experiment only asks whether anything answers at all.  It ends when the silence is no chance any more
# (``Run.believes_silence``), on a lossy path at the latest after nine transmissions.
EXPERIMENT_PATIENCE = RetransmissionPolicy(
    initial=0.4, minimum=0.25, rtt_factor=2.5, backoff=1.15, maximum=0.8, give_up=3.6
)
# Two tries of message 1 unanswered: chance does that in an eighth of all dials at 20 % loss each way, and
# experiments that turn out to be superfluous are harmless.
SILENCE_AFTER = 0.75

_PPP_NAMES = {
    "mschapv2": AuthProtocol.MSCHAPV2,
    "chap-md5": AuthProtocol.CHAP,
    "pap": AuthProtocol.PAP,
    "eap": AuthProtocol.EAP,
}


def phase1_transform(item: MainModeTransform) -> Phase1Transform:
    """Returns a profile's transform as the engine takes it."""
    return Phase1Transform(
        item.encryption, item.key_bits, item.hash, item.group, item.authentication, item.lifetime
    )


def authentication_for(request: CheckRequest) -> int:
    """What the profile is set to; else RSA signatures when a certificate was given, else pre-shared key."""
    if request.authentication == "auto":
        return AUTH_RSA_SIGNATURES if request.certificate is not None else AUTH_PSK
    return AUTH_PSK if request.authentication == "psk" else AUTH_RSA_SIGNATURES


def credentials(request: CheckRequest) -> Credentials:
    """Returns the IKE credentials of a request; any part may be missing."""
    certificate = request.certificate
    if certificate is None:
        return Credentials(psk=request.psk)
    return Credentials(request.psk, certificate.chain, certificate.private_key)


def suites(profile: Profile) -> tuple[Phase2Suite, ...]:
    """Returns the phase 2 offers."""
    offer = profile.quick_mode
    return tuple(
        Phase2Suite(
            suite.transform,
            suite.key_bits,
            suite.integrity,
            offer.pfs_group,
            offer.lifetime_seconds,
            offer.lifetime_kilobytes,
        )
        for suite in offer.suites
    )


def batches(profile: Profile, request: CheckRequest) -> int:
    """Returns how many first messages the profile's transforms need; Windows' own fit one."""
    return len(list(profile.main_mode_batches(authentication_for(request))))


def dial_policy(
    profile: Profile, request: CheckRequest, *, force_nat_t: bool, batch: int = 0
) -> InitiatorPolicy:
    """Returns the IKE policy of the dial itself, with one batch of the profile's transforms."""
    offered = list(profile.main_mode_batches(authentication_for(request)))[batch]
    return InitiatorPolicy(
        transforms=tuple(phase1_transform(item) for item in offered),
        suites=suites(profile),
        vendor_ids=tuple(vendor.value for vendor in profile.vendor_ids),
        nonce_size=profile.nonce_length,
        force_nat_t=force_nat_t,
        aggressive=request.aggressive,
        separate_proposals=profile.quick_mode.separate_proposals,
        retransmission=DIAL_PATIENCE,
        silence_after=SILENCE_AFTER,
    )


def experiment_policy(
    profile: Profile, transforms: tuple[Phase1Transform, ...], channel: Channel = Channel.IKE
) -> InitiatorPolicy:
    """Returns the policy of an experiment: Main Mode up to message 4, which needs no key."""
    return InitiatorPolicy(
        transforms=transforms,
        suites=(),
        vendor_ids=tuple(vendor.value for vendor in profile.vendor_ids),
        nonce_size=profile.nonce_length,
        first_channel=channel,
        retransmission=EXPERIMENT_PATIENCE,
        stop_after=Step.MAIN_1,
    )


def tunnel_config(profile: Profile) -> TunnelConfig:
    """Returns the L2TP settings."""
    return TunnelConfig(
        role=L2tpRole.LAC,
        host_name=profile.l2tp.host_name,
        vendor_name=profile.l2tp.vendor_name,
        firmware_revision=profile.l2tp.firmware_revision,
        framing_capabilities=profile.l2tp.framing_capabilities,
        bearer_capabilities=profile.l2tp.bearer_capabilities,
        receive_window=profile.l2tp.receive_window,
        retransmission=L2TP_PATIENCE,
    )


def link_config(profile: Profile, request: CheckRequest) -> LinkConfig:
    """Returns the PPP settings.  ``DOMAIN\\user`` is sent as it was given."""
    return LinkConfig(
        role=PppRole.CLIENT,
        lcp=LcpProfile(
            mru=profile.lcp.mru,
            magic=profile.lcp.magic_number,
            pfc=profile.lcp.protocol_field_compression,
            acfc=profile.lcp.address_control_field_compression,
            callback=profile.lcp.callback is not None,
        ),
        auth=tuple(_PPP_NAMES[name] for name in profile.ppp_authentication),
        username=request.username,
        password=request.password,
        ipv6=profile.ipv6cp,
    )
