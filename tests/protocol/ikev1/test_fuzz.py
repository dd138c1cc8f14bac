"""Anything may arrive in any state: no exception, and the genuine answer still counts.

Which messages may an outsider who sees the cookies replace?  Those in clear, because nothing can tell
who sent them; and the last ones of phase 1: a changed HASH is a failed authentication, and what lies behind
the HASH (NAT-D, the padding) is not covered by it although its last block is the next IV's seed
(RFC 2409 §5.1 and appendix B).  Everything else must be dropped, and what is dropped must not matter.
"""

from __future__ import annotations

import hmac
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.isakmp.message import encode_encrypted
from tests.protocol.ikev1.pair import INITIATOR, Pair
from tests.protocol.ikev1.test_states import BUILD, BUILD_RESPONDER, recorded, with_cookies
from tests.protocol.ikev1.tools import is_ready, isakmp, triggers

MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOST_DATAGRAMS = 60

channels = st.sampled_from(Channel)
FIRST_PROTECTED = {False: 7, True: 4}
"""Number of Quick Mode 1 in the healthy flow, by whether it is Aggressive Mode's."""


def step_to(number: int, *, aggressive: bool = False) -> Pair:
    """Stops with datagram ``number`` of the healthy flow on its way."""
    # Aggressive Mode 3 and Quick Mode 1 leave together.
    steps = number - 1 if aggressive and number > 3 else number
    pair = Pair(replace(INITIATOR, aggressive=aggressive)).run(0.01 * steps - 0.005)
    assert len(pair.wire) == (4 if aggressive and number == 3 else number)
    return pair


@st.composite
def mutations(draw: st.DrawFn, message: bytes) -> bytes:
    """The message with flipped bits, replaced bytes, another length, a cut end or something behind it."""
    data = bytearray(message)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["flip", "byte", "length", "cut", "grow", "insert"]))
        place = draw(st.integers(0, max(0, len(data) - 1)))
        if kind == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "length" and len(data) >= 32:
            start = draw(st.sampled_from([24, 26, 30, max(0, place - 2)]))
            data[start : start + 2] = draw(st.binary(min_size=2, max_size=2))
        elif kind == "cut":
            del data[place:]
            if draw(st.booleans()) and len(data) >= 28:
                data[24:28] = len(data).to_bytes(4, "big")
        elif kind == "grow":
            data += draw(st.binary(max_size=40))
            if draw(st.booleans()) and len(data) >= 28:
                data[24:28] = len(data).to_bytes(4, "big")
        else:
            data[place:place] = draw(st.binary(max_size=8))
    return bytes(data)


class TestRandomBytes:
    @MANY
    @given(state=st.sampled_from(State), channel=channels, data=st.binary(max_size=200), known=st.booleans())
    def test_initiator(self, state: State, channel: Channel, data: bytes, known: bool) -> None:
        pair = BUILD[state]()
        client = pair.client
        if known:
            data = client.cookie + client._phase1.peer_cookie + data
        pair.client_trace.clear()
        client.receive(Datagram(channel, data), pair.now)
        assert client.state is state or triggers(pair.client_trace) == []
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS

    @MANY
    @given(
        state=st.sampled_from(ResponderState),
        channel=channels,
        data=st.binary(max_size=200),
        known=st.booleans(),
    )
    def test_responder(self, state: ResponderState, channel: Channel, data: bytes, known: bool) -> None:
        pair = BUILD_RESPONDER[state]()
        gateway = pair.gateway
        if known:
            data = gateway.cookie + gateway._own_cookie + data
        pair.gateway_trace.clear()
        gateway.receive(Datagram(channel, data), pair.now)
        assert gateway.state is state or triggers(pair.gateway_trace) == []
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS

    @MANY
    @given(number=st.integers(1, 9), data=st.binary(max_size=200), to_client=st.booleans(), channel=channels)
    def test_noise_does_not_stop_an_exchange(
        self, number: int, data: bytes, to_client: bool, channel: Channel
    ) -> None:
        pair = step_to(number)
        (pair.client if to_client else pair.gateway).receive(Datagram(channel, data), pair.now)
        pair.settle(pair.now + 60)
        assert is_ready(pair)


