"""The reflector: who gets an answer, who gets none, and that it stays small."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.reflect.limits import AnswerLimit, Rate, TokenBucket
from l2tp_doctor.protocol.reflect.reflector import (
    TABLE,
    ClockDiffers,
    Finding,
    Packet,
    Place,
    Reflector,
    ReflectorLimits,
    SessionBegan,
)
from l2tp_doctor.protocol.reflect.wire import (
    MAX_SEQUENCE,
    MAX_SIZE,
    MAX_TALLIES,
    MIN_SIZES,
    Lane,
    Question,
    base_size,
    checksum,
    open_answer,
    seal_question,
)
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.reflect.common import CLIENT, TOKEN, UNIX

RANDOM = random.Random(3).randbytes
SESSION = b"session1"


def make(**limits: object) -> tuple[Reflector, list[str]]:
    triggers: list[str] = []
    found = Reflector(
        TOKEN, RANDOM, limits=replace(ReflectorLimits(), **limits),  # type: ignore[arg-type]  # mixed fields
        trace=lambda event: triggers.append(event.trigger) if event.trigger else None,
    )  # fmt: skip
    found.start(0.0)
    return found, triggers


def packet(
    sequence: int = 0,
    lane: Lane = Lane.IKE,
    *,
    size: int | None = None,
    session: bytes = SESSION,
    made: float = UNIX,
    token: Secret = TOKEN,
) -> Packet:
    asked = Question(lane, session, sequence, int(made), size or base_size(lane))
    arriving = Lane.NAT_T if lane is Lane.ESP_UDP else lane
    return Packet(
        arriving, seal_question(token, asked, RANDOM), CLIENT, 500, b"\xcb\0\x71\1", 500, None, UNIX
    )  # fmt: skip


def answers(reflector: Reflector, given: Packet, now: float = 0.0) -> list[Packet]:
    reflector.receive(given, now)
    return reflector.datagrams_to_send(now)


@pytest.mark.parametrize("lane", Lane)
def test_an_authentic_question_is_answered_with_what_arrived(lane: Lane) -> None:
    reflector, _ = make()
    given = replace(packet(lane=lane), fragmented=True)
    (answer,) = answers(reflector, given)
    assert (answer.lane, answer.address, answer.port, answer.local) == (lane, CLIENT, 500, given.local)
    assert len(answer.data) == len(given.data)
    said = open_answer(TOKEN, lane, answer.data).report
    assert (said.address, said.port, said.arrived_port, said.size) == (CLIENT, 500, 500, len(given.data))
    assert (said.total, said.checksum, said.changed, said.fragmented) == (
        1, checksum(given.data), False, True,
    )  # fmt: skip
    assert [(tally.lane, tally.size, tally.count, tally.fragmented) for tally in said.tallies] == [
        (lane, base_size(lane), 1, True)
    ]
    assert reflector.next_event() == SessionBegan(CLIENT, lane)
    assert reflector.next_event() is None


@pytest.mark.parametrize(
    ("given", "trigger"),
    [
        (packet(token=Secret(b"some other token, also long")), "forged"),
        (replace(packet(), data=b""), "malformed"),
        (replace(packet(), data=packet().data[:100]), "malformed"),
        (replace(packet(), data=bytes(MAX_SIZE + 1)), "malformed"),
        (packet(made=UNIX - 301), "wrong-time"),
        (packet(made=UNIX + 301), "wrong-time"),
        (replace(packet(), lane=Lane.NAT_T, data=bytes(4) + packet().data), "misplaced"),
        (packet(MAX_SEQUENCE + 1), "out-of-range"),
    ],
)
def test_anything_else_gets_no_answer(given: Packet, trigger: str) -> None:
    reflector, triggers = make()
    assert answers(reflector, given) == []
    assert triggers == [trigger]
    assert reflector.get_timer() is None  # nothing is remembered of it


@pytest.mark.parametrize("skew", [-300, 300])
def test_clocks_may_differ_by_the_tolerance(skew: float) -> None:
    reflector, _ = make()
    assert answers(reflector, packet(made=UNIX + skew))


def test_a_wrong_clock_is_told_to_our_own_side_only() -> None:
    reflector, _ = make()
    assert answers(reflector, packet(made=UNIX + 4000)) == []
    assert reflector.next_event() == ClockDiffers(CLIENT, 4000.0)


def test_a_replay_is_not_answered_nor_counted_wherever_it_comes_from() -> None:
    reflector, triggers = make()
    recorded = packet()
    assert answers(reflector, recorded)
    for replayed in (recorded, replace(recorded, address=b"\1\1\1\1", port=9)):
        assert answers(reflector, replayed, 1.0) == []
    assert triggers == ["replay", "replay"]
    (answer,) = answers(reflector, packet(1), 2.0)
    assert open_answer(TOKEN, Lane.IKE, answer.data).report.total == 2


def test_a_replay_is_refused_for_as_long_as_its_time_would_pass() -> None:
    reflector, triggers = make()
    ahead = packet(made=UNIX + 300)  # made by a clock as fast as allowed: fresh for 600 seconds
    assert answers(reflector, ahead)
    for later in (1.0, 300.0, 599.0, 600.0):
        reflector.handle_timer(later)
        assert answers(reflector, replace(ahead, unix_time=UNIX + later), later) == []
    assert set(triggers) == {"replay"}
    timer = reflector.get_timer()
    assert timer is not None
    reflector.handle_timer(timer)
    assert reflector.get_timer() is None
    assert answers(reflector, replace(ahead, unix_time=UNIX + timer), timer) == []
    assert triggers[-1] == "wrong-time"


def test_a_full_table_refuses_newcomers_and_keeps_what_protects() -> None:
    reflector, triggers = make(sessions=2)
    for name in (b"session1", b"session2"):
        assert answers(reflector, packet(session=name))
    assert answers(reflector, packet(session=b"session3")) == []
    assert answers(reflector, packet(session=b"session1")) == []
    assert answers(reflector, packet(1, session=b"session1"))
    assert triggers == ["full", "replay"]


def test_tallies_are_bounded() -> None:
    reflector, _ = make(per_source=Rate(10_000, 10_000), total=Rate(10_000, 10_000))
    for sequence in range(MAX_TALLIES * 3):
        (answer,) = answers(reflector, packet(sequence, Lane.ESP, size=1000 + sequence))
    said = open_answer(TOKEN, Lane.ESP, answer.data).report
    assert len(said.tallies) == MAX_TALLIES
    assert said.tallies[0].size == 1000 + MAX_TALLIES * 3 - 1
    assert said.total == MAX_TALLIES * 3


def test_too_many_answers_are_not_given_but_every_question_is_counted() -> None:
    reflector, triggers = make(per_source=Rate(1, 3))
    given = [len(answers(reflector, packet(sequence))) for sequence in range(5)]
    assert given == [1, 1, 1, 0, 0]
    assert triggers == ["rate", "rate"]
    (answer,) = answers(reflector, packet(5), 1.0)
    assert open_answer(TOKEN, Lane.IKE, answer.data).report.total == 6
    other = replace(packet(6), address=b"\1\2\3\4")
    assert answers(reflector, other, 1.0)


def test_a_changed_message_is_answered_and_said_to_be_changed() -> None:
    reflector, _ = make()
    altered = bytearray(packet().data)
    altered[18] = 4
    (answer,) = answers(reflector, replace(packet(), data=bytes(altered)))
    assert open_answer(TOKEN, Lane.IKE, answer.data).report.changed


@given(st.sampled_from(list(Lane)), st.binary(max_size=2200))
def test_bytes_without_the_token_are_never_answered(lane: Lane, data: bytes) -> None:
    reflector, triggers = make()
    assert answers(reflector, replace(packet(), lane=lane, data=data)) == []
    assert triggers in (["malformed"], ["forged"])


@given(
    st.sampled_from([lane for lane in Lane if lane is not Lane.ESP_UDP]),
    st.integers(0, MAX_SIZE),
    st.integers(-50, 50),
    st.integers(0, 2000),
    st.integers(0, 255),
)
def test_no_answer_is_longer_than_its_question(
    lane: Lane, size: int, cut: int, place: int, value: int
) -> None:
    reflector, _ = make()
    if size < MIN_SIZES[lane]:
        return
    altered = bytearray(packet(lane=lane, size=size).data)
    altered[place % len(altered)] = value
    data = bytes(altered[:cut]) if cut < 0 else bytes(altered) + bytes(cut)
    for answer in answers(reflector, replace(packet(), lane=lane, data=data)):
        assert len(answer.data) <= len(data)


@pytest.mark.parametrize(("place", "finding"), list(product(Place, Finding)))
def test_the_table_says_what_happens_in_every_case(place: Place, finding: Finding) -> None:
    action = TABLE[place, finding]
    answering = (Reflector.admit, Reflector.take)
    assert (action in answering) == (finding is Finding.FRESH and place is not Place.NO_ROOM)


def test_a_short_token_is_refused_and_the_secret_stays_secret() -> None:
    with pytest.raises(ValueError) as caught:
        Reflector(Secret(b"short"), RANDOM)
    assert "short" not in str(caught.value).replace("too short", "")


# -- limits -------------------------------------------------------------------------------------


def test_a_bucket_fills_with_time_and_never_beyond_its_burst() -> None:
    bucket = TokenBucket(Rate(2, 3), 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(0.5)
    assert not bucket.take(0.5)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(50.0)  # a clock that goes back gives nothing


def test_the_total_binds_all_sources_and_sources_are_bounded() -> None:
    limit = AnswerLimit(Rate(1, 1), Rate(1, 5), 3, 0.0)
    allowed = [limit.allows(bytes([192, 0, 2, host]), 0.0) for host in range(10)]
    assert allowed.count(True) == 5
    assert len(limit) == 3


def test_one_ipv6_network_is_one_source() -> None:
    limit = AnswerLimit(Rate(1, 1), Rate(1, 5), 10, 0.0)
    network = bytes.fromhex("20010db800000001")
    assert limit.allows(network + bytes(8), 0.0)
    assert not limit.allows(network + b"\1" * 8, 0.0)
