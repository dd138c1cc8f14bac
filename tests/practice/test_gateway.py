"""The gateway's own duties: demultiplexing, IKEv2, limits, and strangers' datagrams."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.practice.gateway import Packet, Peer, PracticeGatewayEngine
from l2tp_doctor.practice.settings import GatewaySettings, Ikev2Behaviour, Limits
from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.isakmp.ikev2 import Ikev2NotifyType, decode_sa_init, encode_sa_init
from l2tp_doctor.protocol.nat_t import unwrap_isakmp, wrap_isakmp
from tests.practice.join import GATEWAY, GATEWAY_PORTS, PATHS, PSK, Join, dial_config

PEER = Peer(bytes((127, 0, 0, 1)), 40000)


def engine(gateway_settings: GatewaySettings | None = None, seed: int = 1) -> PracticeGatewayEngine:
    source = random.Random(seed)
    return PracticeGatewayEngine(
        gateway_settings or GatewaySettings(), GATEWAY, GATEWAY_PORTS, source.randbytes
    )


def sa_init(group: int) -> bytes:
    public = crypto.generate(group, random.Random(3).randbytes).public
    return encode_sa_init(b"initspi1", group, public, bytes(range(32)))


@pytest.mark.parametrize("channel", [Channel.IKE, Channel.NAT_T])
def test_ikev2_is_refused_by_an_ikev1_gateway(channel: Channel) -> None:
    gateway = engine()
    request = sa_init(14)
    gateway.receive(
        Packet(PEER, Datagram(channel, wrap_isakmp(request) if channel is Channel.NAT_T else request)), 0.0
    )
    (answer,) = gateway.datagrams_to_send(0.0)
    assert answer.peer == PEER
    raw = unwrap_isakmp(answer.datagram.data) if channel is Channel.NAT_T else answer.datagram.data
    reply = decode_sa_init(raw)
    assert reply.header.initiator_cookie == b"initspi1"
    assert reply.notification(Ikev2NotifyType.NO_PROPOSAL_CHOSEN) is not None
    assert gateway.status().empty


@pytest.mark.parametrize("group", [14, 19, 20])
def test_ikev2_is_accepted_where_ikev1_is_not(group: int) -> None:
    gateway = engine(replace(GatewaySettings(), ikev2=Ikev2Behaviour.ACCEPT))
    gateway.receive(Packet(PEER, Datagram(Channel.IKE, sa_init(group))), 0.0)
    (answer,) = gateway.datagrams_to_send(0.0)
    reply = decode_sa_init(answer.datagram.data)
    assert reply.accepted
    assert reply.group == group


def test_ikev2_may_be_ignored_and_garbage_is() -> None:
    gateway = engine(replace(GatewaySettings(), ikev2=Ikev2Behaviour.IGNORE))
    gateway.receive(Packet(PEER, Datagram(Channel.IKE, sa_init(14))), 0.0)
    accepting = engine(replace(GatewaySettings(), ikev2=Ikev2Behaviour.ACCEPT))
    accepting.receive(Packet(PEER, Datagram(Channel.IKE, sa_init(14)[:60])), 0.0)
    assert gateway.datagrams_to_send(0.0) == accepting.datagrams_to_send(0.0) == []


def first_message(seed: int) -> Datagram:
    initiator = Ikev1Initiator(dial_config().ike, PATHS, PSK, random.Random(seed).randbytes)
    initiator.start(0.0)
    return initiator.datagrams_to_send(0.0)[0]


def test_half_open_sessions_are_limited_and_forgotten_and_a_dial_still_gets_in() -> None:
    limits = Limits(half_open=4)
    gateway = engine(replace(GatewaySettings(), limits=limits))
    for seed in range(20):
        gateway.receive(Packet(Peer(PEER.address, 1000 + seed), first_message(seed)), 0.0)
        assert gateway.status().half_open <= limits.half_open
    assert gateway.status().half_open == limits.half_open
    join = Join(seed=77)
    join.gateway = gateway
    assert join.run().connected
    join.close(seconds=60.0)
    assert gateway.status().empty


def test_established_sessions_are_limited() -> None:
    limits = Limits(sessions=1)
    join = Join(replace(GatewaySettings(), limits=limits)).run()
    join.gateway.receive(Packet(PEER, first_message(9)), join.now)
    assert join.gateway.datagrams_to_send(join.now) == []
    assert join.gateway.status().counters["limit"] == 1


def test_refused_first_messages_leave_nothing() -> None:
    gateway = engine()
    policy = replace(dial_config(authentication=3).ike)
    initiator = Ikev1Initiator(policy, PATHS, PSK, random.Random(5).randbytes)
    initiator.start(0.0)
    gateway.receive(Packet(PEER, initiator.datagrams_to_send(0.0)[0]), 0.0)
    assert len(gateway.datagrams_to_send(0.0)) == 1
    assert gateway.status().empty


CHANNELS = st.sampled_from(list(Channel))
PEERS = st.builds(Peer, st.binary(min_size=4, max_size=4), st.integers(0, 65535))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(PEERS, CHANNELS, st.binary(max_size=400)), max_size=8))
def test_random_datagrams_never_raise(packets: list[tuple[Peer, Channel, bytes]]) -> None:
    gateway = engine()
    for now, (peer, channel, data) in enumerate(packets):
        gateway.receive(Packet(peer, Datagram(channel, data)), float(now))
    assert gateway.status().sessions == 0


def _captured(seed: int) -> list[Datagram]:
    """Everything a whole dial sends."""
    sent: list[Datagram] = []

    def script(from_client: bool, datagram: Datagram) -> tuple[float, ...]:
        if from_client:
            sent.append(datagram)
        return (0.01,)

    join = Join(script=script, seed=seed).run()
    join.close()
    return sent


REAL = _captured(1)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_real_datagrams_never_raise(data: st.DataObject) -> None:
    gateway = engine(seed=2)
    for now in range(6):
        datagram = data.draw(st.sampled_from(REAL))
        raw = bytearray(datagram.data)
        for position in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
            raw[position] = data.draw(st.integers(0, 255))
        cut = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
        gateway.receive(Packet(data.draw(PEERS), Datagram(datagram.channel, cut)), float(now))
        gateway.handle_timer(float(now))


def test_damage_in_the_middle_of_a_dial_does_no_harm() -> None:
    source = random.Random(4)

    def damage(from_client: bool, datagram: Datagram) -> tuple[float, ...]:
        if from_client and datagram.data:
            broken = bytearray(datagram.data)
            broken[source.randrange(len(broken))] ^= 1 << source.randrange(8)
            join.gateway.receive(
                Packet(Peer(PEER.address, source.randrange(1, 65536)), replace(datagram, data=bytes(broken))),
                join.now,
            )
        return (0.01,)

    join = Join(script=damage)
    # Before Main Mode is over nothing is authentic: a broken first message may take the place of the
    # real one, which then meets a responder that waits for something else.
    join.run(seconds=60.0)
    assert join.close(seconds=60.0).empty


def test_a_flood_of_strangers_costs_bounded_memory() -> None:
    gateway = engine()
    source = random.Random(8)
    for number in range(3000):
        peer = Peer(source.randbytes(4), source.randrange(65536))
        if number % 3:
            datagram = Datagram(source.choice(list(Channel)), source.randbytes(source.randrange(200)))
        else:
            raw = bytearray(REAL[0].data)
            raw[:8] = source.randbytes(8)
            datagram = Datagram(Channel.IKE, bytes(raw))
        gateway.receive(Packet(peer, datagram), number / 1000)
        gateway.datagrams_to_send(number / 1000)
    status = gateway.status()
    assert status.half_open <= Limits().half_open
    assert status.sessions == status.tunnels == 0
    assert len(status.counters) < 20
