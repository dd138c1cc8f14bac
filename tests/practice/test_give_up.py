"""A dial whose owner ends the wait, Quick Mode 3 lost on its way, and ESP under no SA of ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.dial import Connected, DialState, EspOfAnotherSa, Failed
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.l2tp import events as l2tp
from tests.practice.join import Join, Script, dial_config

MARKER = 4


def is_quick_mode(datagram: Datagram) -> bool:
    """RFC 2408 §3.1: the exchange type is octet 18 of the header."""
    data = datagram.data[MARKER:]
    return (
        datagram.channel is Channel.NAT_T
        and datagram.data[:MARKER] == bytes(MARKER)
        and data[18] == ExchangeType.QUICK
    )


def losing_quick_3(copies: int) -> tuple[list[Datagram], Script]:
    """Loses the first copies of Quick Mode 3, every repetition of message 2, and ESP before message 3.

    The practice gateway takes ESP for a confirmation, as SoftEther does; strongSwan and Libreswan do not.
    """
    asked: list[bytes] = []
    answered: list[bytes] = []
    lost: list[Datagram] = []
    confirmed: list[bytes] = []

    def script(from_client: bool, datagram: Datagram) -> Iterable[float]:
        if not is_quick_mode(datagram):
            esp = datagram.channel is Channel.NAT_T and datagram.data[:MARKER] != bytes(MARKER)
            return () if esp and not confirmed else (0.01,)
        if not from_client:
            answered.append(datagram.data)
            return () if answered[1:] else (0.01,)
        asked.append(datagram.data)
        if datagram.data == asked[0]:
            return (0.01,)
        if len(lost) < copies:
            lost.append(datagram)
            return ()
        confirmed.append(datagram.data)
        return (0.01,)

    return lost, script


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_quick_mode_3_lost(copies: int) -> None:
    lost, script = losing_quick_3(copies)
    join = Join(script=script).run()
    assert join.connected
    assert len(lost) == copies
    repeated = [event for event in join.trace if "of quick-3" in event.summary]
    assert len(repeated) == copies
    assert join.got(ike.QuickModeEstablished)


def test_without_loss_nothing_is_repeated() -> None:
    join = Join().run()
    assert join.connected
    assert not [event for event in join.trace if "of quick-3" in event.summary]
    assert not join.dial.lossy
    answers, sent = join.dial.counted
    assert answers == sent > 4
    assert join.dial.unanswered is None


def test_an_early_end_in_ike() -> None:
    join = Join(script=lambda from_client, _datagram: () if from_client else (0.01,)).run(2.0)
    asked = join.dial.unanswered
    assert asked is not None
    assert asked.what == "main-1"
    assert asked.transmissions == join.dial.sent > 1
    join.dial.give_up(join.now)
    join.settle(join.now, ())
    assert join.got(ike.GaveUp)
    assert [event.state for event in join.got(Failed)] == [DialState.IKE]
    assert join.dial.unanswered is None


def test_an_early_end_in_l2tp() -> None:
    def script(_from_client: bool, datagram: Datagram) -> Iterable[float]:
        esp = datagram.channel is Channel.NAT_T and datagram.data[:MARKER] != bytes(MARKER)
        return () if esp else (0.01,)

    join = Join(script=script).run(2.0)
    asked = join.dial.unanswered
    assert asked is not None
    assert asked.what == "SCCRQ"
    join.dial.give_up(join.now)
    join.settle(join.now, ())
    assert [event.message for event in join.got(l2tp.ControlSilent)] == ["SCCRQ"]
    assert [event.state for event in join.got(Failed)] == [DialState.L2TP]


def test_esp_of_an_earlier_dial_is_told_once() -> None:
    join = Join().run()
    assert join.connected
    stranger = bytes.fromhex("00bada55 00000001") + bytes(64)
    for _ in range(3):
        join.dial.receive(Datagram(Channel.NAT_T, stranger), join.now)
    join.settle(join.now, ())
    assert join.got(EspOfAnotherSa) == [EspOfAnotherSa(udp_encapsulated=True)]
    assert len(join.got(Connected)) == 1


def test_a_few_octets_are_no_esp_packet() -> None:
    join = Join().run(0.005)
    join.dial.receive(Datagram(Channel.ESP, bytes(8)), join.now)
    join.settle(join.now, ())
    assert not join.got(EspOfAnotherSa)


def test_l2tp_may_wait_for_the_gateways_sa() -> None:
    join = Join(config=replace(dial_config(), l2tp_delay=0.05)).run()
    assert join.connected
    begun = join.times[ike.QuickModeEstablished]
    first = next(event.at for event in join.trace if event.summary.startswith("SCCRQ"))
    assert first - begun == pytest.approx(0.05)


def test_a_dial_closed_before_l2tp_began() -> None:
    join = Join(config=replace(dial_config(), l2tp_delay=5.0)).run(1.0)
    status = join.close()
    assert join.closed_cleanly
    assert not [event for event in join.trace if event.summary.startswith("SCCRQ")]
    assert join.dial.get_timer() is None
    assert (status.sessions, status.tunnels) == (0, 0)