class TestChangedMessages:
    @MANY
    @given(data=st.data(), number=st.integers(1, 9), channel=channels, aggressive=st.booleans())
    def test_in_place_of_the_genuine_one_shortly_before_it(
        self, data: st.DataObject, number: int, channel: Channel, aggressive: bool
    ) -> None:
        if aggressive:
            number = min(number, 6)
        pair = step_to(number, aggressive=aggressive)
        _, from_client, genuine = pair.wire[number - 1]
        message = data.draw(mutations(isakmp(genuine)))
        receiver = pair.gateway if from_client else pair.client
        before = receiver.state
        sent = len(receiver._outgoing)
        payload = bytes(4) + message if channel is Channel.NAT_T else message
        receiver.receive(Datagram(channel, payload), pair.now)
        unchanged = receiver.state is before and len(receiver._outgoing) == sent
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS
        if is_ready(pair):
            return
        assert number < FIRST_PROTECTED[aggressive], "from Quick Mode on everything is authenticated"
        assert not unchanged or pair.gateway.cookie != pair.client.cookie, "what was dropped must not matter"

    @MANY
    @given(data=st.data(), state=st.sampled_from(State), channel=channels)
    def test_initiator_in_every_state(self, data: st.DataObject, state: State, channel: Channel) -> None:
        pair = BUILD[state]()
        client = pair.client
        _, sample = data.draw(st.sampled_from(recorded()))
        message = data.draw(mutations(with_cookies(sample, client.cookie, client._phase1.peer_cookie)))
        client.receive(
            Datagram(channel, bytes(4) + message if channel is Channel.NAT_T else message), pair.now
        )
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS

    @MANY
    @given(data=st.data(), state=st.sampled_from(ResponderState), channel=channels)
    def test_responder_in_every_state(
        self, data: st.DataObject, state: ResponderState, channel: Channel
    ) -> None:
        pair = BUILD_RESPONDER[state]()
        gateway = pair.gateway
        _, sample = data.draw(st.sampled_from(recorded()))
        message = data.draw(mutations(with_cookies(sample, gateway.cookie, gateway._own_cookie)))
        gateway.receive(
            Datagram(channel, bytes(4) + message if channel is Channel.NAT_T else message), pair.now
        )
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS


class TestInsideTheEncryption:
    """A peer with the right keys that sends nonsense: what a broken gateway can do to us."""

    @MANY
    @given(
        body=st.binary(max_size=160),
        first=st.sampled_from([1, 4, 5, 6, 8, 9, 10, 11, 12, 20, 21, 131, 132, 200]),
        exchange=st.sampled_from([2, 5, 32]),
        number=st.sampled_from([6, 8, 9]),
        right_hash=st.booleans(),
    )
    def test_any_plaintext(
        self, body: bytes, first: int, exchange: int, number: int, right_hash: bool
    ) -> None:
        pair = step_to(number)
        sa = pair.gateway._sa
        assert sa is not None
        message_id = 0 if exchange == 2 else 1 if exchange == 32 else 999
        padded = body + bytes(-len(body) % 16)
        iv = {
            2: pair.client._sa._phase1_iv if pair.client._sa is not None else bytes(16),
            5: sa._phase2_first_iv(message_id, sa._phase1_iv),
            32: sa._phase2_ivs.get(1) or sa._phase2_first_iv(1, sa._phase1_iv),
        }[exchange]
        if right_hash and exchange == 5:
            value = hmac.digest(sa.keys.skeyid_a, message_id.to_bytes(4, "big") + body, "sha1")
            padded = bytes((first, 0, 0, 24)) + value + body
            padded += bytes(-len(padded) % 16)
            first = 8
        ciphertext = sa.cipher.encrypt(sa._key, iv, padded)
        message = encode_encrypted(sa._header(exchange, message_id), first, ciphertext)
        pair.client.receive(Datagram(Channel.IKE, message), pair.now)
        pair.gateway.receive(Datagram(Channel.IKE, message), pair.now)
        pair.settle(pair.now + 60)
        assert len(pair.wire) <= MOST_DATAGRAMS
