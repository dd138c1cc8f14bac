"""Lost answers that their sender does not repeat, or only slowly: as SoftEther's PPP behaves."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Direction, RetransmissionPolicy
from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol
from l2tp_doctor.protocol.ppp.config import gateway_config
from l2tp_doctor.protocol.ppp.frame import PppProtocol, decode_frame
from l2tp_doctor.protocol.ppp.link import PppLink
from tests.protocol.ppp.helpers import Pair, Path, client_config, forced, gateway

LCP, CHAP = int(PppProtocol.LCP), int(PppProtocol.CHAP)
ACK, NAK = 2, 3
RESPONSE, SUCCESS, FAILURE = 2, 3, 4


def losing(sender: str, protocol: int, code: int, times: int) -> Path:
    """Loses the first frames of a kind."""
    left = [times]

    def path(data: bytes, origin: str, _now: float) -> list[float]:
        frame = decode_frame(data)
        if (origin, frame.protocol, frame.payload[0]) == (sender, protocol, code) and left[0] > 0:
            left[0] -= 1
            return []
        return [0.025]

    return path


def sent_at(pair: Pair, layer: str, summary: str) -> list[float]:
    return [
        e.at
        for e in pair.client_trace
        if e.direction is Direction.OUT and e.layer == layer and e.summary == summary
    ]


def test_a_success_that_is_lost_for_good_shows_in_the_network_phase() -> None:
    """RFC 1994 §4.2 wants the Success repeated; SoftEther says it once and goes on."""
    pair = Pair(path=losing("server", CHAP, SUCCESS, 99)).dial()
    success = pair.first(events.AuthSucceeded)
    assert success.server_authentic is None, "nothing was proved"
    assert pair.has(events.IpcpOpened)
    assert pair.client.lossy
    # The Response three times, one and then 1.3 seconds apart, and the answer to the question in between.
    assert pair.times[events.AuthSucceeded] < 3.0


def test_without_loss_nobody_is_sounded_out() -> None:
    pair = Pair().dial()
    assert not sent_at(pair, "ipcp", "Configure-Request to see whether a Success was lost")
    assert not pair.client.lossy


def test_a_lost_refusal_is_never_a_success() -> None:
    server = gateway_config(gateway(forced_failure=forced(691)))
    pair = Pair(server=server, path=losing("server", CHAP, FAILURE, 99)).dial()
    assert not pair.has(events.AuthSucceeded)
    assert not pair.has(events.IpcpOpened)


def test_a_response_that_never_arrives_is_no_success() -> None:
    pair = Pair(path=losing("client", CHAP, RESPONSE, 99)).dial()
    assert not pair.has(events.AuthSucceeded)
    assert not pair.has(events.IpcpOpened)


def test_a_challenge_ahead_of_the_last_lcp_packet_is_kept() -> None:
    """The peer's Ack is lost and its Challenge comes: the Response leaves the moment LCP opens."""
    slow = RetransmissionPolicy(initial=30.0, minimum=30.0, maximum=30.0, give_up=60.0)
    server = replace(gateway_config(gateway(), (AuthProtocol.MSCHAPV2,)), retransmission=slow)
    pair = Pair(client_config(lcp=server.lcp), server, losing("server", LCP, ACK, 1)).dial()
    opened = pair.times[events.LcpOpened]
    assert sent_at(pair, "auth", "MS-CHAPv2 Response")[0] == opened
    assert pair.has(events.IpcpOpened)
    assert pair.now < 10.0


def test_an_objection_that_is_lost_is_raised_again() -> None:
    """A gateway that repeats its Configure-Request only every 30 seconds learns of our Nak from our timer."""
    slow = RetransmissionPolicy(initial=30.0, minimum=30.0, maximum=30.0, give_up=60.0)
    server = replace(
        gateway_config(gateway(), (AuthProtocol.EAP, AuthProtocol.MSCHAPV2)), retransmission=slow
    )
    client = client_config(auth=(AuthProtocol.MSCHAPV2,), lcp=server.lcp)
    pair = Pair(client, server, losing("client", LCP, NAK, 1)).dial()
    first, second, *_ = sent_at(pair, "lcp", "Configure-Nak")
    assert second - first < 1.1
    assert pair.has(events.IpcpOpened)
    assert pair.first(events.AuthSucceeded).protocol == "MS-CHAPv2"


def frame_of(protocol: int, code: int, identifier: int, data: bytes) -> bytes:
    length = (4 + len(data)).to_bytes(2, "big")
    return b"\xff\x03" + protocol.to_bytes(2, "big") + bytes([code, identifier]) + length + data


# RFC 1661 §6.2 and RFC 2759 §3: Authentication-Protocol is CHAP with algorithm 0x81.
MS_CHAP_V2 = bytes.fromhex("0305c22381")


def responses(link: PppLink, now: float) -> list[bytes]:
    frames = [decode_frame(data) for data in link.datagrams_to_send(now)]
    return [frame.payload for frame in frames if (frame.protocol, frame.payload[0]) == (CHAP, RESPONSE)]


@pytest.mark.parametrize("anew", [False, True])
def test_a_challenge_from_before_a_new_negotiation_is_void(anew: bool) -> None:
    """pppd numbers its challenges anew after each LCP: the answer to an old one would be a wrong password."""
    link = PppLink(client_config(), random.Random(1).randbytes)
    link.start(0.0)
    asked = [decode_frame(data).payload for data in link.datagrams_to_send(0.0)]
    link.receive(frame_of(LCP, 1, 1, MS_CHAP_V2), 0.1)
    link.receive(frame_of(CHAP, 1, 3, b"\x10" + bytes(16) + b"gateway"), 0.2)  # our LCP is not open yet
    if anew:
        link.receive(frame_of(LCP, 1, 2, MS_CHAP_V2), 0.3)
    newest = [decode_frame(data).payload for data in link.datagrams_to_send(0.3)]
    request = [payload for payload in (*asked, *newest) if payload[0] == 1][-1]
    link.receive(frame_of(LCP, ACK, request[1], request[4:]), 0.4)
    assert len(responses(link, 0.4)) == (0 if anew else 1)
    link.receive(frame_of(CHAP, 1, 4, b"\x10" + bytes(range(16)) + b"gateway"), 0.5)
    assert responses(link, 0.5)
