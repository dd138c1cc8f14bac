"""Two tunnels joined under a fake clock: set-up, data, faults, authentication, closing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.l2tp import (
    AuthenticationProblem,
    CdnReceived,
    Closed,
    ControlAcknowledgedOnly,
    ControlSilent,
    L2tpTunnel,
    LnsFaults,
    PppFrame,
    Refusal,
    SessionEstablished,
    StopCcnReceived,
    TunnelAuthenticationFailed,
    TunnelConfig,
    TunnelEstablished,
)
from l2tp_doctor.protocol.l2tp.avp import AvpType
from l2tp_doctor.protocol.l2tp.message import (
    CONTROL_HEADER_LENGTH,
    ControlFrame,
    DataMessage,
    MessageType,
    decode_control,
    decode_message,
    encode_data,
)
from l2tp_doctor.protocol.l2tp.session import SessionState
from l2tp_doctor.protocol.l2tp.tunnel import TunnelState
from tests.protocol.l2tp.support import (
    Path,
    established,
    event_of,
    joined,
    lac_config,
    lns_config,
    seeded,
)

LCP = b"\xff\x03\xc0\x21\x01\x01\x00\x04"


def names(datagrams: list[bytes]) -> list[str]:
    result = []
    for datagram in datagrams:
        message = decode_message(datagram)
        if isinstance(message, DataMessage):
            result.append("data")
        elif message.is_zlb:
            result.append("ZLB")
        else:
            result.append(decode_control(message).name)
    return result


def test_two_round_trips_to_an_established_session() -> None:
    path, lac_trace, _ = joined()
    path.start()
    path.run(2.0)
    assert names(path.sent["lac"]) == ["SCCRQ", "SCCCN", "ICRQ", "ICCN"]
    assert names(path.sent["lns"]) == ["SCCRP", "ICRP", "ZLB"]
    tunnel, session = path.events["lac"]
    assert tunnel == TunnelEstablished(
        "practice", "l2tp-doctor", 0x0A00, path.lac.local_tunnel_id, path.lns.local_tunnel_id, 8
    )
    assert isinstance(session, SessionEstablished)
    # one way is 25 ms: SCCRP after 50 ms, ICRP after 100 ms
    assert path.event_times["lac"] == [pytest.approx(0.05), pytest.approx(0.1)]
    lns_session = event_of(path, "lns", SessionEstablished)
    assert isinstance(lns_session, SessionEstablished)
    assert lns_session.tx_connect_speed == 100_000_000
    assert (lns_session.peer_session_id, lns_session.local_session_id) == (
        session.local_session_id,
        session.peer_session_id,
    )
    own, peer = path.lac.local_tunnel_id, path.lns.local_tunnel_id
    assert [event.summary for event in lac_trace][:4] == [
        f"SCCRQ tunnel {own}→?",
        f"SCCRP tunnel {own}→{peer}",
        f"SCCCN tunnel {own}→{peer}",
        f"ICRQ tunnel {own}→{peer} session {session.local_session_id}→?",
    ]
    assert lac_trace[0].size == 108
    assert path.lac.smoothed_rtt == pytest.approx(0.05, abs=0.01)
    assert path.lac.peer_tunnel_id == peer


def test_ppp_follows_iccn_in_the_same_flight() -> None:
    path, _, _ = joined()
    path.start()
    dialled = False

    def dial_at_once() -> None:
        nonlocal dialled
        if not dialled and path.lac.session_state is SessionState.ESTABLISHED:
            dialled = path.lac.send_ppp(LCP)

    path.on_event = dial_at_once
    path.run(1.0)
    assert names(path.sent["lac"])[-2:] == ["ICCN", "data"]
    assert event_of(path, "lns", PppFrame) == PppFrame(LCP)


def test_ppp_both_ways_and_not_traced() -> None:
    path, lac_trace, _ = joined()
    path.start()
    path.run(1.0)
    before = len(lac_trace)
    assert path.lac.send_ppp(LCP)
    assert path.lns.send_ppp(b"answer")
    path.drain()
    path.run(2.0)
    assert PppFrame(LCP) in path.events["lns"]
    assert PppFrame(b"answer") in path.events["lac"]
    assert len(lac_trace) == before


def test_send_ppp_without_a_call() -> None:
    tunnel = L2tpTunnel(lac_config(), seeded("x"))
    assert not tunnel.send_ppp(LCP)
    tunnel.start(0.0)
    with pytest.raises(ValueError):
        tunnel.start(0.0)
    assert not tunnel.send_ppp(LCP)


@pytest.mark.parametrize("end", ["lac", "lns"])
def test_close_is_one_flight_and_clean(end: str) -> None:
    path = established()
    already = len(path.sent[end])
    path.end(end).close(path.now)
    path.drain()
    assert names(path.sent[end][already:]) == ["CDN", "StopCCN"]
    began = path.now
    path.run(3.0)
    assert path.events[end][-1] == Closed(True)
    assert path.event_times[end][-1] - began == pytest.approx(0.05)
    other = "lns" if end == "lac" else "lac"
    assert [type(event) for event in path.events[other][-3:]] == [CdnReceived, StopCcnReceived, Closed]
    assert event_of(path, other, StopCcnReceived) == StopCcnReceived(1, None, "", "established")
    assert path.lac.get_timer() is None
    assert path.lns.get_timer() is None


def test_close_does_not_wait_for_a_dead_peer() -> None:
    path = established()
    path.script = lambda _sender, _number: []
    path.lac.close(path.now)
    path.drain()
    path.run(10.0)
    assert path.events["lac"][-1] == Closed(False)
    assert path.event_times["lac"][-1] == pytest.approx(2.0)  # closed at 1.0, close_wait 1.0
    assert path.lac.get_timer() is None


def test_both_ends_close_at_once() -> None:
    path = established()
    path.lac.close(path.now)
    path.lns.close(path.now)
    path.drain()
    path.run(5.0)
    assert path.events["lac"][-1] == Closed(True)
    assert path.events["lns"][-1] == Closed(True)


def test_close_before_the_reply_names_the_tunnel() -> None:
    tunnel = L2tpTunnel(lac_config(), seeded("lac"))
    tunnel.start(0.0)
    tunnel.datagrams_to_send(0.0)
    tunnel.close(0.1)
    (datagram,) = tunnel.datagrams_to_send(0.1)
    frame = decode_message(datagram)
    assert isinstance(frame, ControlFrame)
    message = decode_control(frame)
    assert (frame.tunnel_id, message.type) == (0, MessageType.STOPCCN)
    assert message.integer(AvpType.ASSIGNED_TUNNEL_ID) == tunnel.local_tunnel_id


def test_close_before_start_and_twice() -> None:
    tunnel = L2tpTunnel(lac_config(), seeded("lac"))
    tunnel.close(0.0)
    tunnel.close(0.0)
    assert tunnel.next_event() == Closed(True)
    assert tunnel.next_event() is None
    assert tunnel.datagrams_to_send(0.0) == []


def test_silent_gateway() -> None:
    path, _, _ = joined(lns=lns_config(LnsFaults(silent=True)))
    path.start()
    path.run(60.0)
    silent, closed = path.events["lac"]
    assert silent == ControlSilent("SCCRQ", len(path.sent["lac"]))
    assert closed == Closed(False)
    assert path.event_times["lac"][0] == pytest.approx(6.0)
    assert path.sent["lns"] == []


def test_acknowledged_only() -> None:
    path, _, _ = joined(lns=lns_config(LnsFaults(acknowledge_only=True)))
    path.start()
    path.run(60.0)
    assert path.events["lac"][0] == ControlAcknowledgedOnly("SCCRQ")
    # Six seconds from when the ZLB came: a round trip, and the 20 ms that a ZLB waits for company.
    assert path.event_times["lac"][0] == pytest.approx(0.05 + 0.02 + 6.0)
    assert names(path.sent["lns"])[0] == "ZLB"
    assert isinstance(path.events["lac"][-1], Closed)


def test_a_request_that_arrives_late_leaves_the_peer_its_time() -> None:
    """SCCRQ is acknowledged late, and of a peer with xl2tpd's timers three SCCRPs were lost."""
    xl2tpd = RetransmissionPolicy(initial=1.0, minimum=1.0, backoff=2.0, maximum=8.0, give_up=31.0)
    path, _, _ = joined(lns=replace(lns_config(), retransmission=xl2tpd))

    def script(sender: str, number: int) -> list[float]:
        if sender == "lac":
            return [0.025] if path.now > 1.0 else []
        zlb = len(path.sent[sender][number]) == CONTROL_HEADER_LENGTH
        return [0.025] if zlb or path.now > 8.0 else []

    path.script = script
    path.start()
    path.run(30.0)
    assert isinstance(path.events["lac"][0], TunnelEstablished)
    assert path.event_times["lac"][0] == pytest.approx(0.5 + 0.8 + 0.025 + 1.0 + 2.0 + 4.0 + 0.025)


