"""Quick Mode 3 lost on its way: a gateway without it has no SA, and nothing but our ESP's silence tells."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from l2tp_doctor.protocol.engine import Datagram
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.requester import CONFIRMATION_INTERVAL, CONFIRMATION_REPEATS
from tests.protocol.ikev1.pair import Pair
from tests.protocol.ikev1.tools import is_ready

QUICK_3 = 9  # its number among the datagrams of a dial without loss


class EspPair(Pair):
    """The client begins to send ESP at once; the gateway's first ESP arrives once it has the pair."""

    lost = 0
    answers_twice = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.script = self._lose_confirmations
        self.copies: list[float] = []
        self._confirmation = b""

    def _lose_confirmations(
        self, number: int, from_client: bool, datagram: Datagram
    ) -> Iterable[tuple[float, Datagram]]:
        if number == QUICK_3:
            self._confirmation = datagram.data
        if datagram.data != self._confirmation:
            # The gateway's own repetition of message 2 is lost for good: SoftEther never sends one.
            return [] if number > QUICK_3 and not from_client else [(0.01, datagram)]
        self.copies.append(self.now)
        return [] if len(self.copies) <= self.lost else [(0.01, datagram)]

    def _drain(self) -> None:
        super()._drain()
        if self.client.state is State.READY and len(self.wire) == QUICK_3 and not self.copies[1:]:
            self.client.await_esp(self.now)
        if self.gateway_got(events.QuickModeEstablished):
            self.client.confirm_quick_mode(self.now)


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_lost_copies_are_made_good(lost: int) -> None:
    pair = EspPair()
    pair.lost = lost
    pair.run(30)
    assert is_ready(pair)
    assert len(pair.gateway_got(events.QuickModeEstablished)) == 1
    assert len(pair.copies) == lost + 1
    # 0.25 s, then twice as long each time.
    expected = [sum(CONFIRMATION_INTERVAL * 2**k for k in range(count)) for count in range(lost + 1)]
    assert [when - pair.copies[0] for when in pair.copies] == pytest.approx(expected)
    repeated = [item.summary for item in pair.client_trace if "of quick-3" in item.summary]
    assert len(repeated) == lost
    assert pair.client.confirmations_repeated == lost


def test_the_repetitions_have_an_end() -> None:
    pair = EspPair()
    pair.lost = 99
    pair.run(60)
    assert len(pair.copies) == 1 + CONFIRMATION_REPEATS
    assert pair.client.get_timer() is None


def test_nothing_is_repeated_after_the_end() -> None:
    pair = EspPair()
    pair.lost = 99
    pair.run(0.3)
    pair.client.close(pair.now)
    pair.settle(pair.now + 30)
    assert len(pair.copies) == 1
    assert pair.client.get_timer() is None


def test_nobody_who_sends_no_esp_waits_for_any() -> None:
    pair = Pair().run(30)
    assert is_ready(pair)
    assert pair.client.get_timer() is None
    assert pair.client.confirmations_repeated == 0


def test_a_repeated_message_2_is_answered_with_message_3_again() -> None:
    """RFC 2409 leaves it to the responder to repeat message 2 until it has message 3."""
    copies: list[int] = []

    def script(number: int, from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
        if number == QUICK_3 or (copies and from_client):
            copies.append(number)
        return [] if number == QUICK_3 else [(0.01, datagram)]

    pair = Pair(script=script).run(30)
    assert is_ready(pair)
    assert len(pair.gateway_got(events.QuickModeEstablished)) == 1
    assert len(copies) == 2
