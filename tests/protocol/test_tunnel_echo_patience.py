"""What both echoes lost before the small one's first answer says nothing about size."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from l2tp_doctor.protocol.ip import (
    ICMP,
    IcmpEcho,
    Ipv4Packet,
    build_icmp_echo,
    build_ipv4,
    parse_icmp_echo,
    parse_ipv4,
)
from l2tp_doctor.protocol.tunnel_echo import LARGE_ATTEMPTS, MAX_INTERFACES, SMALL_ATTEMPTS, TunnelEcho

LOCAL, TARGET = IPv4Address("10.99.0.10"), IPv4Address("10.99.0.1")


def answer(packet: bytes) -> bytes:
    asked = parse_icmp_echo(parse_ipv4(packet).payload)
    reply = build_icmp_echo(IcmpEcho(True, asked.identifier, asked.sequence, asked.data))
    return build_ipv4(Ipv4Packet(TARGET, LOCAL, ICMP, reply, identification=1))


def test_the_large_one_gets_its_tries_after_the_small_ones_answer() -> None:
    echo = TunnelEcho(LOCAL, TARGET, 7, 1400, 0.1)
    echo.start(0.0)
    now, lost, large_after = 0.0, 4, 0
    answered = False
    while not echo.finished:
        for packet in echo.packets_to_send():
            if len(packet) >= 1400:
                large_after += answered
            elif lost:
                lost -= 1
            elif not answered:
                answered = True
                echo.receive(answer(packet), now)
        due = echo.get_timer()
        if due is None:
            break
        now = due
        echo.handle_timer(now)
    outcomes = [echo.next_outcome(), echo.next_outcome()]
    assert [item is not None and item.rtt is not None for item in outcomes] == [True, False]
    # The large one that leaves together with the small one's answered try counts as one of them.
    assert large_after >= LARGE_ATTEMPTS - 1


def test_the_large_one_is_not_given_up_before_anything_has_come_through() -> None:
    """An interface that comes up after seconds: all large ones before it were lost with the small ones."""
    echo = TunnelEcho(LOCAL, TARGET, 7, 1400, 0.1)
    echo.start(0.0)
    now, up_at = 0.0, 3.5
    while not echo.finished:
        for packet in echo.packets_to_send():
            if now >= up_at:
                echo.receive(answer(packet), now)
        now = echo.get_timer() or now
        echo.handle_timer(now)
    outcomes = [echo.next_outcome(), echo.next_outcome()]
    assert [item is not None and item.rtt is not None for item in outcomes] == [True, True]


def test_where_nothing_comes_through_both_end() -> None:
    echo = TunnelEcho(LOCAL, TARGET, 7, 1400, 0.1)
    echo.start(0.0)
    now = 0.0
    while (due := echo.get_timer()) is not None:
        now = due
        echo.handle_timer(now)
    outcomes = [echo.next_outcome(), echo.next_outcome()]
    assert echo.finished
    assert [item is not None and item.rtt is None for item in outcomes] == [True, True]
    assert now < 10.0


@pytest.mark.parametrize(("returns", "interfaces"), [(0, 1), (1, 2), (99, MAX_INTERFACES)])
def test_an_interface_that_comes_back_gets_all_tries_again_and_that_has_an_end(
    returns: int, interfaces: int
) -> None:
    """``returns``: how often IPCP is negotiated anew, each time after the last try."""
    echo = TunnelEcho(LOCAL, TARGET, 7, 1400, 0.1)
    echo.start(0.0)
    sent, now = 0, 0.0
    while not echo.finished:
        small = sum(len(packet) < 1400 for packet in echo.packets_to_send())
        sent += small
        if small and sent % SMALL_ATTEMPTS == 0 and returns:
            returns -= 1
            echo.interface_is_back()
        now = echo.get_timer() or now
        echo.handle_timer(now)
    assert sent == interfaces * SMALL_ATTEMPTS
    assert now < 25.0
