"""The data files: complete, bilingual, and referring only to what exists."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import pytest

from l2tp_doctor import knowledge
from l2tp_doctor.knowledge.conditions import PLACE, REFLECTOR, bare, names_in, parse
from l2tp_doctor.knowledge.entries import entry_ids
from l2tp_doctor.knowledge.localized import LocalizedText
from l2tp_doctor.knowledge.rulebook import QUOTE
from l2tp_doctor.observations.vocabulary import VOCABULARY

# The closed list of the design, written out: adding is allowed, losing or renaming one is not.
CAUSES = [
    "name-not-resolved",
    "gateway-unreachable",
    "udp-500-blocked",
    "udp-4500-blocked",
    "esp-blocked",
    "ike-fragments-dropped",
    "ike-alg-interference",
    "path-mtu-blackhole",
    "packet-loss",
    "ike-service-down",
    "ikev1-disabled",
    "main-mode-refused",
    "l2tp-service-down",
    "gateway-overloaded",
    "nat-t-unsupported",
    "server-behind-nat",
    "same-nat-collision",
    "psk-mismatch",
    "peer-identity-rejected",
    "auth-method-mismatch",
    "phase1-proposal-mismatch",
    "phase2-proposal-mismatch",
    "gateway-certificate-expired",
    "gateway-certificate-not-yet-valid",
    "gateway-certificate-untrusted",
    "gateway-certificate-name-mismatch",
    "gateway-certificate-wrong-usage",
    "gateway-certificate-revoked",
    "client-certificate-missing",
    "client-certificate-expired",
    "client-certificate-rejected",
    "clock-skew",
    "l2tp-call-rejected",
    "ppp-credentials-rejected",
    "ppp-auth-protocol-mismatch",
    "account-disabled",
    "password-expired",
    "account-restricted",
    "ppp-address-pool-exhausted",
    "service-stopped",
    "service-disabled",
    "ipsec-prohibited",
    "ike-port-conflict",
    "windows-firewall-blocks-ike",
    "profile-misconfigured",
    "wan-miniport-broken",
    "windows-update-regression",
    "group-policy-overrides",
    "not-elevated",
    "file-locked",
    "temp-not-writable",
    "acl-denied",
    "execution-blocked",
    "controlled-folder-access",
    "mark-of-the-web",
]
# Told by facts about the machine itself; no packet shows them, so no rule over packets names them.
HOST_CAUSES = set(CAUSES[CAUSES.index("service-stopped") :])
STAGES = {
    "resolve",
    "reach",
    "ike_main",
    "nat_t",
    "ike_auth",
    "ike_quick",
    "esp",
    "l2tp",
    "lcp",
    "auth",
    "ipcp",
    "connected",
}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
COMMAND = re.compile(r"`([^`]*)`")


def test_every_cause_of_the_closed_list_has_its_file() -> None:
    assert set(knowledge.cause_ids()) == set(CAUSES)


@pytest.mark.parametrize("identifier", CAUSES)
def test_a_cause_is_bilingual_and_refers_to_what_exists(identifier: str) -> None:
    cause = knowledge.cause(identifier)
    for text in (cause.title, cause.explanation, *cause.next_steps):
        assert JAPANESE.search(text.ja)
        assert not JAPANESE.search(text.en)
    assert cause.next_steps
    assert cause.fixes
    assert cause.references
    assert set(cause.fixes) <= set(entry_ids("fix"))
    codes = [cause.codes.usual, *cause.codes.by_stage.values(), *cause.codes.also]
    assert all(knowledge.windows_code(code) is not None for code in codes if code is not None)
    assert set(cause.codes.by_stage) <= STAGES
    assert cause.codes.observed is None or cause.codes.observed in VOCABULARY
    assert set(cause.seed) <= {1, 2, 3, 4, 5}


@pytest.mark.parametrize("identifier", CAUSES)
def test_both_languages_give_the_same_commands(identifier: str) -> None:
    for step in knowledge.cause(identifier).next_steps:
        commands = [sorted(map(_shape, COMMAND.findall(text))) for text in (step.ja, step.en)]
        assert commands[0] == commands[1]


def _shape(command: str) -> str:
    """A command without its placeholders in angle brackets, which are words and so differ."""
    return re.sub(r"<[^>]*>", "<>", command)


def test_the_codes_are_those_of_the_design() -> None:
    expected = {
        "name-not-resolved": 868,
        "udp-500-blocked": 809,
        "psk-mismatch": 789,
        "ppp-credentials-rejected": 691,
        "account-disabled": 647,
        "password-expired": 648,
        "ppp-address-pool-exhausted": 720,
        "packet-loss": None,
    }
    assert {name: knowledge.cause(name).codes.usual for name in expected} == expected


def test_every_experiment_is_bilingual_and_observable() -> None:
    for name in knowledge.experiment_ids():
        experiment = knowledge.experiment(name)
        _bilingual(experiment.title)
        assert experiment.observation is None or experiment.observation in VOCABULARY


def _bilingual(text: LocalizedText) -> None:
    assert JAPANESE.search(text.ja)
    assert not JAPANESE.search(text.en)


def test_every_cause_that_packets_can_show_has_a_rule() -> None:
    assert set(knowledge.rulebook().rules) == set(CAUSES) - HOST_CAUSES


def _rows() -> Iterator[tuple[str, knowledge.EvidenceRow]]:
    for rule in knowledge.rulebook().rules.values():
        for row in (*rule.evidence, *rule.excluded_by, *rule.warns):
            yield rule.cause, row


def test_rules_look_only_at_the_vocabulary() -> None:
    for definition in knowledge.rulebook().definitions.values():
        assert {bare(name) for name in names_in(definition)} <= set(VOCABULARY)
    for cause, row in _rows():
        assert {bare(name) for name in names_in(row.when)} <= set(VOCABULARY), cause


def test_rules_quote_only_the_vocabulary_and_the_same_in_both_languages() -> None:
    for cause, row in _rows():
        quoted = QUOTE.findall(row.because.ja)
        assert sorted(quoted) == sorted(QUOTE.findall(row.because.en)), cause
        assert {bare(name) for name in quoted if name not in (PLACE, REFLECTOR)} <= set(VOCABULARY), cause
        _bilingual(row.because)


def test_separations_name_another_rule_and_a_known_experiment() -> None:
    rules = knowledge.rulebook().rules
    for rule in rules.values():
        for item in rule.separates:
            assert item.neighbour in rules
            assert item.neighbour != rule.cause
            assert item.experiment in knowledge.experiment_ids()
            _bilingual(item.text)


def test_ui_texts_are_bilingual_with_the_same_placeholders() -> None:
    texts = knowledge.texts()
    for key in texts:
        text = texts.entries[key]
        assert _placeholders(text.ja) == _placeholders(text.en), key
        if key not in texts.same:
            assert JAPANESE.search(text.ja), key
        assert not JAPANESE.search(text.en) or key in texts.same, key


def _placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def test_codes_are_complete_and_bilingual() -> None:
    codes = knowledge.windows_codes()
    # 13919 to 13924 are not defined by winerror.h.
    assert {code for code in codes if code >= 13800} == {*range(13800, 13919), *range(13925, 13933)}
    for code in codes.values():
        _bilingual(code.meaning)
        if code.hint is not None:
            _bilingual(code.hint)
    found = codes[809]
    assert found.name == "ERROR_VPN_TIMEOUT"
    assert codes[789].name == "ERROR_OAKLEY_GENERAL_PROCESSING"
    assert codes[13801].name == "ERROR_IPSEC_IKE_AUTH_FAIL"
    assert codes[13910].name == "ERROR_IPSEC_BAD_SPI"
    assert knowledge.windows_code(1) is None


def test_a_text_is_filled() -> None:
    shown = knowledge.text("diagnosis.undetermined.cannot-send", "en", error="network-unreachable")
    assert "network-unreachable" in shown


def test_unknown_names_are_errors() -> None:
    with pytest.raises(KeyError):
        knowledge.cause("no-such-cause")
    with pytest.raises(KeyError):
        knowledge.profile("../causes/psk-mismatch")


@pytest.mark.parametrize(
    "node",
    [
        "no_such_definition",
        {},
        {"all": []},
        {"udp500.reply": {"frob": 1}},
        {"udp500.reply": {"in": [1], "equals": 2}},
    ],
)
def test_a_condition_outside_the_language_is_refused(node: object) -> None:
    with pytest.raises(ValueError, match="here"):
        parse(node, {}, "here")


@pytest.mark.parametrize(
    "node", [None, {"ja": "日本語"}, {"ja": "", "en": "x"}, {"ja": "a", "en": "b", "fr": "c"}]
)
def test_a_text_without_both_languages_is_refused(node: object) -> None:
    with pytest.raises(ValueError, match="here"):
        LocalizedText.parse(node, "here")
