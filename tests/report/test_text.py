"""The words after the ladder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from l2tp_doctor.diagnosis import Diagnosis, Explanation, Reason, RowTrace
from l2tp_doctor.knowledge import LocalizedText
from l2tp_doctor.observations.vocabulary import VOCABULARY
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.report.drawing import ASCII, UNICODE
from l2tp_doctor.report.text import TextReport
from l2tp_doctor.report.verbose import packet_trees
from l2tp_doctor.report.why import percent
from l2tp_doctor.report.words import Language, Words
from l2tp_doctor.report.wrapping import wrap
from tests.report import samples
from tests.report.samples import IN, PORTS, event, fake_cause

Sample = Callable[[], tuple[Measurement, Diagnosis]]


def report(sample: Sample, language: Language = "en", width: int = 80) -> TextReport:
    measurement, diagnosis = sample()
    return TextReport(measurement, diagnosis, Words(language), UNICODE, width, PORTS, fake_cause)


def text(sample: Sample, language: Language = "en", width: int = 80, *, why: bool = False) -> str:
    lines = report(sample, language, width).full(with_ladder=True, with_why=why)
    return "\n".join(line.plain for line in lines)


def flat(shown: str) -> str:
    return " ".join(shown.split())


def test_a_fault_is_told_in_the_order_cause_proof_next() -> None:
    shown = flat(text(samples.blocked_4500))
    places = [
        shown.index(part)
        for part in (
            "Main Mode 5", "It fails: title of udp-4500-blocked", "error 809 (ERROR_VPN_TIMEOUT)",
            "UDP 500 answered up to Main Mode 4", "A fresh Main Mode straight",
            "Allow UDP 4500", "Other possibilities", "title of psk-mismatch", "Not measured",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "93% sure" in shown


@pytest.mark.parametrize(
    ("sample", "ja", "en"),
    [
        (samples.healthy, "VPN は正常", "The VPN works"),
        (samples.blocked_4500, "接続できない", "It fails"),
        (samples.wrong_password, "接続できない", "It fails"),
        (samples.ambiguous, "原因を1つに決められない", "could not be determined"),
    ],
)
def test_both_languages_say_the_verdict(sample: Sample, ja: str, en: str) -> None:
    assert ja in text(sample, "ja")
    assert en in text(sample, "en")


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "sample", [samples.healthy, samples.blocked_4500, samples.wrong_password, samples.ambiguous]
)
def test_no_line_is_wider_than_the_terminal(sample: Sample, language: Language, width: int) -> None:
    for line in text(sample, language, width, why=True).splitlines():
        assert cell_len(line) <= width


def test_an_undetermined_verdict_shows_all_candidates_and_the_separating_experiment() -> None:
    shown = flat(text(samples.ambiguous))
    assert "title of udp-500-blocked" in shown
    assert "title of ike-service-down" in shown
    assert "Another try from a different line would tell them apart." in shown
    assert "It fails" not in shown


def test_warnings_follow_a_healthy_verdict() -> None:
    shown = text(samples.healthy)
    assert shown.index("The VPN works") < shown.index("Warnings") < shown.index("title of server-behind-nat")


def test_what_was_not_measured_says_why() -> None:
    assert "native_esp.available (because: needs CAP_NET_RAW)" in flat(text(samples.blocked_4500))


def test_an_interrupted_run_says_so_first() -> None:
    measurement, diagnosis = samples.blocked_4500()
    stopped = dataclasses.replace(measurement, interrupted=True)
    lines = dataclasses.replace(
        report(samples.blocked_4500), measurement=stopped, diagnosis=diagnosis
    ).paragraph()
    assert "Interrupted" in lines[0].plain


def test_why_marks_the_evidence_and_names_every_observation() -> None:
    shown = text(samples.blocked_4500, why=True)
    marked = [line for line in shown.splitlines() if line.startswith("★ obs-")]
    assert [line.split()[1] for line in marked] == ["obs-1", "obs-2", "obs-8"]
    for item in samples.blocked_4500()[0].observations:
        assert f"{item.name} = " in shown


def test_why_shows_the_reckoning() -> None:
    reason = Reason(LocalizedText(ja="静か", en="It was silent."), ("obs-2",), 3.0, "for")
    against = Reason(LocalizedText(ja="動いた", en="It moved."), ("obs-3",), -1.0, "against")
    row = RowTrace("udp-4500-blocked", -3.0, (reason, against), False, -1.0, 0.93)
    out = RowTrace("esp-blocked", -3.0, (reason,), True, float("-inf"), 0.0, supported=False)
    idle = RowTrace("packet-loss", -3.0, (against,), False, -4.0, 0.0, supported=False)
    shown = dataclasses.replace(report(samples.blocked_4500), explanation=Explanation((row, idle, out), 0.07))
    plain = flat("\n".join(line.plain for line in shown.reckoning()))
    assert "93% udp-4500-blocked" in plain
    assert "×0.0498 before any evidence ×20.1 + It was silent. obs-2" in plain
    assert "×0.368 - It moved. obs-3 = 0.368" in plain
    assert "7% something no rule knows" in plain
    assert "what contradicts them • esp-blocked: It was silent." in plain
    assert "do not compete: packet-loss" in plain


@pytest.mark.parametrize(
    ("probability", "shown"), [(0.999, ">99%"), (1.0, ">99%"), (0.97, "97%"), (0.0, "<1%"), (0.004, "<1%")]
)
def test_probabilities_are_never_falsely_certain(probability: float, shown: str) -> None:
    assert percent(probability) == shown


@pytest.mark.parametrize("name", sorted(VOCABULARY))
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_observation_has_words(name: str, language: Language) -> None:
    words = Words(language)
    suffixes = (".true", ".false") if VOCABULARY[name].type is bool else ("",)
    for suffix in suffixes:
        sentence = words(f"observation.{name}{suffix}", value="V", ms="1 ms", percent="2%")
        assert sentence.endswith("。" if language == "ja" else (".", ").", ".”", "”."))


@pytest.mark.parametrize(
    "stage", ["resolve", "reach", "ike_main", "nat_t", "ike_auth", "ike_quick", "connected"]
)
def test_every_stage_has_words(stage: str) -> None:
    assert Words("ja")(f"stage.{stage}")


def test_the_packet_tree_indents_decoded_fields_and_defuses_a_peers_text() -> None:
    shown = event(0.5, IN, "l2tp", "SCCRP \x1b[2J", 99, AVPs=[{"host": "evil\x1b]0;x\x07"}], Nr=3)
    lines = [line.plain for line in packet_trees([shown], UNICODE)]
    assert lines[0].split()[-2:] == ["(99", "B)"]
    assert any(line.strip() == "Nr 3" for line in lines)
    nested = next(line for line in lines if "host" in line)
    assert len(nested) - len(nested.lstrip()) > len(lines[1]) - len(lines[1].lstrip())
    assert "\x1b" not in "".join(lines)


def test_deep_nesting_from_a_peer_ends() -> None:
    value: object = "x"
    for _ in range(500):
        value = [{"in": value}]
    assert len(list(packet_trees([event(0.0, IN, "isakmp", "deep", 1, v=value)], ASCII))) < 100


def test_japanese_lines_do_not_begin_with_closing_punctuation() -> None:
    lines = wrap("あいうえおかきくけこ。さしすせそ「たちつてと」、なにぬねの。", 10)
    assert all(line[0] not in "。、」" for line in lines)
    assert all(line[-1] != "「" for line in lines)


@given(st.text(max_size=200), st.integers(4, 100))
def test_wrapping_keeps_the_width_and_every_visible_character(original: str, width: int) -> None:
    lines = wrap(original, width)
    assert all(cell_len(line) <= width or len(line) == 1 for line in lines)
    assert all(character.isprintable() for line in lines for character in line)
    kept = "".join("".join(lines).split())
    assert len(kept) == len("".join(original.split()))
