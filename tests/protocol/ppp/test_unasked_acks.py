"""Our Configure-Ack lost: pppd asks again after three seconds, and on a lossy path we say it again before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.config import gateway_config
from l2tp_doctor.protocol.ppp.peer_requests import MAX_UNASKED_ACKS
from l2tp_doctor.protocol.ppp.timers import LOSSY_MAXIMUM, LOSSY_MINIMUM, RestartTimer, RoundTrip
from tests.protocol.ppp.helpers import Pair, client_config, gateway
from tests.protocol.ppp.test_lost_answers import ACK, LCP, losing, sent_at

SLOW = RetransmissionPolicy(initial=3.0, minimum=3.0, backoff=1.0, maximum=3.0, give_up=30.0)
SLOW_SERVER = replace(gateway_config(gateway()), retransmission=SLOW)
LOSSY_CLIENT = replace(client_config(), lossy=True, rtt=0.05)


def test_lcp() -> None:
    pair = Pair(LOSSY_CLIENT, SLOW_SERVER, losing("client", LCP, ACK, 1)).dial()
    assert pair.has(events.IpcpOpened)
    assert pair.times[events.IpcpOpened] < 2.0
    assert len(sent_at(pair, "lcp", "Configure-Ack")) == 2


def test_a_path_without_loss_is_left_alone() -> None:
    pair = Pair(replace(client_config(), rtt=0.05), SLOW_SERVER, losing("client", LCP, ACK, 1)).dial()
    assert pair.times[events.IpcpOpened] > 2.5


def test_a_request_of_the_peers_begins_the_wait_anew() -> None:
    policy = RetransmissionPolicy(initial=1.0, minimum=1.0, backoff=1.0, maximum=1.0, give_up=5.0)
    timer = RestartTimer(policy, RoundTrip(0.01))
    timer.begin(0.0)
    assert timer.exhausted(5.0)
    timer.prolong(3.0)
    assert not timer.exhausted(7.9)
    assert timer.exhausted(8.0)


def test_a_peer_that_has_it_discards_it_and_it_ends() -> None:
    pair = Pair(LOSSY_CLIENT, SLOW_SERVER).dial(5.0)
    before = len(sent_at(pair, "ipcp", "Configure-Ack"))
    for _ in range(MAX_UNASKED_ACKS + 3):
        pair.client.repeat_acknowledgements(pair.now)
        pair.run(pair.now + 0.2)
    assert len(sent_at(pair, "ipcp", "Configure-Ack")) - before == MAX_UNASKED_ACKS
    opened = [event for event in pair.server_events if isinstance(event, events.IpcpOpened)]
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("lossy", "rtt", "first"),
    [(False, 0.01, 1.0), (True, 0.01, LOSSY_MINIMUM), (True, 0.3, 0.6), (True, None, 1.0), (True, 2.0, 2.0)],
)
def test_the_restart_timer_is_quicker_where_loss_was_seen(
    lossy: bool, rtt: float | None, first: float
) -> None:
    policy = RetransmissionPolicy(initial=1.0, minimum=1.0, backoff=1.3, maximum=2.0, give_up=11.0)
    timer = RestartTimer(policy, RoundTrip(rtt, lossy=lossy))
    timer.begin(0.0)
    assert timer.due == pytest.approx(first)


@pytest.mark.parametrize(
    ("lossy", "rtt", "longest"),
    [(False, 0.01, 2.0), (True, 0.01, LOSSY_MAXIMUM), (True, 0.8, 1.6), (True, 3.0, 2.0)],
)
def test_the_longest_interval(lossy: bool, rtt: float, longest: float) -> None:
    """Where loss was seen, a second; but an answer that is still under way is not asked for again."""
    policy = RetransmissionPolicy(initial=1.0, minimum=1.0, backoff=1.3, maximum=2.0, give_up=60.0)
    timer = RestartTimer(policy, RoundTrip(rtt, lossy=lossy))
    timer.begin(0.0)
    expiries = []
    for _ in range(9):
        assert timer.due is not None
        expiries.append(timer.due)
        timer.again(timer.due)
    assert expiries[-1] - expiries[-2] == pytest.approx(longest)
