"""Every fault makes the dial see what the real thing would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from l2tp_doctor.knowledge.ui_texts import texts
from l2tp_doctor.practice.certificates import PracticeCertificates, make_certificates
from l2tp_doctor.practice.faults import FAULTS
from l2tp_doctor.practice.settings import CertificateFlaw, GatewaySettings
from l2tp_doctor.protocol.certificates import validate_chain
from l2tp_doctor.protocol.dial import DialState
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.l2tp.events import (
    CdnReceived,
    ControlAcknowledgedOnly,
    ControlSilent,
    StopCcnReceived,
)
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol
from l2tp_doctor.protocol.ppp.events import AuthFailed, AuthRequired, IpcpFailed
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome
from tests.practice.join import Join, delayed, dial_config

NOW = datetime.now(UTC)


@cache
def certificates(flaw: CertificateFlaw, long_chain: bool) -> PracticeCertificates:
    return make_certificates(flaw, ("127.0.0.1", "localhost"), NOW, long_chain=long_chain)


def without_native_esp(_from_client: bool, datagram: Datagram) -> tuple[float, ...]:
    """Loopback: no raw sockets, so no ESP outside UDP."""
    return () if datagram.channel is Channel.ESP else (0.01,)


def dial(fault_id: str, seed: int = 1) -> Join:
    fault = FAULTS[fault_id]
    settings = fault.alter(GatewaySettings())
    config = dial_config()
    if settings.certificate is not None:
        made = certificates(settings.certificate, settings.long_certificate_chain)
        settings = replace(settings, credentials=made.gateway)
        if fault.certificates:
            config = dial_config(authentication=3, credentials=made.client)
    # What Windows allows by default.
    link = replace(config.link, auth=(AuthProtocol.MSCHAPV2, AuthProtocol.CHAP))
    join = Join(settings, replace(config, link=link), without_native_esp, seed)
    return join.run()


def gave_up(join: Join) -> list[Step]:
    return [event.step for event in join.got(ike.GaveUp)]


def notified(join: Join, name: str, after: Step, *, encrypted: bool) -> bool:
    return any(
        event.name == name and event.after is after and event.encrypted is encrypted
        for event in join.got(ike.NotifyReceived)
    )


def silent_after(step: Step) -> Callable[[Join], bool]:
    return lambda join: (
        gave_up(join) == [step] and not join.got(ike.NotifyReceived) and not join.got(ike.Undecryptable)
    )


def refused_user(code: int) -> Callable[[Join], bool]:
    return lambda join: [event.error_code for event in join.got(AuthFailed)] == [code]


EXPECTED: dict[str, Callable[[Join], bool]] = {
    "psk-mismatch": lambda join: any(e.after is Step.MAIN_5 for e in join.got(ike.Undecryptable)),
    "psk-mismatch-clear": lambda join: notified(join, "PAYLOAD_MALFORMED", Step.MAIN_5, encrypted=False),
    "psk-mismatch-silent": silent_after(Step.MAIN_5),
    "peer-identity-rejected": lambda join: notified(
        join, "AUTHENTICATION_FAILED", Step.MAIN_5, encrypted=True
    ),
    "phase1-proposal-mismatch": lambda join: notified(
        join, "NO_PROPOSAL_CHOSEN", Step.MAIN_1, encrypted=False
    ),
    "phase1-proposal-mismatch-silent": silent_after(Step.MAIN_1),
    "phase2-proposal-mismatch": lambda join: notified(
        join, "NO_PROPOSAL_CHOSEN", Step.QUICK_1, encrypted=True
    ),
    "auth-method-mismatch": lambda join: notified(join, "NO_PROPOSAL_CHOSEN", Step.MAIN_1, encrypted=False),
    "udp-500-blocked": silent_after(Step.MAIN_1),
    "udp-4500-blocked": silent_after(Step.MAIN_5),
    "ike-fragments-dropped": silent_after(Step.MAIN_5),
    "ikev1-disabled": silent_after(Step.MAIN_1),
    "ikev1-disabled-refused": lambda join: notified(join, "NO_PROPOSAL_CHOSEN", Step.MAIN_1, encrypted=False),
    "main-mode-refused": lambda join: notified(
        join, "UNSUPPORTED_EXCHANGE_TYPE", Step.MAIN_1, encrypted=False
    ),
    "server-behind-nat": lambda join: join.got(ike.NatDetected)[0].server_behind and join.connected,
    "nat-t-unsupported": lambda join: (
        not join.got(ike.VendorIds)[0].nat_t and [e.message for e in join.got(ControlSilent)] == ["SCCRQ"]
    ),
    "l2tp-service-down": lambda join: [e.message for e in join.got(ControlSilent)] == ["SCCRQ"],
    "l2tp-service-stuck": lambda join: bool(join.got(ControlAcknowledgedOnly)),
    "l2tp-tunnel-rejected": lambda join: join.got(StopCcnReceived)[0].result_code == 4,
    "l2tp-call-rejected": lambda join: join.got(CdnReceived)[0].message == "all lines are busy",
    "ppp-credentials-rejected": refused_user(691),
    "account-disabled": refused_user(647),
    "password-expired": refused_user(648),
    "account-restricted": refused_user(649),
    "account-restricted-hours": refused_user(646),
    "ppp-auth-protocol-mismatch": lambda join: join.got(AuthRequired) == [AuthRequired(None, ("PAP",))],
    "ppp-auth-protocol-mismatch-eap": lambda join: join.got(AuthRequired) == [AuthRequired(None, ("EAP",))],
    "ppp-address-pool-exhausted": lambda join: join.got(IpcpFailed)[0].reason == "address-refused",
    "ppp-address-pool-exhausted-rejected": lambda join: join.got(IpcpFailed)[0].reason == "protocol-rejected",
    "packet-loss": lambda join: join.connected,
    "slow": lambda join: join.connected and join.now - 100.0 > 13 * 0.7,
    "icmp-filtered": lambda join: (
        join.connected and [echo.rtt for echo in join.got(EchoOutcome)] == [None, None]
    ),
}
ON_SOCKETS_ONLY = {"ike-service-down"}
FLAWS = {
    "gateway-certificate-expired": "expired",
    "gateway-certificate-not-yet-valid": "not-yet-valid",
    "gateway-certificate-untrusted": "untrusted",
    "gateway-certificate-name-mismatch": "name-mismatch",
    "gateway-certificate-wrong-usage": "wrong-usage",
}


def test_every_fault_is_tried_here() -> None:
    assert set(FAULTS) == set(EXPECTED) | ON_SOCKETS_ONLY | set(FLAWS)


def test_every_fault_has_words_and_its_id_begins_with_its_cause() -> None:
    for fault in FAULTS.values():
        assert fault.text_key in texts()
        assert fault.cause is None or fault.id.startswith(fault.cause) or fault.id.startswith("l2tp-")


@pytest.mark.parametrize("fault_id", EXPECTED)
def test_fault_shows_at_the_dial(fault_id: str) -> None:
    join = dial(fault_id)
    assert EXPECTED[fault_id](join), join.events
    assert join.connected is FAULTS[fault_id].connects
    if not join.connected:
        assert join.dial.state is DialState.FAILED
    assert join.close(seconds=60.0).empty
    assert join.closed_cleanly


@pytest.mark.parametrize("fault_id", FLAWS)
def test_certificate_flaw_is_the_only_one(fault_id: str) -> None:
    join = dial(fault_id)
    chain = join.got(ike.PeerCertificates)[0].chain
    settings = FAULTS[fault_id].alter(GatewaySettings())
    assert settings.certificate is not None
    made = certificates(settings.certificate, False)
    report = validate_chain(chain, (made.ca,), (), NOW, "127.0.0.1")
    assert {problem.kind for problem in report.problems} == {FLAWS[fault_id]}


def test_flawless_certificate_is_valid_and_the_dial_connects() -> None:
    made = certificates(CertificateFlaw.NONE, False)
    assert validate_chain(made.gateway.certificates, (made.ca,), (), NOW, "localhost").valid
    settings = FAULTS["auth-method-mismatch"].alter(GatewaySettings())
    settings = replace(settings, credentials=made.gateway)
    config = dial_config(authentication=3, credentials=made.client)
    assert Join(settings, config, delayed(0.01)).run().connected


def test_loss_repeats_with_its_seed_and_shows_as_retransmissions() -> None:
    first, again = dial("packet-loss", seed=5), dial("packet-loss", seed=5)
    assert first.now == again.now
    lost = [dial("packet-loss", seed).gateway.status().counters for seed in range(10)]
    assert all(counters.get("lost-in", 0) + counters.get("lost-out", 0) for counters in lost)
