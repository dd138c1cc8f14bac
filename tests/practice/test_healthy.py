"""A healthy practice gateway and a dial in one process, on perfect and on bad paths."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from l2tp_doctor.practice.gateway import Packet, Peer
from l2tp_doctor.practice.settings import CLIENT_ADDRESSES, GATEWAY_ADDRESS, GatewaySettings
from l2tp_doctor.protocol.dial import Connected
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1.events import NatDetected
from l2tp_doctor.protocol.ppp.events import IpcpOpened
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome
from tests.practice.join import CLIENT, CLIENT_PORTS, Join, delayed, dial_config, small_group, unreliable

# Main Mode 3, Quick Mode 1, L2TP 2, LCP 2 (CBCP is rejected), MS-CHAPv2 1, IPCP 3 (WINS is rejected,
# the address is suggested), echo 1.  Nothing in it may wait for a timer.
ROUND_TRIPS = 13


@pytest.mark.parametrize("rtt", [0.004, 0.03, 0.2, 0.4])
def test_healthy_dial_takes_exactly_its_round_trips(rtt: float) -> None:
    join = Join(script=delayed(rtt / 2)).run()
    assert join.connected
    assert join.times[Connected] - 100.0 == pytest.approx(ROUND_TRIPS * rtt)
    assert join.dial.initiator.transmission.retransmissions == 0


def test_slow_path_costs_no_more_round_trips_and_no_loss_is_reported() -> None:
    join = Join(script=delayed(0.5)).run()
    assert join.times[Connected] - 100.0 == pytest.approx(ROUND_TRIPS * 1.0)
    # The first message cannot know how slow the path is; the answer to its copy makes the second one's
    # interval (twice half a second) end just when that answer comes.
    assert join.dial.initiator.transmission.retransmissions == 2


def test_healthy_dial_gets_address_and_echo_and_leaves_nothing() -> None:
    join = Join().run()
    opened = join.got(IpcpOpened)[0]
    assert opened.local_address == CLIENT_ADDRESSES[0]
    assert opened.peer_address == GATEWAY_ADDRESS
    assert opened.dns == (GATEWAY_ADDRESS,)
    assert all(echo.rtt is not None for echo in join.got(EchoOutcome))
    assert {echo.large for echo in join.got(EchoOutcome)} == {False, True}
    during = join.gateway.status()
    assert (during.sessions, during.half_open, during.tunnels, during.links, during.leases) == (1, 0, 1, 1, 1)
    started = join.now
    after = join.close()
    assert after.empty
    assert join.closed_cleanly
    assert join.now - started < 3 * 0.02


def test_nat_d_comes_out_right_with_one_address_on_both_sides() -> None:
    join = Join(config=dial_config(force_nat_t=False), script=delayed(0.01)).run()
    assert join.got(NatDetected) == [NatDetected(False, False, False)]
    forced = Join().run()
    assert forced.got(NatDetected)[0].forced
    assert not forced.got(NatDetected)[0].server_behind


def test_gateway_follows_the_client_to_the_nat_t_port() -> None:
    join = Join().run()
    assert join.peers[0] == Peer(CLIENT, CLIENT_PORTS[Channel.IKE])
    assert join.peers[-1] == Peer(CLIENT, CLIENT_PORTS[Channel.NAT_T])


def test_gateway_follows_an_authentic_packet_to_a_new_port_and_no_other() -> None:
    join = Join().run()
    join.settle(join.now + 0.2)
    join.dial.close(join.now)
    terminate = join.dial.datagrams_to_send(join.now)[0]
    forged = replace(terminate, data=terminate.data[:-1] + bytes((terminate.data[-1] ^ 1,)))
    join.gateway.receive(Packet(Peer(CLIENT, 1111), forged), join.now)
    assert join.gateway.datagrams_to_send(join.now) == []
    join.gateway.receive(Packet(Peer(CLIENT, 2222), terminate), join.now)
    assert {packet.peer.port for packet in join.gateway.datagrams_to_send(join.now)} == {2222}


@pytest.mark.parametrize(("loss", "needed"), [(0.0, 20), (0.05, 20), (0.1, 20), (0.2, 19), (0.3, 17)])
def test_lossy_jittery_duplicating_paths(loss: float, needed: int) -> None:
    """Give-up times are finite, so a few unlucky seeds may fail; what fails must still leave nothing."""
    connected = 0
    for seed in range(20):
        join = Join(script=unreliable(seed, loss), config=small_group(dial_config()), seed=seed).run()
        connected += join.connected
        assert join.close(seconds=60.0).empty
    assert connected >= needed


def test_the_last_address_is_lent_again_after_the_teardown() -> None:
    settings = GatewaySettings()
    only = IPv4Address("192.0.2.200")
    settings = replace(settings, ppp=replace(settings.ppp, addresses=(only,)))
    first = Join(settings).run()
    assert first.got(IpcpOpened)[0].local_address == only
    assert not Join(settings, seed=2, served_by=first.gateway, now=first.now).run().connected
    first.settle(first.now + 5.0)
    assert first.close().leases == 0
    third = Join(settings, seed=3, served_by=first.gateway, now=first.now).run()
    assert third.got(IpcpOpened)[0].local_address == only


def test_a_dial_that_vanishes_is_forgotten() -> None:
    join = Join().run()
    join.script = lambda _from_client, _datagram: ()
    join.settle(join.now + 300.0)
    assert join.gateway.status().empty


def test_gateway_that_closes_tells_its_clients() -> None:
    join = Join().run()
    join.gateway.close(join.now)
    assert join.gateway.status().empty
    join.settle(join.now + 1.0)
    names = {type(event).__name__ for event in join.events}
    assert {"StopCcnReceived", "DeleteReceived"} <= names
