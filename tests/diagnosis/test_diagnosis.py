"""The verdict on sets of observations, and what must hold for every set."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor import knowledge
from l2tp_doctor.diagnosis import diagnose, explain
from l2tp_doctor.observations import Observation, Value
from l2tp_doctor.observations.vocabulary import VOCABULARY
from tests.diagnosis.sets import (
    ALIVE,
    DEAD,
    HEALTHY,
    LCP_UP,
    MAIN_UP,
    QUICK_UP,
    REFUSED_5,
    RESOLVED,
    SETS,
    SILENT_1,
    SILENT_5,
    SILENT_4500,
    TO_4,
    Facts,
    encrypted,
    observe,
)  # fmt: skip


@pytest.mark.parametrize("case", SETS)
def test_the_true_cause_is_first(case: str) -> None:
    cause, stage, facts = SETS[case]
    found = diagnose(observe(facts), stage=stage)
    assert found.causes, case
    assert found.causes[0].id == cause
    assert found.verdict == "faulty"
    assert found.causes[0].evidence
    assert found.causes[0].proof[0].text.ja


def test_every_cause_with_a_rule_has_a_set() -> None:
    assert {cause for cause, _, _ in SETS.values()} == set(knowledge.rulebook().rules)


HEALTHY_SETS: dict[str, tuple[Facts, set[str]]] = {
    "plain": (HEALTHY, set()),
    "forced NAT-T behind NAT": ({**HEALTHY, "nat_t.forced": True, "nat.client_behind": True}, set()),
    "gateway behind NAT": ({**HEALTHY, "nat.server_behind": True}, {"server-behind-nat"}),
    "lossy": ({**HEALTHY, "path.sent": 30, "path.retransmissions": 10}, {"packet-loss"}),
    "one message that took long": (
        {**HEALTHY, "path.sent": 7, "path.retransmissions": 3, "path.repeated": 1, "path.loss": 0.182},
        set(),
    ),
    "a little loss": ({**HEALTHY, "path.sent": 30, "path.retransmissions": 2}, set()),
    "native esp lost": (
        {**HEALTHY, "experiment.esp_native.received": False, "experiment.esp_udp.received": True},
        {"esp-blocked"},
    ),
    "no NAT-T": ({**HEALTHY, "nat_t.supported": False, "esp.encapsulation": "native"}, {"nat-t-unsupported"}),
    "small mtu": ({**HEALTHY, "tunnel.large_echo_reply": False}, {"path-mtu-blackhole"}),
    "firewalled ping": ({**HEALTHY, "host.ping_reply": False, "host.alive": True}, set()),
}


@pytest.mark.parametrize("case", HEALTHY_SETS)
def test_a_dial_that_works_is_healthy(case: str) -> None:
    facts, warnings = HEALTHY_SETS[case]
    found = diagnose(observe(facts), stage="connected")
    assert (found.verdict, found.causes, found.windows_error) == ("healthy", (), None)
    assert {item.id for item in found.warnings} == warnings


def test_a_silent_but_living_host_shows_both_neighbours_and_how_to_tell() -> None:
    found = diagnose(observe({**SILENT_1, **ALIVE, **SILENT_4500}), stage="reach")
    assert [item.id for item in found.causes] == ["udp-500-blocked", "ike-service-down"]
    assert found.causes[0].experiment is not None
    assert found.causes[0].experiment.neighbour == "ike-service-down"
    assert found.windows_error is not None
    assert (found.windows_error.code, found.windows_error.name) == (809, "ERROR_VPN_TIMEOUT")


def test_silence_after_message_5_alone_proves_nothing() -> None:
    found = diagnose(observe(SILENT_5), stage="nat_t")
    assert found.verdict == "undetermined"
    assert found.undetermined is not None
    assert found.undetermined.reason == "ambiguous"
    assert {"udp-4500-blocked", "psk-mismatch"} <= {item.id for item in found.causes}
    assert found.causes[0].experiment is not None
    assert found.causes[0].experiment.experiment == "main-mode-on-4500"


def test_a_failed_dial_still_warns_of_a_gateway_behind_nat() -> None:
    found = diagnose(observe({**SILENT_5, **SILENT_4500, "nat.server_behind": True}), stage="nat_t")
    assert found.causes[0].id == "udp-4500-blocked"
    assert [item.id for item in found.warnings] == ["server-behind-nat"]


@pytest.mark.parametrize(
    ("facts", "stage", "reason"),
    [
        ({}, "resolve", "nothing-measured"),
        ({"host.alive": None}, "resolve", "nothing-measured"),
        ({**TO_4, "ike.main.needs_psk": True}, "nat_t", "needs-psk"),
        ({**TO_4, "ike.main.needs_psk": True, "ike.main.reply_6": False}, "nat_t", "needs-psk"),
        ({**TO_4, "ike.main.needs_certificate": True}, "ike_main", "needs-certificate"),
        ({**LCP_UP, "ppp.auth.needs_credentials": True}, "lcp", "needs-credentials"),
        ({**RESOLVED, "route.error": "not-permitted"}, "resolve", "cannot-send"),
        ({**MAIN_UP}, "ike_auth", "unexplained"),
    ],
)
def test_what_could_not_be_judged_says_why(facts: Facts, stage: str, reason: str) -> None:
    found = diagnose(observe(facts), stage=stage)
    assert found.verdict == "undetermined"
    assert found.undetermined is not None
    assert found.undetermined.reason == reason
    assert "{" not in found.undetermined.text.ja + found.undetermined.text.en


def test_a_fault_is_named_even_where_credentials_are_missing() -> None:
    facts = {**SILENT_1, **ALIVE, **SILENT_4500}
    assert diagnose(observe(facts), stage="reach").verdict == "faulty"


def test_an_initial_contact_does_not_lend_its_place_to_a_later_refusal() -> None:
    first = encrypted("INITIAL_CONTACT", "main-5")
    second = encrypted("NO_PROPOSAL_CHOSEN", "quick-1")
    facts = {**MAIN_UP, "ike.quick.reply_2": False}
    items = observe(facts)
    for number, (name, value) in enumerate([*first.items(), *second.items()], start=len(items) + 1):
        at = 2.0 if value in first.values() else 3.0
        items.append(Observation(f"obs-{number}", name, value, at, "probe:dial"))
    found = diagnose(items, stage="ike_auth")
    assert [item.id for item in found.causes] == ["phase2-proposal-mismatch"]


def test_the_newest_answer_to_a_question_counts() -> None:
    items = observe(HEALTHY)
    late = Observation("obs-99", "dial.connected", False, 99.0, "probe:test")
    assert diagnose(items, stage="connected").verdict == "healthy"
    assert diagnose([late, *items], stage="connected").verdict == "undetermined"


def test_proof_quotes_what_was_observed() -> None:
    found = diagnose(
        observe({**QUICK_UP, "l2tp.sccrp": False, "l2tp.stopccn": "2/4 too many tunnels"}), stage="esp"
    )
    assert "2/4 too many tunnels" in found.causes[0].proof[0].text.ja
    assert "2/4 too many tunnels" in found.causes[0].proof[0].text.en


def test_braces_in_what_a_gateway_says_are_only_text() -> None:
    found = diagnose(observe({**QUICK_UP, "l2tp.sccrp": False, "l2tp.stopccn": "{0} {x.y}"}), stage="esp")
    assert "{0} {x.y}" in found.causes[0].proof[0].text.en


def test_the_code_follows_the_stage() -> None:
    facts = SETS["pppd does not start"][2]
    found = diagnose(observe(facts), stage="lcp")
    assert found.windows_error is not None
    assert found.windows_error.code == 718


@pytest.mark.parametrize("code", [646, 649])
def test_the_code_is_the_one_the_gateway_gave(code: int) -> None:
    found = diagnose(observe(SETS[str(code)][2]), stage="auth")
    assert found.windows_error is not None
    assert found.windows_error.code == code


def test_explain_shows_the_same_numbers_and_the_excluded() -> None:
    items = observe({**REFUSED_5, **encrypted("AUTHENTICATION_FAILED", "main-5")})
    found, working = diagnose(items, stage="nat_t"), explain(items)
    top = working.rows[0]
    assert (top.cause, top.probability) == (found.causes[0].id, found.causes[0].probability)
    assert math.isclose(top.log_odds, top.prior_log_odds + sum(reason.log_odds for reason in top.reasons))
    assert math.isclose(sum(row.probability for row in working.rows) + working.unexplained, 1.0)
    assert any(row.cause == "psk-mismatch" and row.excluded for row in working.rows)
    assert [row.excluded for row in working.rows] == sorted(row.excluded for row in working.rows)


VALUES: dict[type, st.SearchStrategy[Value]] = {
    bool: st.booleans(),
    int: st.integers(0, 700),
    float: st.floats(0, 5),
    str: st.sampled_from(
        ["sa", "none", "native", "udp", "failure", "main-5", "PAYLOAD_MALFORMED", "isakmp", "{}"]
    ),
    tuple: st.sampled_from([(), ("192.0.2.1",), ("AES/PSK",), ("AES/RSA_SIG",)]),
}
FACTS = st.dictionaries(st.sampled_from(sorted(VOCABULARY)), st.integers(), max_size=25).flatmap(
    lambda chosen: st.fixed_dictionaries({name: VALUES[VOCABULARY[name].type] for name in chosen})
)
CASES = st.one_of(st.sampled_from([facts for _, _, facts in SETS.values()] + [DEAD, HEALTHY]), FACTS)


@given(CASES, st.sampled_from(sorted(VOCABULARY)), st.floats(0, 100))
@settings(max_examples=150, deadline=None)
def test_an_unmeasured_observation_changes_nothing(facts: Facts, name: str, at: float) -> None:
    items = observe(facts)
    unmeasured = Observation("obs-500", name, None, at, "probe:test", reason="no permission")
    assert diagnose([*items, unmeasured]) == diagnose(items)


@given(CASES.flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(observe(facts)))))
@settings(max_examples=150, deadline=None)
def test_the_order_of_arrival_does_not_matter(pair: tuple[Facts, list[Observation]]) -> None:
    facts, shuffled = pair
    assert diagnose(shuffled) == diagnose(observe(facts))


@given(CASES)
@settings(max_examples=200, deadline=None)
def test_every_verdict_is_well_formed(facts: Facts) -> None:
    items = observe(facts)
    found = diagnose(items)
    known = {item.id for item in items}
    chances = [item.probability for item in found.causes]
    assert sum(chances) + found.unexplained <= 1.0 + 1e-9
    assert chances == sorted(chances, reverse=True)
    assert (found.undetermined is not None) == (found.verdict == "undetermined")
    if found.verdict == "healthy":
        assert not found.causes
    for cause in (*found.causes, *found.warnings):
        assert set(cause.evidence) <= known
        assert cause.id in knowledge.cause_ids()
    assert dataclasses.is_dataclass(found)
