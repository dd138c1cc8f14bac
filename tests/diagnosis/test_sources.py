"""Several logs as one: what counts when they say different things, and what combining must never change."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.diagnosis import Diagnosis, Origin, SourceLog, combine, diagnose, losses, origin
from l2tp_doctor.diagnosis.evidence import Evidence
from l2tp_doctor.diagnosis.sources import FRESH, MAX_LABEL, label
from l2tp_doctor.observations import Observation, Value
from tests.diagnosis.sets import (
    ALIVE,
    DEAD,
    HEALTHY,
    MAIN_UP,
    OPEN_4500,
    PSK,
    REPLY_1,
    RSA,
    SETS,
    SILENT_1,
    SILENT_5,
    SILENT_4500,
    Facts,
    observe,
)  # fmt: skip

NOW = 1_700_000_000.0
HOUR = 3600.0


def log(
    facts: Facts, *, before: float = 0.0, place: str = "", name: str = "", source: str = "probe:dial"
) -> SourceLog:
    items = tuple(dataclasses.replace(item, source=source) for item in observe(facts))
    return SourceLog(items, NOW - before, place, name)


def verdict(stage: str, *logs: SourceLog) -> Diagnosis:
    return diagnose(combine(logs).observations, stage=stage)


def first(stage: str, *logs: SourceLog) -> str:
    return verdict(stage, *logs).causes[0].id


# -- the source's own form ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("probe:dial", Origin("probe", "dial")),
        ("capture:vpn.pcapng", Origin("capture", "vpn.pcapng")),
        ("host:service", Origin("host", "service")),
        ("reflect:2001:db8::5", Origin("reflect", "2001:db8::5")),
        ("probe:dial@office", Origin("probe", "dial", "office")),
        ("probe:dial~monday", Origin("probe", "dial", "", "monday")),
        ("capture:a@office~monday", Origin("capture", "a", "office", "monday")),
        ("dial", Origin("", "dial")),
        ("other:dial", Origin("", "other:dial")),
    ],
)
def test_a_source_is_taken_apart_and_put_together(text: str, wanted: Origin) -> None:
    assert origin(text) == wanted
    assert str(wanted) == text


@given(st.text(max_size=80))
def test_a_label_always_fits_into_a_source(text: str) -> None:
    name = label(text)
    assert len(name) <= MAX_LABEL
    if name:
        assert origin(f"probe:dial@{name}") == Origin("probe", "dial", name)


# -- sources that contradict each other ---------------------------------------------------------


def test_silence_here_and_an_answer_elsewhere_is_a_path_near_here() -> None:
    here = log({**SILENT_1, **DEAD, **SILENT_4500})
    assert first("resolve", here) == "gateway-unreachable"
    office = log({**MAIN_UP, "host.alive": True}, before=HOUR, place="office")
    found = verdict("resolve", here, office)
    assert found.causes[0].id == "udp-500-blocked"
    assert any("office" in reason.text.en for reason in found.causes[0].proof)
    assert any("office" in reason.text.ja for reason in found.causes[0].proof)


def test_an_answer_elsewhere_clears_the_gateways_services() -> None:
    office = log(MAIN_UP, before=HOUR, place="office")
    for facts in (
        {**SILENT_1, **ALIVE, **SILENT_4500},
        {**REPLY_1, **ALIVE, "experiment.ikev2_500.reply": True},
        {**REPLY_1, **ALIVE, "experiment.aggressive.reply": "sa"},
    ):
        alone = {item.id: item.probability for item in verdict("reach", log(facts)).causes}
        with_office = {item.id: item.probability for item in verdict("reach", log(facts), office).causes}
        for cause in ("ike-service-down", "ikev1-disabled", "main-mode-refused"):
            if cause in alone:
                assert with_office.get(cause, 0.0) < alone[cause]


def test_silence_everywhere_is_not_this_line() -> None:
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    office = log({**SILENT_1, **ALIVE, **SILENT_4500}, before=HOUR, place="office")
    assert first("reach", here) == "udp-500-blocked"
    assert first("reach", here, office) == "ike-service-down"


def test_one_place_that_is_answered_outweighs_one_that_is_not() -> None:
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    silent = log({**SILENT_1, **ALIVE, **SILENT_4500}, before=HOUR, place="branch")
    answered = log(MAIN_UP, before=HOUR, place="office")
    found = verdict("reach", here, silent, answered)
    assert found.causes[0].id == "udp-500-blocked"
    assert not any("branch" in reason.text.en for reason in found.causes[0].proof)


def test_what_another_place_saw_is_no_fact_of_this_dial() -> None:
    combined = combine([log(SILENT_1), log(HEALTHY, before=HOUR, place="office")])
    evidence = Evidence(combined.observations)
    assert evidence.value("udp500.reply") is False
    assert evidence.value("dial.connected") is False
    assert evidence.value("elsewhere.dial.connected") is True
    assert diagnose(combined.observations).verdict != "healthy"


def test_two_dials_from_here_are_never_mixed() -> None:
    """Yesterday UDP 4500 answered; that does not make today's silence a matter of port 500 alone."""
    today = log({**SILENT_1, **DEAD, **SILENT_4500})
    yesterday = log({**HEALTHY, "udp4500.reply": True}, before=20 * HOUR, name="yesterday")
    assert verdict("resolve", today, yesterday).causes == verdict("resolve", today).causes
    evidence = Evidence(combine([today, yesterday]).observations)
    assert evidence.value("earlier.udp4500.reply") is True
    assert evidence.value("udp4500.reply") is False


