"""Which of two neighbours it is where certificates are refused, from what gateways were seen to do."""

from __future__ import annotations

import pytest

from l2tp_doctor.diagnosis import diagnose
from tests.diagnosis.sets import HEALTHY, RSA, TO_4, Facts, encrypted, observe

REFUSED: Facts = {
    **TO_4, **RSA, **encrypted("AUTHENTICATION_FAILED", "main-5"), "ike.main.auth_offered": ("RSA_SIG",),
    "ike.main.reply_6": False, "dial.connected": False,
}  # fmt: skip
ASKED: Facts = {"ike.main.certificate_requested": True, "ike.main.certificate_authorities": ("CN=Lab CA",)}
NOT_ASKED: Facts = {"ike.main.certificate_requested": False}
KEY_TAKEN: Facts = {"experiment.key.reply_4": True, "experiment.key.established": True}
KEY_KNOWN: Facts = {"experiment.key.reply_4": True}
KEY_REFUSED: Facts = {
    "experiment.key.reply_4": True,
    "experiment.key.established": False,
    "experiment.key.refusal": "AUTHENTICATION_FAILED",
}
NO_KEY: Facts = {"experiment.key.reply_4": False, "experiment.key.established": False}
OURS: Facts = {"certificate.client_issuer_requested": True}
FOREIGN: Facts = {"certificate.client_issuer_requested": False}
ABSENT: Facts = {
    **TO_4, **RSA, "ike.main.needs_certificate": True, "certificate.client_problem": "missing",
    "dial.connected": False,
}  # fmt: skip
OUT_OF_TIME: Facts = {**TO_4, **RSA, "certificate.problem": "expired", "dial.connected": False}


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        # strongSwan with a key only: it asks for nothing, and Main Mode with the key goes through.
        ({**REFUSED, **NOT_ASKED, **KEY_TAKEN}, "auth-method-mismatch"),
        ({**REFUSED, **NOT_ASKED, **KEY_KNOWN}, "auth-method-mismatch"),
        (
            {**REFUSED, **NOT_ASKED, **KEY_REFUSED, "experiment.key.refusal": "PAYLOAD_MALFORMED"},
            "auth-method-mismatch",
        ),
        ({**REFUSED, **ASKED, **OURS, **KEY_TAKEN}, "auth-method-mismatch"),
        # It asks for another authority's: that the key is taken as well is no contradiction.
        ({**REFUSED, **ASKED, **FOREIGN, **KEY_TAKEN}, "client-certificate-rejected"),
        ({**REFUSED, **ASKED, **OURS, **KEY_REFUSED}, "client-certificate-rejected"),
        # Libreswan asks for nothing even where it takes certificates only.
        ({**REFUSED, **NOT_ASKED, **NO_KEY}, "client-certificate-rejected"),
        ({**REFUSED, **NOT_ASKED, **KEY_REFUSED}, "client-certificate-rejected"),
        ({**ABSENT, **ASKED, **KEY_REFUSED}, "client-certificate-missing"),
        ({**ABSENT, **NOT_ASKED, **NO_KEY}, "client-certificate-missing"),
        ({**ABSENT, **ASKED, **KEY_KNOWN}, "client-certificate-missing"),
        ({**ABSENT, **NOT_ASKED, **KEY_TAKEN}, "auth-method-mismatch"),
        # Clocks.
        ({**REFUSED, **ASKED, **OURS, "clock.wrong": "gateway"}, "clock-skew"),
        ({**REFUSED, **ASKED, **OURS, "clock.wrong": "either"}, "clock-skew"),
        ({**REFUSED, **ASKED, **OURS, "clock.wrong": "none"}, "client-certificate-rejected"),
        ({**OUT_OF_TIME, "clock.wrong": "own"}, "clock-skew"),
        ({**OUT_OF_TIME, "clock.wrong": "either"}, "clock-skew"),
        ({**OUT_OF_TIME, "clock.wrong": "none"}, "gateway-certificate-expired"),
        ({**OUT_OF_TIME, "clock.skew_suspected": True}, "clock-skew"),
        ({**OUT_OF_TIME, "clock.skew_suspected": True, "clock.wrong": "none"}, "gateway-certificate-expired"),
        (
            {**REFUSED, **ASKED, **OURS, "certificate.client_problem": "expired", "clock.wrong": "own"},
            "clock-skew",
        ),
        (
            {**REFUSED, **ASKED, **OURS, "certificate.client_problem": "expired", "clock.wrong": "none"},
            "client-certificate-expired",
        ),
    ],
)
def test_the_true_cause_is_first(facts: Facts, cause: str) -> None:
    found = diagnose(observe(facts), stage="ike_auth")
    assert found.verdict == "faulty"
    assert found.causes[0].id == cause
    shown = found.causes[0].proof[0].text
    assert "{" not in shown.ja + shown.en


@pytest.mark.parametrize(
    ("facts", "warned"),
    [
        ({"certificate.client_problem": "wrong-usage"}, {"client-certificate-missing"}),
        (
            {"certificate.client_problem": "expired", "clock.wrong": "own"},
            {"client-certificate-expired", "clock-skew"},
        ),
        ({"clock.wrong": "none"}, set()),
        ({"certificate.crl_problem": "stale", "ike.main.certificate_requested": False}, set()),
    ],
)
def test_a_dial_that_works_warns_of_what_windows_minds(facts: Facts, warned: set[str]) -> None:
    found = diagnose(observe({**HEALTHY, **RSA, **facts}), stage="connected")
    assert found.verdict == "healthy"
    assert {item.id for item in found.warnings} == warned
