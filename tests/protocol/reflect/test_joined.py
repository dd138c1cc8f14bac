"""Both engines over a scripted path: loss, reordering, duplication and rewriting, told apart."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.protocol.reflect.limits import Rate
from l2tp_doctor.protocol.reflect.questioner import (
    SIZES,
    TABLE,
    Finished,
    Heard,
    Input,
    Questioner,
    QuestionerSettings,
    State,
)
from l2tp_doctor.protocol.reflect.reflector import ClockDiffers, Packet, ReflectorLimits, WrongToken
from l2tp_doctor.protocol.reflect.wire import MAX_SEQUENCE, Lane, open_question
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.reflect.common import CLIENT, ONE_WAY, TOKEN, UNIX, Join, Treatment

VPN = (Lane.IKE, Lane.NAT_T, Lane.ESP_UDP, Lane.ESP)


def dropping(*lanes: Lane, over: int = 0) -> Treatment:
    return lambda packet: [] if packet.lane in lanes and len(packet.data) > over else [packet]


def everything(_packet: Packet) -> list[Packet]:
    return []


def test_a_clear_path_takes_three_rounds_and_asks_nothing_twice() -> None:
    join = Join()
    join.run()
    for lane in VPN:
        cells = join.questioner.findings.of(lane)
        assert [cell.size for cell in cells if cell.size in SIZES] == list(SIZES)
        assert all(cell.returned for cell in cells)
        assert all(cell.sent == 1 for cell in cells if cell.size in SIZES)
        assert not any(cell.changed or cell.fragmented for cell in cells)
        assert all(cell.rtt == pytest.approx(2 * ONE_WAY) for cell in cells)
    assert join.now < 10 * ONE_WAY
    assert join.events == [*(Heard(lane) for lane in VPN), Finished()]
    assert join.questioner.findings.reports[Lane.IKE].address == CLIENT
    assert join.triggers() == set()


@pytest.mark.parametrize("lane", VPN)
def test_outbound_loss_is_told_from_inbound_loss(lane: Lane) -> None:
    out = Join(out=dropping(lane))
    out.run()
    assert (out.arrived(lane), out.returned(lane)) == (0, 0)
    back = Join(back=dropping(lane))
    back.run()
    assert back.arrived(lane) >= 5
    assert back.returned(lane) == 0
    for other in VPN:
        if other is not lane:
            assert out.returned(other)
            assert back.returned(other)


def test_one_lane_that_answers_tells_of_all_others() -> None:
    join = Join(back=dropping(Lane.IKE, Lane.NAT_T, Lane.ESP_UDP))
    join.run()
    for lane in VPN:
        assert {cell.size for cell in join.questioner.findings.of(lane) if cell.arrived} >= set(SIZES)


def test_the_control_lane_alone_is_enough() -> None:
    lanes = (*VPN, Lane.CONTROL)
    join = Join(back=dropping(*VPN), settings=QuestionerSettings(lanes=lanes))
    join.run()
    assert all(join.arrived(lane) and not join.returned(lane) for lane in VPN)
    assert {cell.size for cell in join.questioner.findings.of(Lane.IKE) if cell.arrived} >= set(SIZES)


def test_without_any_answer_nothing_is_claimed_and_no_ladder_is_climbed() -> None:
    for join in (Join(out=everything), Join(back=everything)):
        join.run()
        assert not join.questioner.findings.answered
        assert all(join.arrived(lane) == 0 for lane in VPN)
        assert len(join.questions) == 4 * QuestionerSettings().attempts
        assert join.now < 10


def test_large_messages_lost_on_either_way() -> None:
    out = Join(out=dropping(*VPN, over=1300))
    out.run()
    back = Join(back=dropping(*VPN, over=1300))
    back.run()
    for lane in VPN:
        lost = [cell for cell in out.questioner.findings.of(lane) if cell.size > 1300]
        assert not any(cell.arrived for cell in lost)
        held = [cell for cell in back.questioner.findings.of(lane) if cell.size > 1300]
        assert all(cell.arrived and not cell.returned for cell in held)


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.2]))
@settings(max_examples=25, deadline=None)
def test_loss_duplication_and_reordering_do_not_close_a_lane(seed: int, share: float) -> None:
    chance = random.Random(seed)

    def rough(packet: Packet) -> list[Packet]:
        if chance.random() < share:
            return []
        return [packet] * (2 if chance.random() < 0.2 else 1)

    join = Join(out=rough, back=rough, jitter=0.1, seed=seed)
    join.run()
    # Five questions of each kind: all lost outbound with 0.2 ** 5, four lanes.  A whole lane would
    # have to lose its ladder's 45 questions too, so that something always arrives on a lane that opened.
    opened = [lane for lane in VPN if join.arrived(lane)]
    assert len(opened) >= 3
    for lane in opened:
        for cell in join.questioner.findings.of(lane):
            assert cell.arrived <= cell.sent  # duplicates are not counted
            assert cell.returned <= cell.sent


@pytest.mark.parametrize("seed", range(12))
def test_a_fifth_of_all_packets_lost_both_ways_looks_like_a_good_path(seed: int) -> None:
    chance = random.Random(seed)

    def lossy(packet: Packet) -> list[Packet]:
        return [] if chance.random() < 0.2 else [packet]

    join = Join(out=lossy, back=lossy, seed=seed)
    join.run()
    cells = [cell for lane in VPN for cell in join.questioner.findings.of(lane)]
    assert len(cells) == 4 * (len(SIZES) + 1)
    assert all(cell.arrived and cell.returned for cell in cells)


def test_a_rewritten_source_is_reported() -> None:
    join = Join(out=lambda packet: [replace(packet, address=b"\xc0\0\2\1", port=1024 if packet.port else 0)])
    join.run()
    said = join.questioner.findings.reports[Lane.NAT_T]
    assert (said.address, said.port) == (b"\xc0\0\2\1", 1024)


def altering(packet: Packet) -> list[Packet]:
    if packet.lane is not Lane.IKE:
        return [packet]
    data = packet.data
    return [replace(packet, data=data[:18] + b"\4" + data[19:])]


def test_an_alg_that_alters_ike_is_seen_in_either_direction() -> None:
    out = Join(out=altering)
    out.run()
    assert all(cell.changed for cell in out.questioner.findings.of(Lane.IKE))
    assert not any(cell.changed for cell in out.questioner.findings.of(Lane.NAT_T))
    assert not out.questioner.findings.answer_changed
    back = Join(back=altering)
    back.run()
    assert back.questioner.findings.answer_changed
    assert not any(cell.changed for cell in back.questioner.findings.of(Lane.IKE))


def test_fragments_are_told() -> None:
    join = Join(out=lambda packet: [replace(packet, fragmented=len(packet.data) > 1472)])
    join.run()
    assert {cell.size for cell in join.questioner.findings.of(Lane.IKE) if cell.fragmented} == {1600, 2000}


def test_another_token_gets_silence() -> None:
    join = Join(client_token=Secret(b"not the token of the reflector"))
    join.run()
    assert not join.questioner.findings.answered
    assert join.triggers() == {"forged"}
    assert set(join.server_events) == {WrongToken(CLIENT)}


def test_a_wrong_clock_gets_silence_and_the_operator_hears_of_it() -> None:
    join = Join(skew=1000)
    join.run()
    assert not join.questioner.findings.answered
    assert join.triggers() == {"wrong-time"}
    assert isinstance(join.server_events[0], ClockDiffers)


def test_native_esp_that_the_reflector_cannot_hear_is_not_asked_for_long() -> None:
    join = Join(out=dropping(Lane.ESP), esp_listening=False)
    join.run()
    assert join.questioner.findings.esp_listening is False
    assert join.questioner.findings.of(Lane.ESP)[0].sent == 1
    assert join.now < 1


def test_a_reflector_that_answers_sparsely_still_tells_everything() -> None:
    join = Join(limits=ReflectorLimits(per_source=Rate(10, 5)))
    join.run()
    assert all(cell.arrived for lane in VPN for cell in join.questioner.findings.of(lane))


def test_no_sequence_number_is_used_twice_and_all_are_within_reach_of_the_window() -> None:
    join = Join(back=lambda packet: [packet] if packet.lane is Lane.ESP else [])
    join.run()
    numbers = []
    for data in join.questions:
        for lane in VPN:
            with_lane = _sequence(lane, data)
            if with_lane is not None:
                numbers.append(with_lane)
    assert len(numbers) == len(set(numbers)) == len(join.questions)
    assert max(numbers) < MAX_SEQUENCE


def _sequence(lane: Lane, data: bytes) -> int | None:
    try:
        found = open_question(TOKEN, lane, data)
    except ValueError:
        return None
    return found.sequence if found.lane is lane else None


def test_bursts_are_small() -> None:
    sent: list[int] = []
    engine = Questioner(TOKEN, random.Random(1).randbytes, UNIX, QuestionerSettings(burst=2))
    engine.start(0.0)
    sent.append(len(engine.datagrams_to_send(0.0)))
    timer = engine.get_timer()
    assert timer == QuestionerSettings().pause
    engine.handle_timer(timer / 2)  # too early: nothing
    assert engine.datagrams_to_send(timer / 2) == []
    engine.handle_timer(timer)
    sent.append(len(engine.datagrams_to_send(timer)))
    assert sent == [2, 2]


@given(st.sampled_from(list(Lane)), st.binary(max_size=2100))
def test_the_questioner_takes_any_bytes(lane: Lane, data: bytes) -> None:
    engine = Questioner(TOKEN, random.Random(1).randbytes, UNIX)
    engine.start(0.0)
    engine.receive(Packet(lane, data), 0.1)
    assert not engine.findings.answered


def test_an_answer_of_another_session_or_a_second_copy_is_unexpected() -> None:
    kept: list[Packet] = []

    def keep(packet: Packet) -> list[Packet]:
        kept.append(packet)
        return [packet, packet]

    join = Join(back=keep)
    join.run()
    assert "unexpected" in {event.trigger for event in join.trace}
    stranger = Questioner(TOKEN, random.Random(99).randbytes, UNIX)
    stranger.start(0.0)
    for packet in kept:
        stranger.receive(packet, 0.1)
    assert not stranger.findings.answered
    before = join.returned(Lane.IKE)
    join.questioner.receive(kept[0], join.now)  # over: nothing is taken any more
    assert join.returned(Lane.IKE) == before


@pytest.mark.parametrize(("state", "what"), list(product(State, Input)))
def test_the_table_over_all_states_and_inputs(state: State, what: Input) -> None:
    engine = Questioner(TOKEN, random.Random(1).randbytes, UNIX)
    engine._state = state
    engine.findings.answered = True
    engine._step(what, 0.0)
    row = TABLE.get((state, what))
    assert engine.state in State
    if row is None:
        assert engine.state is state
        assert engine.datagrams_to_send(0.0) == []
    if state is State.DONE:
        assert row is None