def test_the_newest_dial_here_is_diagnosed_whatever_the_order() -> None:
    old, new = log(HEALTHY, before=HOUR, name="old"), log({**SILENT_5, **SILENT_4500})
    for logs in ((old, new), (new, old)):
        assert first("nat_t", *logs) == "udp-4500-blocked"


def test_an_old_record_of_another_place_is_kept_and_not_asked() -> None:
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    stale = log(MAIN_UP, before=FRESH + HOUR, place="office", name="last-week")
    assert verdict("reach", here, stale).causes == verdict("reach", here).causes
    sources = {item.source for item in combine([here, stale]).observations}
    assert sources == {"probe:dial", "probe:dial@office~last-week"}


def test_of_a_place_only_its_newest_record_is_asked() -> None:
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    was = log(MAIN_UP, before=5 * HOUR, place="office", name="morning")
    is_now = log({**SILENT_1, **ALIVE, **SILENT_4500}, before=HOUR, place="office", name="noon")
    assert verdict("reach", here, was, is_now).causes[0].id == "ike-service-down"


# -- captures, hosts ----------------------------------------------------------------------------


def test_a_later_probe_is_preferred_to_a_capture() -> None:
    seen = log({"udp4500.reply": False}, before=HOUR, source="capture:vpn.pcapng", name="vpn")
    asked = log({"udp4500.reply": True})
    evidence = Evidence(combine([seen, asked]).observations)
    assert evidence.value("udp4500.reply") is True
    assert evidence.value("earlier.udp4500.reply") is False


def test_within_one_occasion_the_newest_counts_and_then_the_most_active() -> None:
    def at(value: bool, when: float, source: str) -> Observation:
        return Observation("obs-1", "udp4500.reply", value, when, source)

    def answer(*logs: SourceLog) -> Value:
        return Evidence(combine(logs).observations).value("udp4500.reply")

    capture = "capture:vpn.pcapng"
    running = (at(True, 0.0, "probe:dial"), at(False, 1.0, "probe:dial"), at(True, 9.0, "probe:dial"))
    early = SourceLog((at(False, 0.5, capture), at(False, 2.0, capture)), NOW)
    late = SourceLog((at(False, 0.5, capture), at(False, 30.0, capture)), NOW)
    same = SourceLog((at(False, 0.5, capture), at(False, 9.0, capture)), NOW)
    assert answer(SourceLog(running, NOW), early) is True
    assert answer(SourceLog(running, NOW), late) is False
    assert answer(SourceLog(running, NOW), same) is True


def test_a_capture_that_ran_all_day_joins_no_two_dials() -> None:
    day = SourceLog(
        (
            Observation("obs-1", "udp500.reply", True, 0.0, "capture:day.pcap"),
            Observation("obs-2", "udp500.reply", False, 20 * HOUR + 1, "capture:day.pcap"),
        ),
        NOW - 20 * HOUR,
        label="day",
    )
    morning, now = log(HEALTHY, before=10 * HOUR, name="morning"), log({**SILENT_5, **SILENT_4500})
    combined = combine([day, morning, now])
    assert [(item.run, len(item.logs)) for item in combined.occasions] == [("", 2), ("morning", 1)]
    assert diagnose(combined.observations, stage="nat_t").causes[0].id == "udp-4500-blocked"


