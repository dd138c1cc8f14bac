"""What the ladder shows: one row for each message, and the place where the dial broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from l2tp_doctor.diagnosis import Diagnosis
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.report.drawing import ASCII, UNICODE, Pen, glyphs_for, milliseconds
from l2tp_doctor.report.ladder import Break, Kind, Ladder, Row, build
from l2tp_doctor.report.words import Language, Words
from tests.report import samples
from tests.report.samples import IN, NOTE, OUT, PORTS, event, main_mode

Sample = Callable[[], tuple[Measurement, Diagnosis]]
SAMPLES: tuple[Sample, ...] = (
    samples.healthy, samples.blocked_4500, samples.wrong_password, samples.ambiguous,
)  # fmt: skip


def finished(sample: Sample) -> Ladder:
    measurement, diagnosis = sample()
    return build(measurement.trace, measurement.observations, connected=diagnosis.verdict == "healthy")


def broken(ladder: Ladder) -> list[Row]:
    return [row for row in ladder.rows if row.broken is not None]


def messages(ladder: Ladder) -> list[Row]:
    return [row for row in ladder.rows if row.kind is Kind.MESSAGE]


def test_a_healthy_dial_has_no_broken_row_and_ends_in_its_teardown() -> None:
    ladder = finished(samples.healthy)
    assert broken(ladder) == []
    assert ladder.rows[-1].kind is Kind.TEARDOWN
    assert ladder.rows[-1].text == "Terminate-Request, CDN, StopCCN, Delete"


def test_the_broken_arrow_is_the_unanswered_message() -> None:
    ladder = finished(samples.blocked_4500)
    (row,) = broken(ladder)
    assert row.text.startswith("Main Mode 5")
    assert row.broken is Break.NO_ANSWER
    assert row is messages(ladder)[-1]


def test_the_broken_arrow_is_the_refusal_and_not_the_hang_up_after_it() -> None:
    (row,) = broken(finished(samples.wrong_password))
    assert row.text == "CHAP Failure 1: E=691"
    assert row.broken is Break.REFUSED


def test_a_notify_that_refuses_is_the_break() -> None:
    trace = [main_mode(1)[0], event(0.01, IN, "isakmp", "Informational: NOTIFY(NO_PROPOSAL_CHOSEN)", 56)]
    (row,) = broken(build(trace, (), connected=False))
    assert row.direction is IN
    assert row.broken is Break.REFUSED


def test_an_answer_that_cannot_be_decrypted_is_the_break() -> None:
    trace = [
        *main_mode(5),
        event(0.04, IN, "isakmp", "dropped: undecryptable", 80, trigger="undecryptable"),
        event(0.05, NOTE, "isakmp", "retransmission 1 of main-5"),
        event(0.06, IN, "isakmp", "dropped: undecryptable", 80, trigger="undecryptable"),
        event(0.70, OUT, "isakmp", "Delete ISAKMP: DELETE(ISAKMP)", 92),
    ]
    (row,) = broken(build(trace, (), connected=False))
    assert (row.broken, row.times, row.text) == (Break.UNREADABLE, 2, "encrypted message")


def test_a_gateway_that_hangs_up_by_itself_is_the_break() -> None:
    trace = [
        main_mode(1)[0],
        event(0.1, OUT, "l2tp", "SCCRQ tunnel 5→?", 105),
        event(0.2, IN, "l2tp", "StopCCN tunnel 5→9: result 2", 36),
        event(0.3, OUT, "isakmp", "Delete ISAKMP: DELETE(ISAKMP)", 92),
    ]
    (row,) = broken(build(trace, (), connected=False))
    assert (row.broken, row.text) == (Break.REFUSED, "L2TP StopCCN: result 2")


def test_the_hang_up_of_both_sides_is_one_row_behind_the_refusal() -> None:
    trace = [
        event(0.1, OUT, "auth", "MS-CHAPv2 Response", 60),
        event(0.2, IN, "auth", "MS-CHAPv2 Failure", 60),
        event(0.3, OUT, "lcp", "Terminate-Request", 4),
        event(0.3, IN, "lcp", "Terminate-Ack", 4),
        event(0.3, OUT, "l2tp", "CDN tunnel 1→2 session 3→4: result 3", 36),
        event(0.4, IN, "l2tp", "a message of a session in closing", 36, trigger="unexpected"),
        event(0.4, IN, "l2tp", "StopCCN tunnel 1→2", 36),
        event(0.5, OUT, "isakmp", "Delete ISAKMP: DELETE(ISAKMP)", 92),
    ]
    ladder = build(trace, (), connected=False)
    assert [row.text for row in broken(ladder)] == ["MS-CHAPv2 Failure"]
    assert ladder.rows[-1].kind is Kind.TEARDOWN
    assert [row.text for row in messages(ladder)] == ["MS-CHAPv2 Response", "MS-CHAPv2 Failure"]


def test_nothing_sent_means_nothing_broken() -> None:
    assert build([], (), connected=False).rows == []


def test_retransmissions_and_duplicates_are_counted_and_not_repeated() -> None:
    rows = {row.text.partition(":")[0]: row for row in messages(finished(samples.blocked_4500))}
    assert rows["Main Mode 5"].times == 4
    assert rows["Main Mode 4"].times == 2
    assert len(rows) == 5


@pytest.mark.parametrize(
    "again",
    [
        event(1.0, NOTE, "l2tp", "retransmission 1 of SCCRQ"),
        event(1.0, OUT, "l2tp", "SCCRQ (repetition 1)", 105),
        event(1.0, OUT, "l2tp", "SCCRQ", 105),
        event(1.0, OUT, "l2tp", "SCCRQ, retransmission", 105),
    ],
)
def test_every_way_to_say_again_is_folded(again: TraceEvent) -> None:
    ladder = build([event(0.0, OUT, "l2tp", "SCCRQ", 105), again], (), connected=False)
    assert [(row.text, row.times) for row in messages(ladder)] == [("L2TP SCCRQ", 2)]


def test_an_equal_message_after_another_one_is_a_row_of_its_own() -> None:
    trace = [
        event(0.0, OUT, "lcp", "Configure-Request 1", 20),
        event(0.1, OUT, "lcp", "Configure-Ack 1", 20),
        event(0.2, OUT, "lcp", "Configure-Request 1", 20),
    ]
    assert len(messages(build(trace, (), connected=True))) == 3


def test_lanes_change_where_the_exchange_moves() -> None:
    ladder = finished(samples.healthy)
    lanes = [
        (row.text, ladder.rows[at + 1].text) for at, row in enumerate(ladder.rows) if row.kind is Kind.LANE
    ]
    assert [lane for lane, _ in lanes] == ["udp500", "udp4500", "esp-udp"]
    assert [after.partition(":")[0] for _, after in lanes] == ["Main Mode 1", "Main Mode 5", "L2TP SCCRQ"]


def test_native_esp_has_its_own_lane() -> None:
    native = Observation("obs-1", "esp.encapsulation", "native", 0.0, "probe:dial")
    trace = [main_mode(1)[0], event(0.1, OUT, "l2tp", "SCCRQ", 105)]
    ladder = build(trace, (native,), connected=False)
    assert [row.text for row in ladder.rows if row.kind is Kind.LANE] == ["udp500", "esp"]


def test_bare_acknowledgements_are_left_out() -> None:
    ladder = finished(samples.healthy)
    assert ladder.acknowledgements == 1
    assert not any("ZLB" in row.text for row in ladder.rows)


def test_dropped_messages_say_why() -> None:
    trace = [main_mode(1)[0], event(0.1, IN, "isakmp", "dropped: malformed", 9, trigger="malformed")]
    (row,) = [row for row in messages(build(trace, (), connected=False)) if row.trigger]
    line = Pen(Words("en"), 80, UNICODE, PORTS).row(row).plain
    assert "malformed" in line


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_rails_stand_upright_at_any_width(language: Language, width: int, sample: Sample) -> None:
    pen = Pen(Words(language), width, UNICODE, PORTS)
    lines = [line.plain for line in pen.rows(finished(sample).rows)]
    assert max(cell_len(line) for line in lines) <= width
    rails = {tuple(cell_len(line[:at]) for at, char in enumerate(line) if char == "│") for line in lines}
    assert len(rails) == 1
    assert len(rails.pop()) == 2


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_head_names_both_ends_above_the_rails(language: Language) -> None:
    pen = Pen(Words(language), 80, UNICODE, PORTS)
    head = pen.head("vpn.example.com (192.0.2.1)").plain
    assert head.strip().startswith(Words(language)("ladder.client"))
    assert head.endswith("vpn.example.com (192.0.2.1)")
    assert cell_len(head) <= 80
    assert cell_len(pen.head("x" * 300).plain) <= 80


def test_every_character_of_the_plain_drawing_is_ascii() -> None:
    pen = Pen(Words("en"), 80, ASCII, PORTS)
    text = "\n".join(line.plain for line in pen.rows(finished(samples.ambiguous).rows))
    assert text.replace("×", "x").isascii()


def test_glyphs_follow_the_encoding() -> None:
    assert glyphs_for("utf-8") is UNICODE
    assert glyphs_for("ascii") is ASCII
    assert glyphs_for("cp437") is ASCII
    assert glyphs_for(None) is ASCII
    assert glyphs_for("no-such-codec") is ASCII


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.0123, "12 ms"),
        (1.5, "1.50 s"),
        (12.0, "12.0 s"),
        (0.9996, "1.00 s"),
    ],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


events = st.builds(
    TraceEvent,
    at=st.floats(0, 60),
    direction=st.sampled_from(Direction),
    layer=st.sampled_from(["isakmp", "nat-t", "l2tp", "lcp", "auth", "ipcp", "icmp", "esp", "?"]),
    summary=st.one_of(
        st.text(max_size=200),
        st.sampled_from(
            ["SCCRQ", "CDN", "retransmission 1 of main-1", "Delete", "StopCCN", "ZLB", "NAT-T: moving"]
        ),
    ),
    size=st.integers(0, 70000),
    trigger=st.one_of(st.none(), st.sampled_from(["duplicate", "malformed"])),
)


@given(st.lists(events, max_size=30), st.booleans(), st.integers(20, 120))
def test_any_trace_can_be_drawn(trace: list[TraceEvent], connected: bool, width: int) -> None:
    pen = Pen(Words("ja"), width, UNICODE, PORTS)
    ladder = build(trace, (), connected=connected)
    for line in pen.rows(ladder.rows):
        assert cell_len(line.plain) <= max(width, 56)
        assert all(character.isprintable() for character in line.plain)
    assert len(broken(ladder)) <= (0 if connected else 1)
