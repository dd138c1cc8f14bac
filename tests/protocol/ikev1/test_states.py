"""The whole product of states and inputs, for both roles, against a table written a second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import initiator, responder
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.inputs import Input, classify, needed
from l2tp_doctor.protocol.ikev1.policy import Credentials, Phase1Transform
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import Header, Message, decode_message, encode_message
from l2tp_doctor.protocol.isakmp.payloads import (
    Delete,
    HashPayload,
    KeyExchange,
    Nonce,
    Notify,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import DPD
from tests.protocol.ikev1.pair import INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import isakmp, triggers

S, R, I = State, ResponderState, Input  # noqa: E741  # three columns of a table, not variables

# What RFC 2409 §5 and §5.5 allow each side to do next.  Staying where it is always is allowed: the
# message may be useless.
WAITING = {
    (S.IDLE, I.START): {S.MAIN_1_SENT, S.AGGRESSIVE_1_SENT, S.STOPPED},
    (S.MAIN_1_SENT, I.MAIN_SA): {S.MAIN_3_SENT},
    (S.MAIN_3_SENT, I.MAIN_KE): {S.MAIN_5_SENT, S.STOPPED},
    (S.MAIN_5_SENT, I.MAIN_ENCRYPTED): {S.QUICK_1_SENT, S.ESTABLISHED, S.STOPPED},
    (S.MAIN_5_SENT, I.QUICK): set(),  # it proves that message 6 was lost; the state is left by message 6 only
    (S.AGGRESSIVE_1_SENT, I.AGGRESSIVE): {S.QUICK_1_SENT, S.ESTABLISHED, S.STOPPED},
    (S.QUICK_1_SENT, I.QUICK): {S.READY},
    (S.READY, I.QUICK): {S.READY},
    (S.ESTABLISHED, I.QUICK): {S.READY},
    (S.MAIN_1_SENT, I.GIVE_UP): {S.STOPPED},
    (S.MAIN_3_SENT, I.GIVE_UP): {S.STOPPED},
    (S.MAIN_5_SENT, I.GIVE_UP): {S.STOPPED},
    (S.AGGRESSIVE_1_SENT, I.GIVE_UP): {S.STOPPED},
    (S.QUICK_1_SENT, I.GIVE_UP): {S.ESTABLISHED},
}
STARTED = set(State) - {S.IDLE, S.CLOSED}
LEGAL: dict[tuple[State, Input], set[State]] = {
    **WAITING,
    **{(state, I.INFORMATIONAL_CLEAR): set() for state in STARTED},
    **{(state, I.INFORMATIONAL_ENCRYPTED): {S.STOPPED} for state in STARTED},
    **{(state, I.OTHER_VERSION): set() for state in STARTED},
    **{(state, I.CLOSE): {S.CLOSED} for state in STARTED},
}
WITH_KEYS = (R.MAIN_4_SENT, R.AGGRESSIVE_2_SENT, R.ESTABLISHED, R.REFUSED)
RESPONDER_LEGAL: dict[tuple[ResponderState, Input], set[ResponderState]] = {
    (R.IDLE, I.MAIN_SA): {R.MAIN_2_SENT},
    (R.IDLE, I.AGGRESSIVE): {R.AGGRESSIVE_2_SENT},
    (R.MAIN_2_SENT, I.MAIN_KE): {R.MAIN_4_SENT},
    (R.MAIN_4_SENT, I.MAIN_ENCRYPTED): {R.ESTABLISHED, R.REFUSED},
    (R.AGGRESSIVE_2_SENT, I.AGGRESSIVE): {R.ESTABLISHED, R.REFUSED},
    (R.ESTABLISHED, I.QUICK): set(),
    **{(state, I.INFORMATIONAL_CLEAR): set() for state in WITH_KEYS},
    **{(state, I.INFORMATIONAL_ENCRYPTED): {R.CLOSED} for state in WITH_KEYS},
}
OWN_INPUTS = {I.START, I.GIVE_UP, I.CLOSE}
MESSAGES = [kind for kind in Input if kind not in OWN_INPUTS]

AGGRESSIVE = replace(INITIATOR, aggressive=True)


def closed(pair: Pair) -> Pair:
    pair.client.close(pair.now)
    pair.settle(pair.now + 5)
    return pair


# Each message takes 10 ms, so that 25 ms after the start message 2 has come and message 3 gone.
BUILD: dict[State, Callable[[], Pair]] = {
    S.IDLE: Pair,
    S.MAIN_1_SENT: lambda: Pair().run(0.005),
    S.MAIN_3_SENT: lambda: Pair().run(0.025),
    S.MAIN_5_SENT: lambda: Pair().run(0.045),
    S.AGGRESSIVE_1_SENT: lambda: Pair(AGGRESSIVE).run(0.005),
    S.QUICK_1_SENT: lambda: Pair().run(0.065),
    S.READY: lambda: Pair().run(0.085),
    S.ESTABLISHED: lambda: Pair(replace(INITIATOR, suites=())).run(),
    S.STOPPED: lambda: Pair(initiator_credentials=Credentials()).run(),
    S.CLOSED: lambda: closed(Pair().run()),
}
BUILD_RESPONDER: dict[ResponderState, Callable[[], Pair]] = {
    R.IDLE: Pair,
    R.MAIN_2_SENT: lambda: Pair().run(0.015),
    R.MAIN_4_SENT: lambda: Pair().run(0.035),
    R.AGGRESSIVE_2_SENT: lambda: Pair(AGGRESSIVE).run(0.015),
    R.ESTABLISHED: lambda: Pair().run(0.055),
    R.REFUSED: lambda: Pair(responder_policy=replace(RESPONDER, accepted_identities=())).run(0.055),
    R.CLOSED: lambda: closed(Pair().run()),
}


@cache
def recorded() -> tuple[tuple[bool, bytes], ...]:
    """Real messages of other pairs: both modes, a refusal, a wrong key, DPD and Delete."""
    # With the vendor IDs of the pairs under test message 1 would be the same, cookies aside.
    vendor_ids = (*INITIATOR.vendor_ids, DPD.value)
    ours, aggressive = replace(INITIATOR, vendor_ids=vendor_ids), replace(AGGRESSIVE, vendor_ids=vendor_ids)
    theirs = replace(RESPONDER, vendor_ids=vendor_ids)
    pairs = [
        Pair(ours, theirs, seed=71).run(),
        Pair(aggressive, theirs, seed=73).run(),
        Pair(ours, replace(theirs, transforms=(Phase1Transform(5, None, 2, 2, 1),)), seed=75).run(),
        Pair(ours, replace(theirs, suites=()), seed=77).run(),
    ]
    pairs[0].client.send_dpd(pairs[0].now)
    pairs[0].settle(pairs[0].now + 5)
    pairs[1].gateway.close(pairs[1].now)
    for pair in pairs:
        closed(pair)
    return tuple((from_client, isakmp(d)) for pair in pairs for _, from_client, d in pair.wire)


def hand_made() -> list[bytes]:
    """Messages no engine sends: empty ones, useless choices, other versions."""
    cookies = bytes(16)
    some: list[bytes] = []
    for exchange, flags in product((2, 4, 5, 32), (0, 1)):
        empty = encode_message(Header(cookies[:8], cookies[8:], exchange, 0, 7), [])
        body = b"" if not flags else bytes(range(32))
        message = bytearray(empty + body)
        message[19] = flags
        message[16] = 8 if flags else 0
        message[24:28] = len(message).to_bytes(4, "big")
        some.append(bytes(message))
    weird = SecurityAssociation((Proposal(1, 1, b"", (Transform(1, 1, ()),)),))
    useless: list[list[Payload]] = [
        [SecurityAssociation(())],
        [weird],
        [weird, KeyExchange(b"\x01"), Nonce(b"")],
        [KeyExchange(b""), Nonce(b"")],
        [KeyExchange(bytes(64)), Nonce(bytes(32))],
        [Notify(14, 1), Delete(1, (bytes(16),)), HashPayload(b"")],
    ]
    some += [
        encode_message(Header(cookies[:8], cookies[8:], exchange, 0, 0), payloads)
        for payloads, exchange in product(useless, (2, 4, 5))
    ]
    version_2 = bytearray(encode_message(Header(cookies[:8], cookies[8:], 34, 0x20, 0), []))
    version_2[17] = 0x20
    some.append(bytes(version_2))
    return some


def with_cookies(message: bytes, initiator_cookie: bytes, responder_cookie: bytes) -> bytes:
    return initiator_cookie + responder_cookie + message[16:]


def kind_of(message: Message, *, for_responder: bool) -> Input | None:
    if message.header.major != 1:
        return I.OTHER_VERSION
    if for_responder and message.header.exchange == ExchangeType.AGGRESSIVE:
        return I.AGGRESSIVE
    return classify(message)


def samples(kind: Input, *, from_client: bool) -> list[bytes]:
    real = [message for client, message in recorded() if client is from_client]
    version_2 = [message[:17] + b"\x20" + message[18:] for message in real]
    found = [
        message
        for message in (*real, *version_2, *hand_made())
        if kind_of(decode_message(message), for_responder=from_client) is kind
    ]
    assert found, kind
    return found


def test_the_tables_are_those_of_the_rfc() -> None:
    assert set(initiator.TABLE) == set(LEGAL)
    assert set(responder.TABLE) == set(RESPONDER_LEGAL)


@pytest.mark.parametrize("state", State)
def test_every_initiator_state_can_be_built(state: State) -> None:
    assert BUILD[state]().client.state is state


@pytest.mark.parametrize("state", ResponderState)
def test_every_responder_state_can_be_built(state: ResponderState) -> None:
    assert BUILD_RESPONDER[state]().gateway.state is state


@pytest.mark.parametrize("channel", [Channel.IKE, Channel.NAT_T])
@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("state", State)
def test_initiator_hears(state: State, kind: Input, channel: Channel) -> None:
    for sample in samples(kind, from_client=False):
        pair = BUILD[state]()
        client = pair.client
        pair.client_trace.clear()
        before = len(client._outgoing)
        peer = client._phase1.peer_cookie
        message = with_cookies(sample, client.cookie, peer if any(peer) else b"gateway!")
        data = bytes(4) + message if channel is Channel.NAT_T else message
        client.receive(Datagram(channel, data), pair.now)
        if (state, kind) in LEGAL:
            assert client.state in {state} | LEGAL[state, kind]
        else:
            assert triggers(pair.client_trace) == ["unexpected"]
            assert client.state is state
            assert client.next_event() is None
            assert len(client._outgoing) == before
        pair.settle(pair.now + 60)


@pytest.mark.parametrize("kind", [I.START, I.GIVE_UP, I.CLOSE])
@pytest.mark.parametrize("state", State)
def test_initiator_is_told(state: State, kind: Input) -> None:
    pair = BUILD[state]()
    client = pair.client
    if kind is I.START and state is not S.IDLE:
        with pytest.raises(ValueError, match="once"):
            client.start(pair.now)
        assert client.state is state
        return
    if kind is I.START:
        client.start(pair.now)
    elif kind is I.CLOSE:
        client.close(pair.now)
    else:
        client._apply(I.GIVE_UP, None, pair.now)
    assert client.state in LEGAL.get((state, kind), {state})
    pair.settle(pair.now + 60)


@pytest.mark.parametrize("channel", [Channel.IKE, Channel.NAT_T])
@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("state", ResponderState)
def test_responder_hears(state: ResponderState, kind: Input, channel: Channel) -> None:
    for sample in samples(kind, from_client=True):
        pair = BUILD_RESPONDER[state]()
        gateway = pair.gateway
        pair.gateway_trace.clear()
        before = len(gateway._outgoing)
        own = bytes(8) if kind in (I.MAIN_SA, I.AGGRESSIVE) else gateway._own_cookie
        message = with_cookies(sample, gateway.cookie if any(gateway.cookie) else b"somebody", own)
        data = bytes(4) + message if channel is Channel.NAT_T else message
        gateway.receive(Datagram(channel, data), pair.now)
        if (state, kind) in RESPONDER_LEGAL:
            assert gateway.state in {state} | RESPONDER_LEGAL[state, kind]
        else:
            expected = "other-version" if kind is I.OTHER_VERSION else "unexpected"
            assert triggers(pair.gateway_trace) == [expected]
            assert gateway.state is state
            assert gateway.next_event() is None
            assert len(gateway._outgoing) == before
        pair.settle(pair.now + 60)


@pytest.mark.parametrize("state", ResponderState)
def test_responder_is_told(state: ResponderState) -> None:
    pair = BUILD_RESPONDER[state]()
    pair.gateway.start(pair.now)
    pair.gateway.handle_timer(pair.now + 1000)
    assert pair.gateway.state is state
    pair.gateway.close(pair.now)
    assert pair.gateway.state is R.CLOSED
    assert pair.gateway.get_timer() is None


# The genuine next message leads on, not only to some legal state.
ONWARD = [
    (S.MAIN_1_SENT, 0.025, S.MAIN_3_SENT),
    (S.MAIN_3_SENT, 0.025, S.MAIN_5_SENT),
    (S.MAIN_5_SENT, 0.025, S.QUICK_1_SENT),
    (S.AGGRESSIVE_1_SENT, 0.025, S.QUICK_1_SENT),
    (S.QUICK_1_SENT, 0.025, S.READY),
]


@pytest.mark.parametrize(("state", "seconds", "following"), ONWARD)
def test_the_genuine_answer_leads_on(state: State, seconds: float, following: State) -> None:
    pair = BUILD[state]()
    pair.settle(pair.now + seconds)
    assert pair.client.state is following


@pytest.mark.parametrize("exchange", [1, 3, 6, 33, 34, 200])
@pytest.mark.parametrize("state", [S.MAIN_1_SENT, S.MAIN_5_SENT, S.READY])
def test_exchanges_we_do_not_speak(state: State, exchange: int) -> None:
    pair = BUILD[state]()
    message = encode_message(Header(pair.client.cookie, pair.client._phase1.peer_cookie, exchange, 0, 1), [])
    pair.client_trace.clear()
    pair.gateway_trace.clear()
    pair.client.receive(Datagram(Channel.IKE, message), pair.now)
    pair.gateway.receive(Datagram(Channel.IKE, message), pair.now)
    assert triggers(pair.client_trace) == triggers(pair.gateway_trace) == ["unknown-exchange"]
    assert pair.client.state is state


def test_mistakes_of_ours_are_no_peers_fault() -> None:
    """What only a wrong table could cause raises instead of going on with nothing."""
    with pytest.raises(ValueError, match="message"):
        needed(None)
    pair = Pair()
    with pytest.raises(ValueError, match="selected"):
        _ = pair.client._phase1.transform
    with pytest.raises(ValueError, match="keys"):
        pair.client._keys()
    with pytest.raises(ValueError, match="started"):
        pair.client._phase1.finish_key_exchange(decode_message(recorded()[1][1]))
    with pytest.raises(ValueError, match="chosen"):
        pair.gateway._chosen()