def test_host_facts_join_the_dial_unless_they_are_old() -> None:
    dial = log({**SILENT_5, **SILENT_4500})
    fresh = log({"clock.skew_suspected": True}, before=HOUR, source="host:clock")
    old = log({"clock.skew_suspected": True}, before=FRESH + HOUR, source="host:clock", name="old")
    assert Evidence(combine([dial, fresh]).observations).value("clock.skew_suspected") is True
    evidence = Evidence(combine([dial, old]).observations)
    assert evidence.value("clock.skew_suspected") is None
    assert evidence.value("earlier.clock.skew_suspected") is True


# -- a reflector --------------------------------------------------------------------------------

NEAR: Facts = {"reflect.answered": True, "reflect.near_gateway": True}
OPEN: Facts = {
    f"reflect.{channel}.{way}": True
    for channel in ("udp500", "udp4500", "esp_udp", "esp", "fragments")
    for way in ("arrived", "returned")
}


def lost(channel: str, direction: str) -> Facts:
    if direction == "out":
        return {**NEAR, **OPEN, f"reflect.{channel}.arrived": False, f"reflect.{channel}.returned": False}
    return {**NEAR, **OPEN, f"reflect.{channel}.returned": False}


def reflected(facts: Facts) -> SourceLog:
    return log(facts, before=-10.0, source="reflect:neighbour")


NATIVE_SILENT: Facts = {
    **MAIN_UP, "ike.quick.established": True, "esp.encapsulation": "native", "esp.received": False,
    "l2tp.sccrp": False, "dial.connected": False,
}  # fmt: skip


@pytest.mark.parametrize("direction", ["out", "in"])
@pytest.mark.parametrize(
    ("channel", "stage", "facts", "cause"),
    [
        ("udp500", "reach", {**SILENT_1, **ALIVE, **SILENT_4500}, "udp-500-blocked"),
        ("udp500", "resolve", {**SILENT_1, **DEAD, **SILENT_4500}, "udp-500-blocked"),
        ("udp4500", "nat_t", {**SILENT_5, "udp4500.reply": False}, "udp-4500-blocked"),
        ("esp", "esp", NATIVE_SILENT, "esp-blocked"),
        ("fragments", "nat_t", {**SILENT_5, **RSA, **OPEN_4500}, "ike-fragments-dropped"),
    ],
)
def test_a_reflector_names_the_cause_and_the_direction(
    channel: str, stage: str, facts: Facts, cause: str, direction: str
) -> None:
    combined = combine([log(facts), reflected(lost(channel, direction))])
    found = diagnose(combined.observations, stage=stage)
    assert found.verdict == "faulty"
    assert found.causes[0].id == cause
    assert found.causes[0].probability > 0.9
    said = losses(combined.observations)
    assert [(item.channel, item.direction, item.reflector) for item in said] == [
        (channel, direction, "neighbour")
    ]
    assert set(said[0].observations) <= {item.id for item in combined.observations}
    assert set(said[0].observations) & set(found.causes[0].evidence)
    assert any("neighbour" in reason.text.en for reason in found.causes[0].proof)


@pytest.mark.parametrize(
    ("stage", "facts", "cause"),
    [
        ("reach", {**SILENT_1, **ALIVE, **SILENT_4500}, "ike-service-down"),
        ("resolve", {**SILENT_1, **DEAD, **SILENT_4500}, "gateway-unreachable"),
        ("esp", NATIVE_SILENT, "l2tp-service-down"),
    ],
)
def test_an_open_path_to_the_neighbour_leaves_the_gateway(stage: str, facts: Facts, cause: str) -> None:
    assert first(stage, log(facts), reflected({**NEAR, **OPEN})) == cause


def test_a_site_that_blocks_500_to_everywhere_is_told_from_one_gateway() -> None:
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    far = {**lost("udp500", "out"), "reflect.near_gateway": False}
    found = verdict("reach", here, reflected(far))
    assert found.causes[0].id == "udp-500-blocked"
    assert "to everywhere" in " ".join(reason.text.en for reason in found.causes[0].proof)
    passing = {**NEAR, **OPEN, "reflect.near_gateway": False}
    found = verdict("reach", here, reflected(passing))
    assert "this side does not block" in " ".join(
        reason.text.en for cause in found.causes for reason in cause.proof
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({**SILENT_1, **ALIVE, **SILENT_4500}, {"reflect.payload_changed": True}),
        (
            {**NATIVE_SILENT, "esp.encapsulation": "udp"},
            {"reflect.esp_udp.arrived": False, "reflect.esp_udp.returned": False},
        ),
    ],
)
def test_a_device_that_looks_inside_shows_at_the_reflector(facts: Facts, said: Facts) -> None:
    assert first("esp", log(facts), reflected({**NEAR, **OPEN, **said})) == "ike-alg-interference"


