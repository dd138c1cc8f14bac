"""Ns, Nr, windows, retransmission and acknowledgement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.l2tp.message import ControlFrame, decode_message
from l2tp_doctor.protocol.l2tp.reliable import Arrival, ReliableControl, Transmission, sequence_before

POLICY = RetransmissionPolicy(initial=0.5, minimum=0.15, backoff=2.0, maximum=3.0, give_up=6.0)


def reliable(first_ns: int = 0, first_nr: int = 0, window: int = 4) -> ReliableControl:
    return ReliableControl(
        POLICY,
        window,
        acknowledgement_delay=0.02,
        maximum_queued=8,
        first_ns=first_ns,
        first_nr=first_nr,
    )


def frame_of(sent: Transmission) -> ControlFrame:
    frame = decode_message(sent.data)
    assert isinstance(frame, ControlFrame)
    return frame


# RFC 2661 §5.8: the 32768 numbers up to the last received one are "before".
@pytest.mark.parametrize(
    ("a", "b", "before"),
    [
        (0, 1, True), (1, 1, False), (2, 1, False), (65535, 0, True), (65535, 3, True), (0, 65535, False),
        (32769, 1, True), (32768, 1, False),
    ],
)  # fmt: skip
def test_modular_order(a: int, b: int, before: bool) -> None:
    assert sequence_before(a, b) is before


def test_sequence_numbers_wrap_around() -> None:
    sender, receiver = reliable(first_ns=65533), reliable(first_nr=65533)
    got = []
    for number in range(8):
        assert sender.send(f"m{number}", 1, 0, bytes((number,)))
        (sent,) = sender.flight(0.0)
        arrival, in_order = receiver.receive(frame_of(sent), 0.0)
        assert arrival is Arrival.IN_ORDER
        got += [(frame.ns, frame.body) for frame in in_order]
        (ack,) = receiver.flight(0.02)
        sender.receive(frame_of(ack), 0.03)
        assert sender.all_acknowledged
    expected_ns = [65533, 65534, 65535, 0, 1, 2, 3, 4]
    assert got == [(ns, bytes((i,))) for i, ns in enumerate(expected_ns)]


def test_out_of_order_is_kept_and_duplicates_are_acknowledged() -> None:
    receiver = reliable()
    assert receiver.receive(ControlFrame(1, 0, 1, 0, b"b"), 0.0) == (Arrival.AHEAD, [])
    (ack,) = receiver.flight(0.0)
    assert frame_of(ack).nr == 0
    arrival, in_order = receiver.receive(ControlFrame(1, 0, 0, 0, b"a"), 0.0)
    assert arrival is Arrival.IN_ORDER
    assert [frame.body for frame in in_order] == [b"a", b"b"]
    assert receiver.flight(0.0) == []  # delayed a little
    assert receiver.get_timer() == 0.02
    assert frame_of(receiver.flight(0.02)[0]).nr == 2
    assert receiver.receive(ControlFrame(1, 0, 0, 0, b"a"), 1.0) == (Arrival.DUPLICATE, [])
    assert frame_of(receiver.flight(1.0)[0]).nr == 2  # at once


def test_queue_ahead_is_limited_by_the_window() -> None:
    receiver = reliable(window=4)
    for ns in (1, 2, 3):
        assert receiver.receive(ControlFrame(1, 0, ns, 0, b"x"), 0.0)[0] is Arrival.AHEAD
    for ns in (4, 5, 1000, 32767):
        assert receiver.receive(ControlFrame(1, 0, ns, 0, b"x"), 0.0)[0] is Arrival.OUT_OF_WINDOW


def test_acknowledgement_rides_on_a_message() -> None:
    end = reliable()
    end.receive(ControlFrame(1, 0, 0, 0, b"x"), 0.0)
    end.send("answer", 1, 0, b"y")
    (sent,) = end.flight(0.0)
    assert (sent.name, frame_of(sent).nr) == ("answer", 1)
    assert end.flight(5.0) == []


def test_a_zlb_takes_no_number_and_is_not_acknowledged() -> None:
    end = reliable()
    end.receive(ControlFrame(1, 0, 0, 0, b"x"), 0.0)
    (zlb,) = end.flight(0.02)
    assert frame_of(zlb) == ControlFrame(0, 0, 0, 1)
    end.send("next", 1, 0, b"y")
    assert frame_of(end.flight(0.1)[0]).ns == 0
    assert end.receive(ControlFrame(1, 0, 1, 1), 0.2) == (Arrival.ACKNOWLEDGEMENT, [])
    assert end.flight(9.0) == []


def test_slow_start_and_peer_window() -> None:
    end = reliable()
    end.set_peer_window(2)
    for number in range(4):
        end.send(str(number), 1, 0, b"x")
    assert [sent.name for sent in end.flight(0.0)] == ["0"]  # RFC 2661 Appendix A: starts with one
    end.receive(ControlFrame(1, 0, 0, 1), 0.1)
    assert [sent.name for sent in end.flight(0.1)] == ["1", "2"]
    assert end.flight(0.1) == []
    end.receive(ControlFrame(1, 0, 0, 3), 0.2)
    assert [sent.name for sent in end.flight(0.2)] == ["3"]


def test_a_window_of_zero_does_not_block_for_ever() -> None:
    end = reliable()
    end.set_peer_window(0)
    end.send("m", 1, 0, b"x")
    assert len(end.flight(0.0)) == 1


def test_retransmission_schedule_and_giving_up() -> None:
    end = reliable()
    end.send("SCCRQ", 0, 0, b"x")
    end.flight(0.0)
    times = []
    for _ in range(20):
        at = end.get_timer()
        assert at is not None
        repetitions, given_up = end.handle_timer(at)
        if given_up is not None:
            assert (at, given_up.name, given_up.transmissions) == (6.0, "SCCRQ", 4)
            break
        times.append(at)
        assert [sent.repetition for sent in repetitions] == [len(times)]
    # 0.5, then intervals doubled and capped at 3 s, the last cut off at give_up
    assert times == [0.5, 1.5, 3.5]


def test_repetition_carries_the_current_nr() -> None:
    end = reliable()
    end.send("m", 1, 0, b"x")
    assert frame_of(end.flight(0.0)[0]).nr == 0
    end.receive(ControlFrame(1, 0, 0, 0, b"y"), 0.1)
    (again,), _ = end.handle_timer(0.5)
    assert frame_of(again).nr == 1


def test_everything_outstanding_is_repeated() -> None:
    end = reliable()
    end.hurry()
    end.send("SCCCN", 1, 0, b"x")
    end.send("ICRQ", 1, 0, b"y")
    assert len(end.flight(0.0)) == 2
    repetitions, _ = end.handle_timer(0.5)
    assert [sent.name for sent in repetitions] == ["SCCCN", "ICRQ"]


def test_round_trip_time_shortens_the_next_wait() -> None:
    end = reliable()
    end.send("a", 1, 0, b"x")
    end.flight(0.0)
    end.receive(ControlFrame(1, 0, 0, 1), 0.1)
    assert end.smoothed_rtt == pytest.approx(0.1)
    end.send("b", 1, 0, b"x")
    end.flight(1.0)
    assert end.get_timer() == pytest.approx(1.2)  # rtt_factor 2 × 0.1


def test_an_nr_never_sent_acknowledges_nothing() -> None:
    end = reliable()
    end.send("m", 1, 0, b"x")
    end.flight(0.0)
    for nr in (0, 2, 3, 40000, 65535):
        end.receive(ControlFrame(1, 0, 0, nr), 0.1)
    assert end.waits_for("m")
    end.receive(ControlFrame(1, 0, 0, 1), 0.1)
    assert end.all_acknowledged


def test_queue_limit() -> None:
    end = reliable()
    assert all(end.send("m", 1, 0, b"x") for _ in range(8))
    assert not end.send("m", 1, 0, b"x")


@given(
    st.integers(0, 65535),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=200),
)
def test_delivery_is_complete_and_in_order_under_loss(
    first: int, fate: list[tuple[bool, bool, bool]]
) -> None:
    """Each datagram is lost, doubled or held back by one, as hypothesis says; then the path heals."""
    sender, receiver = reliable(first_ns=first), reliable(first_nr=first)
    for number in range(6):
        sender.send(str(number), 1, 0, bytes((number,)))
    got: list[bytes] = []
    fates = iter(fate)
    now = 0.0
    for _ in range(400):
        repetitions, given_up = sender.handle_timer(now)
        if given_up is not None:
            break  # a script of pure loss may last longer than give_up
        held: list[Transmission] = []
        for sent in [*repetitions, *sender.flight(now)]:
            lost, doubled, late = next(fates, (False, False, False))
            if lost:
                continue
            copies = [sent] * (2 if doubled else 1)
            if late:
                held = copies
                continue
            for copy in [*copies, *held]:
                got += [frame.body for frame in receiver.receive(frame_of(copy), now)[1]]
            held = []
        for copy in held:
            got += [frame.body for frame in receiver.receive(frame_of(copy), now)[1]]
        for ack in receiver.flight(now + 0.02):
            if not next(fates, (False, False, False))[0]:
                sender.receive(frame_of(ack), now + 0.02)
        if sender.all_acknowledged:
            assert got == [bytes((number,)) for number in range(6)]
            break
        now += 0.05
    assert got == [bytes((number,)) for number in range(len(got))]


@pytest.mark.parametrize(("copies", "lossy"), [(1, False), (2, False), (3, False), (4, True)])
def test_an_sccrq_may_be_too_early_for_the_peers_sa(copies: int, lossy: bool) -> None:
    end = reliable()
    end.send("SCCRQ", 0, 0, b"x")
    end.flight(0.0)
    for _ in range(copies - 1):
        at = end.get_timer()
        assert at is not None
        end.handle_timer(at)
    end.receive(ControlFrame(1, 0, 0, 1, b"y"), 5.0)
    assert end.lossy is lossy
    assert end.counted == (1, 4 if lossy else 1)


def test_any_other_message_that_had_to_be_repeated_is_loss() -> None:
    end = reliable()
    end.send("SCCCN", 1, 0, b"x")
    end.flight(0.0)
    end.handle_timer(0.5)
    end.receive(ControlFrame(1, 0, 0, 1), 0.6)
    assert end.lossy
    assert end.counted == (1, 2)


def test_what_is_unanswered_and_its_early_end() -> None:
    end = reliable()
    end.send("SCCRQ", 0, 0, b"x")
    end.flight(1.0)
    end.handle_timer(1.5)
    asked = end.unanswered
    assert asked is not None
    assert (asked.what, asked.transmissions, asked.first_sent, asked.last_sent) == ("SCCRQ", 2, 1.0, 1.5)
    end.expire(2.0)
    assert end.get_timer() == 2.0
    repetitions, given_up = end.handle_timer(2.0)
    assert not repetitions
    assert given_up is not None
    assert (given_up.name, given_up.transmissions) == ("SCCRQ", 2)