def test_call_acknowledged_only() -> None:
    path, _, _ = joined(lns=lns_config(LnsFaults(acknowledge_call_only=True)))
    path.start()
    path.run(60.0)
    assert isinstance(path.events["lac"][0], TunnelEstablished)
    assert path.events["lac"][1:] == [ControlAcknowledgedOnly("ICRQ"), Closed(True)]


def test_refused_tunnel() -> None:
    faults = LnsFaults(refuse_tunnel=Refusal(2, 4, "no cc config"))
    path, _, _ = joined(lns=lns_config(faults))
    path.start()
    path.run(10.0)
    assert path.events["lac"] == [StopCcnReceived(2, 4, "no cc config", "wait-ctl-reply"), Closed(True)]
    assert path.event_times["lac"][0] == pytest.approx(0.05)
    assert path.events["lns"][-1] == Closed(True)  # the client acknowledged


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (LnsFaults(refuse_call=Refusal(3, 0, "maintenance")), (3, 0, "maintenance")),
        (LnsFaults(session_limit=0), (2, 4, "")),
    ],
)
def test_refused_call(faults: LnsFaults, expected: tuple[int, int, str]) -> None:
    path, _, _ = joined(lns=lns_config(faults))
    path.start()
    path.run(10.0)
    refused = event_of(path, "lac", CdnReceived)
    assert refused == CdnReceived(*expected, "", "wait-reply")
    assert path.lac.session_state is SessionState.CLOSED
    assert path.lac.state is TunnelState.ESTABLISHED
    path.lac.close(path.now)
    path.drain()
    path.run(20.0)
    assert path.events["lac"][-1] == Closed(True)


