"""Loss, reordering and duplication on the path, with a fake clock; timers against a computation by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Datagram, RetransmissionPolicy
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Credentials, PathAddresses
from l2tp_doctor.protocol.ikev1.transmission import Due, Transmission
from tests.protocol.ikev1.pair import GATEWAY, INITIATOR, RESPONDER, Pair, Script
from tests.protocol.ikev1.tools import is_ready, isakmp, lose, only

# Sent at 0; then 0.5 s, and each interval 1.6 times the one before it, at most 3 s, until 6 s are over.
UNHEARD = [0.0, 0.5, 1.3, 2.58, 4.628]
# The same with a round-trip time of 20 ms: the first interval is the minimum, 0.15 s.
HEARD = [0.0, 0.15, 0.39, 0.774, 1.3884, 2.37144, 3.944304]


def copies_lost(number: int, count: int) -> Script:
    """Loses the first ``count`` transmissions of the message that is sent as datagram ``number`` at first."""
    state: dict[str, object] = {}

    def script(sent: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
        if sent == number:
            state["data"], state["left"] = datagram.data, count
        left = state.get("left", 0)
        if datagram.data == state.get("data") and isinstance(left, int) and left > 0:
            state["left"] = left - 1
            return []
        return [(0.01, datagram)]

    return script


def times_of(pair: Pair, step: int) -> list[float]:
    """When the client sent each copy of its message number ``step`` (from 0), counted from the first."""
    distinct: dict[bytes, list[float]] = {}
    for when, from_client, datagram in pair.wire:
        if from_client:
            distinct.setdefault(datagram.data, []).append(when)
    times = list(distinct.values())[step]
    return [when - times[0] for when in times]


class TestScriptedLoss:
    @pytest.mark.parametrize("number", range(1, 10))
    def test_each_message_lost_once(self, number: int) -> None:
        pair = Pair(script=lose(number)).run()
        assert is_ready(pair)
        assert pair.now - 100.0 < 1.5

    @pytest.mark.parametrize("behind_nat", [False, True])
    @pytest.mark.parametrize("count", [2, 3, 4])
    @pytest.mark.parametrize("number", range(1, 10))
    def test_the_first_copies_lost(self, number: int, count: int, behind_nat: bool) -> None:
        paths = PathAddresses(GATEWAY, bytes((203, 0, 113, 7))) if behind_nat else None
        pair = Pair(script=copies_lost(number, count))
        if paths is not None:
            pair = Pair(script=copies_lost(number, count), responder_paths=paths)
        pair.run()
        assert is_ready(pair)
        assert not pair.client_got(events.GaveUp)

    def test_confirmation_by_esp_ends_the_repetitions(self) -> None:
        """Message 3 is lost for good, but ESP under the new keys arrived: the gateway has nothing to ask."""
        pair = Pair(script=copies_lost(9, 99)).run(0.2)
        assert pair.gateway.get_timer() is not None
        pair.gateway.confirm_quick_mode(pair.now)
        assert pair.gateway.get_timer() is None

    def test_without_confirmation_the_gateway_gives_up_in_the_end(self) -> None:
        pair = Pair(script=copies_lost(9, 99)).run(60)
        assert pair.gateway.get_timer() is None
        assert is_ready(pair)


class TestTimes:
    def test_nothing_ever_answers(self) -> None:
        pair = Pair(script=lambda _number, _client, _datagram: []).run()
        assert times_of(pair, 0) == pytest.approx(UNHEARD)
        assert only(pair.client_got(events.GaveUp)) == events.GaveUp(Step.MAIN_1, 5)
        assert pair.now - 100.0 == pytest.approx(6.0)
        assert pair.client.state is State.STOPPED

    def test_silence_after_one_second_and_only_once(self) -> None:
        pair = Pair(script=lambda _number, _client, _datagram: [])
        pair.run(0.999)
        assert not pair.client_got(events.Silence)
        pair.settle(100.0 + 1.001)
        assert pair.client_got(events.Silence) == [events.Silence(Step.MAIN_1)]
        pair.settle(100.0 + 30)
        assert len(pair.client_got(events.Silence)) == 1

    @pytest.mark.parametrize(
        ("lost_from", "step", "name"), [(3, 1, Step.MAIN_3), (5, 2, Step.MAIN_5), (7, 3, Step.QUICK_1)]
    )
    def test_silence_after_a_while(self, lost_from: int, step: int, name: Step) -> None:
        pair = Pair(script=lambda number, _client, d: [] if number >= lost_from else [(0.01, d)]).run()
        assert times_of(pair, step) == pytest.approx(HEARD)
        assert only(pair.client_got(events.GaveUp)) == events.GaveUp(name, 7)
        assert only(pair.client_got(events.Silence)).step is name
        assert pair.now - 100.0 == pytest.approx(0.02 * step + 6.0)
        assert pair.client.state is (State.ESTABLISHED if name is Step.QUICK_1 else State.STOPPED)

    def test_karn(self) -> None:
        """The answer to a repeated message does not say which copy it answers: no round-trip time."""
        pair = Pair(script=lose(1)).run()
        replies = pair.client_got(events.ReplyReceived)
        assert [event.rtt is None for event in replies] == [True, False, False, False]

    def test_a_repetition_caused_by_the_peer_counts_for_karn_too(self) -> None:
        transmission = Transmission(RetransmissionPolicy())
        transmission.begin(0.0)
        transmission.resent(0.3)
        assert transmission.answered(0.4) is None
        assert transmission.rtt is None

    def test_the_patience_doubles_once_a_repetition_helped(self) -> None:
        pair = Pair(script=lambda n, _client, d: [] if n == 1 or n >= 4 else [(0.01, d)]).run()
        gave_up = only(pair.client_got(events.GaveUp))
        # No round-trip time is known; 0.02 s after the last copy is taken for it.  Twice that is below the
        # minimum of 0.15 s, then 1.6 times longer each time, at most 3 s.
        intervals = [0.15, 0.24, 0.384, 0.6144, 0.98304, 1.572864, 2.5165824, 3.0]
        expected = [sum(intervals[:count]) for count in range(len(intervals) + 1)]
        assert times_of(pair, 1) == pytest.approx(expected)
        assert gave_up == events.GaveUp(Step.MAIN_3, 9)
        assert pair.now - 100.0 == pytest.approx(0.52 + 12.0)

    def test_a_slow_path_is_asked_less_often(self) -> None:
        """Round trip 0.9 s, known from message 1: the first interval is 1.8 s, the next 2.88 s."""
        slow = RetransmissionPolicy(initial=1.5)
        pair = Pair(
            replace(INITIATOR, retransmission=slow),
            script=lambda n, _client, d: [] if n >= 3 else [(0.45, d)],
        ).run()
        assert times_of(pair, 1) == pytest.approx([0, 1.8, 1.8 + 2.88])
        # 4 × 0.9 s: what is usual for this path is not called silence.
        pair = Pair(
            replace(INITIATOR, retransmission=slow),
            script=lambda n, _client, d: [] if n >= 3 else [(0.45, d)],
        ).run(4.4)
        assert not pair.client_got(events.Silence)
        pair.settle(100.0 + 4.6)
        assert only(pair.client_got(events.Silence)).step is Step.MAIN_3

    def test_the_second_ambiguous_answer_is_taken_for_a_slow_path(self) -> None:
        """Round trip 0.7 s, first interval 0.5 s: each request would be sent twice and none measured."""
        transmission = Transmission(RetransmissionPolicy())
        for start in (0.0, 10.0):
            transmission.begin(start)
            transmission.resent(start + 0.5)
            assert transmission.answered(start + 0.7) is None
        assert transmission.estimate == pytest.approx(0.7)
        transmission.begin(20.0)
        assert transmission.due(21.0) is Due.SILENCE
        assert transmission.timer() == pytest.approx(21.4)
        assert transmission.answered(20.7) == pytest.approx(0.7)

    def test_the_smoothed_round_trip_time(self) -> None:
        transmission = Transmission(RetransmissionPolicy())
        transmission.begin(0.0)
        assert transmission.answered(0.4) == pytest.approx(0.4)
        transmission.begin(1.0)
        assert transmission.timer() == pytest.approx(1.8)
        assert transmission.answered(1.2) == pytest.approx(0.2)
        assert transmission.rtt == pytest.approx(0.75 * 0.4 + 0.25 * 0.2)
        transmission.begin(2.0)
        assert transmission.timer() == pytest.approx(2.0 + 2 * 0.35)

    def test_the_interval_has_a_minimum_and_a_maximum(self) -> None:
        fast = Transmission(RetransmissionPolicy())
        fast.begin(0.0)
        fast.answered(0.001)
        fast.begin(1.0)
        assert fast.timer() == pytest.approx(1.15)
        slow = Transmission(RetransmissionPolicy(), silence_after=60.0)
        slow.begin(0.0)
        slow.answered(4.0)
        slow.begin(10.0)
        assert slow.timer() == pytest.approx(13.0)

    def test_nothing_is_due_when_nothing_was_asked(self) -> None:
        transmission = Transmission(RetransmissionPolicy())
        assert transmission.due(5.0) is Due.NOTHING
        assert transmission.timer() is None
        assert transmission.answered(5.0) is None
        transmission.begin(5.0)
        assert transmission.due(5.1) is Due.NOTHING
        transmission.cancel()
        assert not transmission.waiting

    def test_own_policy(self) -> None:
        own = RetransmissionPolicy(initial=1.0, backoff=2.0, maximum=4.0, give_up=20.0)
        pair = Pair(replace(INITIATOR, retransmission=own), script=lambda _n, _c, _d: []).run()
        assert times_of(pair, 0) == pytest.approx([0, 1, 3, 7, 11, 15, 19])
        assert pair.now - 100.0 == pytest.approx(20.0)


class TestReordering:
    @pytest.mark.parametrize("seed", range(20))
    def test_random_delays(self, seed: int) -> None:
        delays = random.Random(seed)
        pair = Pair(script=lambda _n, _c, d: [(delays.uniform(0.001, 0.6), d)], seed=seed).run(60)
        assert is_ready(pair)

    def test_message_3_of_quick_mode_before_a_late_copy_of_message_1(self) -> None:
        pair = Pair()

        def script(number: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
            return [(0.01, datagram), (0.3, datagram)] if number in (5, 7) else [(0.01, datagram)]

        pair.script = script
        pair.run()
        assert is_ready(pair)
        assert len(pair.gateway_got(events.QuickModeEstablished)) == 1


class TestDuplication:
    @pytest.mark.parametrize("delay", [0.0, 0.005, 0.25, 1.0])
    @pytest.mark.parametrize("trip", [0.01, 0.15, 0.4])
    def test_everything_twice(self, delay: float, trip: float) -> None:
        """Two sides that answer duplicates with duplicates must not keep each other busy."""
        pair = Pair(script=lambda _n, _c, d: [(trip, d), (trip + delay, d)]).run(120)
        assert is_ready(pair)
        assert len(pair.wire) <= 60, len(pair.wire)
        assert pair.client.get_timer() is None
        assert pair.gateway.get_timer() is None
        assert pair.now - 100.0 < 10
        assert len(pair.client_got(events.QuickModeEstablished)) == 1
        assert len(pair.gateway_got(events.QuickModeEstablished)) == 1

    def test_everything_five_times(self) -> None:
        pair = Pair(script=lambda _n, _c, d: [(0.01 * k, d) for k in range(1, 6)]).run(120)
        assert is_ready(pair)
        assert len(pair.wire) <= 80

    @pytest.mark.parametrize("trip", [0.01, 0.25])
    def test_a_stopped_initiator_does_not_go_on_talking(self, trip: float) -> None:
        """Without a key it stops after message 4, and a repeated message 4 is not answered any more."""
        pair = Pair(
            initiator_credentials=Credentials(), script=lambda _n, _c, d: [(trip, d), (trip + 0.3, d)]
        ).run(120)
        assert pair.client.state is State.STOPPED
        assert len(pair.wire) <= 20
        assert pair.now - 100.0 < 5

    @pytest.mark.parametrize("trip", [0.01, 0.25])
    def test_main_mode_alone_ends_too(self, trip: float) -> None:
        pair = Pair(replace(INITIATOR, suites=()), script=lambda _n, _c, d: [(trip, d), (trip + 0.3, d)])
        pair.run(120)
        assert pair.client.state is State.ESTABLISHED
        assert len(pair.wire) <= 40
        assert pair.now - 100.0 < 6

    def test_a_repeated_answer_is_told_and_asks_for_our_newest(self) -> None:
        """The gateway repeats message 4 as message 5 does not arrive: the usual sign of a blocked 4500."""
        pair = Pair(
            script=lambda n, _c, d: [] if n >= 5 else [(0.01, d), (0.6, d)] if n == 4 else [(0.01, d)]
        )
        pair.run()
        assert pair.client_got(events.DuplicateReply) == [events.DuplicateReply(Step.MAIN_5)]

    def test_a_repeated_answer_makes_us_repeat_before_our_own_timer_does(self) -> None:
        lazy = RetransmissionPolicy(initial=5.0, minimum=5.0, maximum=5.0, give_up=20.0)
        pair = Pair(
            replace(INITIATOR, retransmission=lazy),
            script=lambda n, _c, d: [] if n == 5 else [(0.01, d), (0.6, d)] if n == 4 else [(0.01, d)],
        ).run()
        assert is_ready(pair)
        assert times_of(pair, 2)[:2] == pytest.approx([0.0, 0.59])
        assert pair.client_got(events.ReplyReceived)[2].rtt is None, "Karn"
        assert pair.now - 100.0 < 2

    def test_an_old_answer_is_only_old(self) -> None:
        pair = Pair(script=lambda n, _c, d: [(0.01, d), (0.05, d)] if n == 2 else [(0.01, d)]).run()
        assert is_ready(pair)
        assert not pair.client_got(events.DuplicateReply)


def random_loss(seed: int, share: float) -> Script:
    dice = random.Random(seed)
    return lambda _number, _from_client, datagram: (
        [] if dice.random() < share else [(dice.uniform(0.01, 0.05), datagram)]
    )


class TestRandomLoss:
    PATIENT = RetransmissionPolicy(give_up=60.0)

    def test_thirty_percent_with_patience_always_gets_through(self) -> None:
        seconds: list[float] = []
        for seed in range(80):
            pair = Pair(
                replace(INITIATOR, retransmission=self.PATIENT),
                replace(RESPONDER, retransmission=self.PATIENT),
                script=random_loss(seed, 0.3),
                seed=seed,
            ).run(300)
            assert is_ready(pair), seed
            established = [t.at for t in pair.client_trace if t.summary.startswith("Quick Mode 2")]
            seconds.append(established[0] - 100.0)
            assert len(pair.wire) <= 150
        assert sorted(seconds)[len(seconds) // 2] < 4.0

    def test_thirty_percent_with_the_usual_patience(self) -> None:
        """A try fails with 1 - 0.7² = 51 %, and five tries fit into 6 s: 3 % never hear anything."""
        ended = Counter[str]()
        for seed in range(120):
            pair = Pair(script=random_loss(seed, 0.3), seed=seed).run(300)
            if is_ready(pair):
                ended["ready"] += 1
            else:
                ended[only(pair.client_got(events.GaveUp)).step.value] += 1
        assert ended["ready"] >= 102, ended

    @pytest.mark.parametrize("share", [0.05, 0.1])
    def test_a_bad_but_usual_path_always_gets_through(self, share: float) -> None:
        for seed in range(60):
            assert is_ready(Pair(script=random_loss(seed, share), seed=seed).run(60)), seed


def test_the_bytes_of_a_repetition_are_the_same() -> None:
    """RFC 2408 §5.1: the same message is sent again; another one under the same IV would not open."""
    pair = Pair(script=copies_lost(5, 2)).run()
    fifth = [isakmp(datagram) for _, client, datagram in pair.wire if client and datagram.data[19] & 1]
    assert fifth[0] == fifth[1] == fifth[2]


def test_an_answer_right_behind_a_repetition_belongs_to_it() -> None:
    """Two in a row on a lossy path of 10 ms; a slow path of 0.5 s would have to hit that moment."""
    transmission = Transmission(RetransmissionPolicy())
    for start in (0.0, 10.0, 20.0):
        transmission.begin(start)
        transmission.resent(start + 0.5)
        assert transmission.answered(start + 0.51) is None
    assert transmission.estimate == pytest.approx(0.01)
