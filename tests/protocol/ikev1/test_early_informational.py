"""Informational messages before phase 1 is complete: the two sides may differ on its last block."""

from __future__ import annotations

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.payloads import Notify
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.pair import Pair

OTHER_PSK = Credentials(psk=Secret(b"wrong horse"))

INVALID_ID_INFORMATION = 18  # RFC 2408 section 3.14.1


@pytest.mark.parametrize("base", ["last block", "block before", "first", "none, as Libreswan has it"])
def test_a_refusal_of_message_5_is_read_whatever_block_the_peer_went_on_from(base: str) -> None:
    pair = Pair().run(0.045)
    assert pair.client.state is State.MAIN_5_SENT
    own, sender = pair.client._sa, pair.gateway._sa
    assert own is not None
    assert sender is not None
    sender._phase1_iv = {
        "last block": own._phase1_iv,
        "block before": own._previous_iv,
        "first": own._first_iv,
        "none, as Libreswan has it": b"",
    }[base]
    notification = Notify(INVALID_ID_INFORMATION, 1)
    message, _ = sender.seal_with_hash_1(ExchangeType.INFORMATIONAL, 0x1234, [notification])
    pair.client.receive(Datagram(Channel.IKE, message), pair.now)
    told = pair.client_trace[-1]
    assert told.trigger is None
    assert "NOTIFY(INVALID_ID_INFORMATION) (encrypted)" in told.summary


def lost_message_6() -> Pair:
    """A pair whose gateway has sent message 6, which the client never gets."""

    def script(_number: int, from_client: bool, datagram: Datagram) -> list[tuple[float, Datagram]]:
        if not from_client and len(sent) == 2:
            return []
        if not from_client:
            sent.append(datagram)
        return [(0.01, datagram)]

    sent: list[Datagram] = []
    pair = Pair(script=script).run(0.08)
    assert pair.client.state is State.MAIN_5_SENT
    return pair


@pytest.mark.parametrize("exchange", [ExchangeType.INFORMATIONAL, ExchangeType.QUICK])
def test_what_follows_a_lost_message_6_proves_that_the_keys_are_equal(exchange: ExchangeType) -> None:
    """RFC 2409 appendix B: its IV comes from message 6, of which we have nothing."""
    pair = lost_message_6()
    sender = pair.gateway._sa
    assert sender is not None
    message, _ = sender.seal_with_hash_1(exchange, 0x1234, [Notify(INVALID_ID_INFORMATION, 1)])
    pair.client.receive(Datagram(Channel.IKE, message), pair.now)
    pair._drain()
    assert pair.client_got(events.PeerEstablished)
    assert not pair.client_got(events.Undecryptable)
    assert pair.client.state is State.MAIN_5_SENT  # the peer has not proved who it is


@pytest.mark.parametrize("exchange", [ExchangeType.INFORMATIONAL, ExchangeType.QUICK])
@pytest.mark.parametrize("spoilt", [24, 40, -1])
def test_a_message_with_one_wrong_octet_proves_nothing(exchange: ExchangeType, spoilt: int) -> None:
    pair = lost_message_6()
    sender = pair.gateway._sa
    assert sender is not None
    sealed, _ = sender.seal_with_hash_1(exchange, 0x1234, [Notify(INVALID_ID_INFORMATION, 1, data=bytes(40))])
    message = bytearray(sealed)
    message[28 + spoilt if spoilt >= 0 else spoilt - 16] ^= 1
    pair.client.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
    pair._drain()
    assert not pair.client_got(events.PeerEstablished)


def test_a_peer_with_another_key_proves_nothing() -> None:
    pair = Pair(responder_credentials=OTHER_PSK).run(0.08)
    assert pair.client_got(events.Undecryptable)
    assert not pair.client_got(events.PeerEstablished)