def test_what_a_reflector_saw_besides_is_not_about_the_gateway() -> None:
    beside: Facts = {"resolve.ok": False, "udp500.icmp": "port-unreachable", "route.error": "no-route"}
    here = log({**SILENT_5, **SILENT_4500})
    combined = combine([here, reflected({**beside, **NEAR})])
    evidence = Evidence(combined.observations)
    assert evidence.value("resolve.ok") is True
    assert evidence.value("udp500.icmp") is None
    assert evidence.value("route.error") is None
    assert diagnose(combined.observations).causes == diagnose(here.observations).causes


def test_a_reflector_that_never_answered_says_nothing() -> None:
    silent: Facts = {
        "reflect.answered": False,
        "reflect.udp500.arrived": None,
        "reflect.udp500.returned": False,
    }
    here = log({**SILENT_1, **ALIVE, **SILENT_4500})
    assert verdict("reach", here, reflected(silent)).causes == verdict("reach", here).causes
    assert losses(combine([here, reflected(silent)]).observations) == ()


def test_a_wrong_key_stays_a_wrong_key_beside_a_reflector() -> None:
    here = log({**SILENT_5, **PSK, **OPEN_4500})
    assert first("nat_t", here, reflected({**NEAR, **OPEN})) == "psk-mismatch"


# -- what combining must never change -----------------------------------------------------------

FACTS = st.sampled_from([facts for _, _, facts in SETS.values()] + [DEAD, HEALTHY, lost("udp500", "in")])
LOGS = st.lists(
    st.builds(
        log,
        FACTS,
        before=st.sampled_from([0.0, 2.0, HOUR, HOUR, 5 * HOUR, FRESH + HOUR]),
        place=st.sampled_from(["", "", "office", "branch"]),
        name=st.sampled_from(["", "monday", "tuesday"]),
        source=st.sampled_from(["probe:dial", "probe:dial", "capture:a.pcap", "host:b", "reflect:c", "d"]),
    ),
    max_size=5,
)


@given(LOGS.flatmap(lambda logs: st.tuples(st.just(logs), st.permutations(logs))))
@settings(max_examples=200, deadline=None)
def test_the_order_of_sources_changes_nothing(pair: tuple[list[SourceLog], Sequence[SourceLog]]) -> None:
    logs, shuffled = pair
    assert combine(shuffled) == combine(logs)


@given(LOGS)
@settings(max_examples=200, deadline=None)
def test_combining_a_log_with_itself_changes_nothing(logs: list[SourceLog]) -> None:
    once = combine(logs)
    assert combine([*logs, *logs]) == once
    if once.occasions:
        again = SourceLog(once.observations, once.occasions[0].began)
        assert combine([again]).observations == once.observations


@given(LOGS)
@settings(max_examples=200, deadline=None)
def test_every_observation_stays_and_can_be_traced(logs: list[SourceLog]) -> None:
    combined = combine(logs)
    unique = {(item.place, item.began, item.observations): item for item in logs}
    assert len(combined.observations) == sum(len(item.observations) for item in unique.values())
    known = [item.id for item in combined.observations]
    assert len(set(known)) == len(known)
    found = diagnose(combined.observations)
    for cause in (*found.causes, *found.warnings):
        assert set(cause.evidence) <= set(known)


@pytest.mark.parametrize("case", SETS)
def test_a_single_log_is_what_it_was(case: str) -> None:
    _, stage, facts = SETS[case]
    items = tuple(observe(facts))
    combined = combine([SourceLog(items, NOW)])
    assert combined.observations == items
    assert diagnose(combined.observations, stage=stage) == diagnose(items, stage=stage)


@pytest.mark.parametrize("case", SETS)
def test_another_places_good_record_never_moves_a_cause_that_is_not_the_paths(case: str) -> None:
    """What a working dial elsewhere can refute is silence; what a gateway said here stays said."""
    cause, stage, facts = SETS[case]
    silence = {"gateway-unreachable", "ike-service-down", "ikev1-disabled", "main-mode-refused"}
    office = log(HEALTHY, before=HOUR, place="office")
    if cause not in silence | {"gateway-overloaded", "l2tp-service-down"}:
        assert first(stage, log(facts), office) == cause