def test_tunnel_authentication_with_the_same_secret() -> None:
    path, lac_trace, lns_trace = joined(lac_config(b"hunter2"), lns_config(secret=b"hunter2"))
    path.start()
    path.run(2.0)
    assert path.lac.session_state is SessionState.ESTABLISHED
    assert path.lns.session_state is SessionState.ESTABLISHED
    shown = repr(lac_trace) + repr(lns_trace)
    assert "hunter2" not in shown
    responses = [
        decode_control(frame).octets(AvpType.CHALLENGE_RESPONSE)
        for datagram in path.sent["lac"] + path.sent["lns"]
        if isinstance(frame := decode_message(datagram), ControlFrame) and not frame.is_zlb
    ]
    for response in filter(None, responses):
        assert response.hex() not in shown


@pytest.mark.parametrize(
    ("lac", "lns", "who", "problem"),
    [
        (b"a", b"b", "lac", AuthenticationProblem.RESPONSE_WRONG),
        (b"a", None, "lns", AuthenticationProblem.SECRET_REQUIRED),
        (None, b"b", "lac", AuthenticationProblem.SECRET_REQUIRED),
    ],
)
def test_tunnel_authentication_failures(
    lac: bytes | None, lns: bytes | None, who: str, problem: AuthenticationProblem
) -> None:
    path, _, _ = joined(lac_config(lac), lns_config(secret=lns))
    path.start()
    path.run(10.0)
    assert event_of(path, who, TunnelAuthenticationFailed) == TunnelAuthenticationFailed(problem)
    other = "lns" if who == "lac" else "lac"
    stop = event_of(path, other, StopCcnReceived)
    assert isinstance(stop, StopCcnReceived)
    assert stop.result_code == 4
    assert event_of(path, "lac", SessionEstablished) is None
    assert isinstance(path.events["lac"][-1], Closed)


def test_hello_is_acknowledged_and_a_dead_peer_is_found() -> None:
    path = established()
    path.lac.hello(path.now)
    path.drain()
    path.run(2.0)
    assert names(path.sent["lac"])[-1] == "Hello"
    assert names(path.sent["lns"])[-1] == "ZLB"
    path.script = lambda _sender, _number: []
    path.lac.hello(path.now)
    path.lac.hello(path.now)  # one is enough
    path.drain()
    path.run(30.0)
    assert [type(event) for event in path.events["lac"][-2:]] == [ControlSilent, Closed]
    silent = path.events["lac"][-2]
    assert isinstance(silent, ControlSilent)
    assert silent.message == "Hello"


