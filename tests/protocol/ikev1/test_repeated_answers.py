"""A gateway that takes each copy of Quick Mode message 1 for an exchange of its own.

SoftEther 5.01 does so: over a lossy path it ends up with several pairs of SAs, answers each
copy with keys of its own, and deletes everything when one of its answers is never confirmed.
"""

from __future__ import annotations

from l2tp_doctor.protocol.engine import Datagram
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.quick_mode import MAX_ANSWERS
from l2tp_doctor.protocol.ikev1.responder import Ikev1Responder
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import Header, decode_header
from tests.protocol.ikev1.pair import Pair, Script, seeded
from tests.protocol.ikev1.tools import isakmp, triggers


class ForgetfulResponder(Ikev1Responder):
    """Forgets a Quick Mode as soon as it has answered it."""

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        if header.exchange != ExchangeType.QUICK:
            super()._duplicate(raw, header, now)
            return
        self._quick_modes.clear()
        self._accepted.remove(raw)
        sa, _ = self._keys()
        sa.forget_quick(header.message_id)
        self._receive_message(raw, Datagram(self.channel, raw), now)


def copies_of_quick_1(count: int) -> Script:
    def script(_number: int, from_client: bool, datagram: Datagram) -> list[tuple[float, Datagram]]:
        header = decode_header(isakmp(datagram))
        first = from_client and header.exchange == ExchangeType.QUICK and header.length > 100
        return [(0.01 + 0.001 * copy, datagram) for copy in range(count if first else 1)]

    return script


def forgetful(script: Script) -> Pair:
    pair = Pair(script=script)
    pair.gateway = ForgetfulResponder(
        pair.responder_policy,
        pair.responder_paths,
        pair.responder_credentials,
        seeded(pair.seed + 1),
        pair.gateway_trace.append,
    )
    return pair.run(1.0)


def test_every_answer_is_confirmed_and_every_pair_of_keys_fits() -> None:
    pair = forgetful(copies_of_quick_1(3))
    assert pair.client.state is State.READY
    ours, theirs = (
        pair.client_got(events.QuickModeEstablished),
        pair.gateway_got(events.QuickModeEstablished),
    )
    assert len(ours) == len(theirs) == 3
    assert len({event.outbound.sa.encryption_key for event in ours}) == 3
    for mine, peer in zip(ours, theirs, strict=True):
        assert peer.inbound.open(mine.outbound.seal(b"to the gateway", 17, seeded(5))) == (
            b"to the gateway",
            17,
        )
        assert mine.inbound.open(peer.outbound.seal(b"to the client", 17, seeded(6))) == (
            b"to the client",
            17,
        )
    confirmations = [event for event in pair.client_trace if event.summary.startswith("Quick Mode 3")]
    assert len(confirmations) == 3


def test_there_is_an_end_to_it() -> None:
    pair = forgetful(copies_of_quick_1(MAX_ANSWERS + 5))
    assert len(pair.client_got(events.QuickModeEstablished)) == MAX_ANSWERS + 1
    assert "limit" in triggers(pair.client_trace)
    assert pair.client.state is State.READY
