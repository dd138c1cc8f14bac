"""Informational messages before phase 1 is complete: the two sides may differ on its last block."""

from __future__ import annotations

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.payloads import Notify
from tests.protocol.ikev1.pair import Pair

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
