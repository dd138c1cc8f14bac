"""Whatever a peer sends, in whatever phase: a link never raises and always comes to rest."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol
from l2tp_doctor.protocol.ppp.config import LinkConfig, gateway_config
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.link import PppLink
from tests.protocol.ppp.helpers import METHODS, Pair, client_config, gateway

PROTOCOLS = [protocol.value for protocol in PppProtocol]


def frames() -> st.SearchStrategy[bytes]:
    head = st.sampled_from(PROTOCOLS).map(lambda number: b"\xff\x03" + number.to_bytes(2, "big"))
    packet = st.builds(
        lambda code, identifier, data: bytes([code, identifier]) + (len(data) + 4).to_bytes(2, "big") + data,
        st.integers(0, 15),
        st.integers(0, 3),
        st.binary(max_size=40),
    )
    return st.one_of(st.binary(max_size=60), st.builds(bytes.__add__, head, st.binary(max_size=40) | packet))


def linked(method: AuthProtocol, until: float, as_client: bool) -> tuple[PppLink, float]:
    pair = Pair(server=gateway_config(gateway(), (method,), ipv6=True))
    pair.start()
    pair.run(until)
    return (pair.client if as_client else pair.server), max(pair.now, until)


def drain(link: PppLink, now: float) -> None:
    link.datagrams_to_send(now)
    while link.next_event() is not None:
        pass


# 0.01: nothing arrived yet; 0.06: LCP under way; 0.11: authentication; 0.2: NCPs; 1: open.
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.sampled_from([0.01, 0.06, 0.11, 0.14, 0.17, 0.2, 1.0]),
    st.booleans(),
    st.lists(frames(), max_size=25),
)
def test_any_frames_in_any_phase(
    method: AuthProtocol, until: float, as_client: bool, script: list[bytes]
) -> None:
    link, now = linked(method, until, as_client)
    for frame in script:
        now += 0.01
        link.receive(frame, now)
        link.datagrams_to_send(now)
    for _step in range(200):
        timer = link.get_timer()
        if timer is None:
            return
        now = max(now, timer)
        link.handle_timer(now)
        drain(link, now)
    raise AssertionError("the timers never end")


@pytest.mark.parametrize("seed", range(30))
def test_damaged_conversations(seed: int) -> None:
    source = random.Random(seed)

    def damage(frame: bytes) -> bytes:
        if source.random() < 0.7:
            return frame
        changed = bytearray(frame)
        for _flip in range(source.randint(1, 4)):
            changed[source.randrange(len(changed))] = source.randrange(256)
        return bytes(changed[: source.randint(1, len(changed))] if source.random() < 0.3 else changed)

    server = gateway_config(gateway(), (METHODS[seed % 4],), ipv6=True)
    client, gate = PppLink(client_config(), source.randbytes), PppLink(server, source.randbytes)
    client.start(0.0)
    gate.start(0.0)
    now = 0.0
    for _step in range(400):
        now += 0.05
        for sender, receiver in ((client, gate), (gate, client)):
            for frame in sender.datagrams_to_send(now):
                receiver.receive(damage(frame), now)
            timer = sender.get_timer()
            if timer is not None and timer <= now:
                sender.handle_timer(now)


def test_misuse_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="MS-CHAPv1"):
        client_config(auth=(AuthProtocol.MSCHAPV1,))
    with pytest.raises(ValueError, match="GatewayConfig"):
        LinkConfig(role=gateway_config(gateway()).role)
