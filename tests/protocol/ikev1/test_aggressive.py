"""Aggressive Mode between two engines (RFC 2409 §5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Credentials, PathAddresses
from l2tp_doctor.protocol.isakmp.payloads import Identification, SecurityAssociation
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.authority import credentials
from tests.protocol.ikev1.pair import ECP_256, GATEWAY, INITIATOR, MODP_2048, RESPONDER, Pair
from tests.protocol.ikev1.tools import (
    AGGRESSIVE,
    is_ready,
    isakmp,
    labels,
    lose,
    lose_where,
    message_of,
    only,
)

CLIENT_POLICY = replace(INITIATOR, aggressive=True)


def test_healthy() -> None:
    pair = Pair(CLIENT_POLICY).run()
    assert is_ready(pair)
    assert labels(pair) == AGGRESSIVE
    steps = [event.step for event in pair.client_got(events.ReplyReceived)]
    assert steps == [Step.AGGRESSIVE_1, Step.QUICK_1]
    assert only(pair.client_got(events.PeerIdentity)).text == "198.51.100.1"
    assert only(pair.gateway_got(events.PeerIdentity)).text == "192.0.2.10"


def test_all_offers_share_the_group_of_the_key_in_message_1() -> None:
    policy = replace(CLIENT_POLICY, transforms=(MODP_2048, ECP_256, replace(MODP_2048, hash=4)))
    pair = Pair(policy).run()
    assert is_ready(pair)
    offer = message_of(pair.wire[0][2]).payloads[0]
    assert isinstance(offer, SecurityAssociation)
    assert [transform.get(4) for transform in offer.proposals[0].transforms] == [14, 14]


def test_key_id_as_identity() -> None:
    policy = replace(CLIENT_POLICY, identity=Identification(11, 0, 0, b"vpn-group"))
    pair = Pair(policy).run()
    assert is_ready(pair)
    assert only(pair.gateway_got(events.PeerIdentity)).text == "vpn-group"


def test_psk_mismatch_shows_in_message_2() -> None:
    pair = Pair(CLIENT_POLICY, responder_credentials=Credentials(psk=Secret(b"wrong"))).run()
    assert only(pair.client_got(events.AuthenticationFailed)).reason == "hash"
    assert pair.client.state is State.STOPPED
    assert labels(pair) == AGGRESSIVE[:2]


def test_without_a_psk_it_stops_after_message_2() -> None:
    pair = Pair(CLIENT_POLICY, initiator_credentials=Credentials()).run()
    assert only(pair.client_got(events.CredentialNeeded)).kind == "psk"
    assert pair.client.state is State.STOPPED


def test_without_a_certificate_there_is_no_message_1() -> None:
    policy = replace(CLIENT_POLICY, transforms=(replace(ECP_256, authentication=3),))
    pair = Pair(policy, initiator_credentials=Credentials()).run()
    assert only(pair.client_got(events.CredentialNeeded)).kind == "certificate"
    assert pair.wire == []
    assert pair.client.state is State.STOPPED


def test_a_broken_certificate_stops_the_start() -> None:
    policy = replace(CLIENT_POLICY, transforms=(replace(ECP_256, authentication=3),))
    broken = Credentials(certificates=(b"none",), private_key=Secret(b"none"))
    pair = Pair(policy, initiator_credentials=broken).run()
    assert only(pair.client_got(events.CredentialNeeded)).kind == "certificate"
    assert pair.wire == []


def test_stop_after_the_first_answer() -> None:
    pair = Pair(replace(CLIENT_POLICY, stop_after=Step.AGGRESSIVE_1)).run()
    assert pair.client.state is State.STOPPED
    assert labels(pair) == AGGRESSIVE[:2]


@pytest.mark.parametrize("notify", [True, False])
def test_not_allowed(notify: bool) -> None:
    pair = Pair(CLIENT_POLICY, replace(RESPONDER, aggressive=False, notify_on_mismatch=notify)).run()
    names = {event.name for event in pair.client_got(events.NotifyReceived)}
    assert names == ({"UNSUPPORTED_EXCHANGE_TYPE"} if notify else set())
    assert only(pair.client_got(events.GaveUp)).step is Step.AGGRESSIVE_1


def test_proposal_mismatch() -> None:
    pair = Pair(CLIENT_POLICY, replace(RESPONDER, transforms=(MODP_2048,))).run()
    assert pair.client_got(events.NotifyReceived)[0].name == "NO_PROPOSAL_CHOSEN"
    assert pair.client.state is State.STOPPED


def test_behind_nat_message_3_goes_to_4500() -> None:
    pair = Pair(CLIENT_POLICY, responder_paths=PathAddresses(GATEWAY, bytes((203, 0, 113, 7)))).run()
    assert is_ready(pair)
    assert pair.channels()[:2] == [Channel.IKE] * 2
    assert set(pair.channels()[2:]) == {Channel.NAT_T}
    assert only(pair.client_got(events.NatDetected)).client_behind
    assert only(pair.gateway_got(events.QuickModeEstablished)).udp_encapsulated


def test_certificates() -> None:
    rsa = (replace(ECP_256, authentication=3),)
    client, _ = credentials("client.example")
    gateway, chain = credentials("gateway.example")
    pair = Pair(
        replace(CLIENT_POLICY, transforms=rsa), replace(RESPONDER, transforms=rsa), client, gateway
    ).run()
    assert is_ready(pair)
    assert only(pair.client_got(events.PeerCertificates)).chain == chain


@pytest.mark.parametrize("number", range(1, 7))
def test_each_message_lost_once(number: int) -> None:
    """Message 3 has no answer of its own (RFC 2409 §5): it goes again along with Quick Mode 1."""
    pair = Pair(CLIENT_POLICY, script=lose(number)).run()
    assert is_ready(pair), labels(pair)
    assert pair.now - 100.0 < 2.0


def test_message_3_with_certificates_is_cut_when_repeated() -> None:
    rsa = (replace(ECP_256, authentication=3),)
    client, chain = credentials("client-4096.example", bits=4096)
    gateway, _ = credentials("gateway.example")
    assert sum(map(len, chain)) > 1280
    pair = Pair(
        replace(CLIENT_POLICY, transforms=rsa),
        replace(RESPONDER, transforms=rsa),
        client,
        gateway,
        script=lose_where(lambda client_sent, datagram: client_sent and len(isakmp(datagram)) > 1280),
    ).run()
    assert is_ready(pair)