def test_a_call_whose_data_comes_is_not_given_up_for_a_lost_acknowledgement() -> None:
    """ICCN is only acknowledged; at 30 % loss all those acknowledgements vanished while LCP came through."""
    path, _, _ = joined()
    path.script = lambda sender, number: (
        [] if sender == "lns" and len(path.sent[sender][number]) == CONTROL_HEADER_LENGTH else [0.025]
    )
    path.start()
    for second in range(1, 13):
        path.run(float(second))
        assert path.lns.send_ppp(b"\xff\x03\xc0\x21\x09\x01\x00\x08" + bytes(4))
        path.drain()
    assert event_of(path, "lac", SessionEstablished) is not None
    assert event_of(path, "lac", ControlSilent) is None
    path.run(30.0)  # now the data stops as well
    silent = event_of(path, "lac", ControlSilent)
    assert isinstance(silent, ControlSilent)
    assert silent.message == "ICCN"
    assert path.event_times["lac"][-1] == pytest.approx(12.025 + 6.0)


def test_hello_interval() -> None:
    config = TunnelConfig(lac_config().role, "pc", hello_interval=10.0)
    path, _, _ = joined(lac=config)
    path.start()
    path.run(25.0)
    assert names(path.sent["lac"]).count("Hello") == 2


def test_data_sequencing_is_taken_over_from_the_lns() -> None:
    path = established()
    session = event_of(path, "lac", SessionEstablished)
    assert isinstance(session, SessionEstablished)

    def data(ns: int) -> bytes:
        return encode_data(DataMessage(path.lac.local_tunnel_id, session.local_session_id, b"f%d" % ns, ns))

    for ns in (0, 1, 1, 0, 3, 2):
        path.lac.receive(data(ns), path.now)
    path.drain()
    frames = [event.frame for event in path.events["lac"] if isinstance(event, PppFrame)]
    assert frames == [b"f0", b"f1", b"f3"]
    for _ in range(2):
        path.lac.send_ppp(LCP)
    path.drain()
    sent = [decode_message(datagram) for datagram in path.sent["lac"][-2:]]
    assert [message.ns for message in sent] == [0, 1]


def loses(*numbers: tuple[str, int]) -> Path:
    path, _, _ = joined(script=lambda sender, number: [] if (sender, number) in numbers else [0.025])
    path.start()
    path.run(8.0)
    return path


@pytest.mark.parametrize("sender", ["lac", "lns"])
@pytest.mark.parametrize("number", range(5))
def test_any_single_loss_is_survived(sender: str, number: int) -> None:
    path = loses((sender, number))
    assert path.lac.session_state is SessionState.ESTABLISHED
    assert path.lns.session_state is SessionState.ESTABLISHED
    assert path.event_times["lac"][1] < 1.0


def test_loss_of_scccn_and_icrq_together() -> None:
    path = loses(("lac", 1), ("lac", 2))
    assert path.lac.session_state is SessionState.ESTABLISHED
    # repeated together after the measured round trip's 150 ms, not after the initial 500 ms
    assert path.event_times["lac"][1] == pytest.approx(0.05 + 0.15 + 0.05, abs=0.02)


def test_every_datagram_doubled_and_the_second_overtaken() -> None:
    path, _, _ = joined(script=lambda _sender, number: [0.025 + 0.02 * (number % 2), 0.06])
    path.start()
    path.run(8.0)
    for end in ("lac", "lns"):
        kinds = [type(event) for event in path.events[end]]
        assert kinds == [TunnelEstablished, SessionEstablished]


@pytest.mark.parametrize("seed", range(30))
def test_set_up_and_close_over_a_path_that_loses_a_fifth(seed: int) -> None:
    source = seeded(f"loss {seed}")

    def script(_sender: str, _number: int) -> list[float]:
        lost, doubled, delay = source(3)
        if lost < 51:
            return []
        return [0.02 + delay / 8000] * (2 if doubled < 25 else 1)

    path, _, _ = joined(script=script)
    path.start()
    path.run(10.0)
    assert path.lac.session_state is SessionState.ESTABLISHED
    assert path.lns.session_state is SessionState.ESTABLISHED
    path.lac.close(path.now)
    path.drain()
    path.run(30.0)
    assert isinstance(path.events["lac"][-1], Closed)
    assert sum(isinstance(event, Closed) for event in path.events["lac"]) == 1
