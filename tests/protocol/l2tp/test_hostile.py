"""What a peer must not be able to do: unknown, malformed, foreign and hostile datagrams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.l2tp import (
    Closed,
    L2tpTunnel,
    ProtocolViolation,
    Refusal,
    SessionEstablished,
    StopCcnReceived,
    TunnelAuthenticationFailed,
    builder,
)
from l2tp_doctor.protocol.l2tp.avp import Avp, AvpType, ResultCode, make_avp
from l2tp_doctor.protocol.l2tp.events import AuthenticationProblem
from l2tp_doctor.protocol.l2tp.message import (
    ControlFrame,
    ControlMessage,
    DataMessage,
    MessageType,
    control_body,
    decode_control,
    decode_message,
    encode_control,
    encode_data,
)
from l2tp_doctor.protocol.l2tp.session import SessionState
from l2tp_doctor.protocol.l2tp.tunnel import TunnelState
from tests.protocol.l2tp.support import Path, established, event_of, joined, lac_config, lns_config, seeded


class Client:
    """A LAC under test and a hand-made gateway that answers it."""

    def __init__(self, secret: bytes | None = None) -> None:
        self.trace: list[TraceEvent] = []
        self.tunnel = L2tpTunnel(lac_config(secret), seeded("lac"), self.trace.append)
        self.tunnel.start(0.0)
        self.tunnel.datagrams_to_send(0.0)
        self.ns = 0
        self.nr = 1
        self.now = 0.1

    def give(self, kind: MessageType, avps: list[Avp], session: int = 0, tunnel: int | None = None) -> None:
        own = self.tunnel.local_tunnel_id if tunnel is None else tunnel
        self.tunnel.receive(
            encode_control(own, session, self.ns, self.nr, control_body(kind, avps)), self.now
        )
        self.ns += 1

    def sccrp(self, *more: Avp, version: int = 0x0100, assigned: int = 7) -> None:
        avps = [
            make_avp(AvpType.PROTOCOL_VERSION, version),
            make_avp(AvpType.HOST_NAME, b"lns"),
            make_avp(AvpType.ASSIGNED_TUNNEL_ID, assigned),
            *more,
        ]
        self.give(MessageType.SCCRP, avps)

    def answer(self) -> list[ControlMessage]:
        frames = [decode_message(datagram) for datagram in self.tunnel.datagrams_to_send(self.now)]
        messages = []
        for frame in frames:
            if isinstance(frame, ControlFrame) and not frame.is_zlb:
                self.nr = frame.ns + 1
                messages.append(decode_control(frame))
        return messages

    def session(self) -> int:
        """Returns the client's session ID out of its ICRQ."""
        self.sccrp()
        return next(filter(None, (m.integer(AvpType.ASSIGNED_SESSION_ID) for m in self.answer())))


def result_of(message: ControlMessage) -> ResultCode:
    value = message.value(AvpType.RESULT_CODE)
    assert isinstance(value, ResultCode)
    return value


UNKNOWN_MANDATORY = Avp(999, None, b"x", mandatory=True)
UNKNOWN_OPTIONAL = Avp(999, None, b"x", mandatory=False)


def test_unknown_optional_avp_is_tolerated_and_shown() -> None:
    client = Client()
    client.sccrp(UNKNOWN_OPTIONAL)
    assert [message.name for message in client.answer()] == ["SCCCN", "ICRQ"]
    assert any(event.fields.get("AVP 0/999") == "78 [unknown]" for event in client.trace)


def test_unknown_mandatory_avp_ends_the_tunnel() -> None:
    client = Client()
    client.sccrp(UNKNOWN_MANDATORY)
    (stop,) = client.answer()
    assert (stop.name, stop.tunnel_id) == ("StopCCN", 7)
    assert result_of(stop) == ResultCode(2, 8, "AVP 0/999")
    assert client.tunnel.next_event() == ProtocolViolation("SCCRP", "AVP 0/999: unknown")


def test_unknown_mandatory_avp_in_a_session_message_ends_the_session_only() -> None:
    client = Client()
    session = client.session()
    client.give(MessageType.ICRP, [make_avp(AvpType.ASSIGNED_SESSION_ID, 5), UNKNOWN_MANDATORY], session)
    (cdn,) = client.answer()
    assert (cdn.name, cdn.session_id, result_of(cdn).error) == ("CDN", 5, 8)
    assert client.tunnel.state is TunnelState.ESTABLISHED
    assert client.tunnel.session_state is SessionState.CLOSED


def test_unknown_mandatory_avp_in_icrq_refuses_that_call() -> None:
    lns = L2tpTunnel(lns_config(), seeded("lns"))
    own = lns.local_tunnel_id
    lns.receive(encode_control(0, 0, 0, 0, builder.sccrq(lac_config(), 7, None)), 0.0)
    lns.datagrams_to_send(0.0)
    lns.receive(encode_control(own, 0, 1, 1, builder.scccn(lac_config(), None)), 0.1)
    body = control_body(MessageType.ICRQ, [make_avp(AvpType.ASSIGNED_SESSION_ID, 9), UNKNOWN_MANDATORY])
    lns.receive(encode_control(own, 0, 2, 1, body), 0.1)
    (datagram,) = lns.datagrams_to_send(0.1)
    frame = decode_message(datagram)
    assert isinstance(frame, ControlFrame)
    assert (frame.tunnel_id, frame.session_id) == (7, 9)
    assert result_of(decode_control(frame)) == ResultCode(2, 8, "AVP 0/999")
    assert lns.state is TunnelState.ESTABLISHED
    lns.receive(encode_control(own, 0, 3, 2, builder.icrq(lac_config(), 10, 2, bytes(16))), 0.2)
    assert lns.session_state is SessionState.WAIT_CONNECT


@pytest.mark.parametrize(
    ("message_type_avp", "state"),
    [("0008 0000 0000 0063", TunnelState.ESTABLISHED), ("8008 0000 0000 0063", TunnelState.CLOSING)],
)
def test_unknown_message_type(message_type_avp: str, state: TunnelState) -> None:
    client = Client()
    client.session()
    tunnel = client.tunnel
    tunnel.receive(encode_control(tunnel.local_tunnel_id, 0, 1, 3, bytes.fromhex(message_type_avp)), 0.2)
    assert tunnel.state is state


def test_malformed_body_clears_the_tunnel_and_is_named() -> None:
    client = Client()
    client.sccrp()
    client.answer()
    tunnel = client.tunnel
    tunnel.receive(encode_control(tunnel.local_tunnel_id, 0, 1, 3, b"\x80\x03garbage"), 0.2)
    assert "malformed" in [event.trigger for event in client.trace]
    (stop,) = client.answer()
    assert stop.name == "StopCCN"


@pytest.mark.parametrize(("version", "assigned", "result"), [(0x0200, 7, (5, 0x0100)), (0x0100, 0, (2, 3))])
def test_unacceptable_sccrp(version: int, assigned: int, result: tuple[int, int]) -> None:
    client = Client()
    client.sccrp(version=version, assigned=assigned)
    (stop,) = client.answer()
    assert (result_of(stop).result, result_of(stop).error) == result


def test_missing_challenge_response() -> None:
    client = Client(secret=b"s")
    client.sccrp()
    assert client.tunnel.next_event() == TunnelAuthenticationFailed(AuthenticationProblem.RESPONSE_MISSING)
    (stop,) = client.answer()
    assert result_of(stop).result == 4


def test_scccn_instead_of_sccrp() -> None:
    client = Client()
    client.give(MessageType.SCCCN, [])
    assert client.tunnel.state is TunnelState.CLOSING


def test_stopccn_with_tunnel_id_0_is_understood_and_other_messages_are_not() -> None:
    client = Client()
    client.give(MessageType.SCCRP, [make_avp(AvpType.ASSIGNED_TUNNEL_ID, 7)], tunnel=0)
    assert client.trace[-1].trigger == "unknown-tunnel"
    client.ns = 0
    stop = [make_avp(AvpType.ASSIGNED_TUNNEL_ID, 7), make_avp(AvpType.RESULT_CODE, ResultCode(4))]
    client.give(MessageType.STOPCCN, stop, tunnel=0)
    assert client.tunnel.next_event() == StopCcnReceived(4, None, "", "wait-ctl-reply")
    assert client.tunnel.next_event() == Closed(True)
    (ack,) = client.tunnel.datagrams_to_send(client.now)
    assert decode_message(ack) == ControlFrame(7, 0, 1, 1)


def test_stopccn_without_a_result_code() -> None:
    client = Client()
    client.give(MessageType.STOPCCN, [])
    assert client.tunnel.next_event() == StopCcnReceived(None, None, "", "wait-ctl-reply")


def test_repeated_stopccn_is_acknowledged_after_the_end() -> None:
    client = Client()
    body = builder.stopccn(7, Refusal(1))
    for now in (0.1, 1.1):
        client.tunnel.receive(encode_control(client.tunnel.local_tunnel_id, 0, 0, 1, body), now)
        (ack,) = client.tunnel.datagrams_to_send(now)
        assert len(ack) == 12


def test_icrp_without_a_session_id() -> None:
    client = Client()
    client.give(MessageType.ICRP, [], client.session())
    (cdn,) = client.answer()
    assert (cdn.name, result_of(cdn)) == ("CDN", ResultCode(2, 3, "Assigned Session ID"))


@pytest.mark.parametrize("kind", [MessageType.ICRQ, MessageType.OCRQ])
def test_a_gateway_that_calls_us_is_refused_without_harm(kind: MessageType) -> None:
    client = Client()
    client.session()
    client.give(kind, [make_avp(AvpType.ASSIGNED_SESSION_ID, 99)])
    (cdn,) = client.answer()
    assert (cdn.name, cdn.session_id, result_of(cdn).result) == ("CDN", 99, 5)
    assert client.tunnel.session_state is SessionState.WAIT_REPLY


def test_second_call_in_a_tunnel_is_refused_and_the_first_lives() -> None:
    path = established()
    body = builder.icrq(lac_config(), 4242, 2, bytes(16))
    lns = path.lns
    lns.receive(encode_control(lns.local_tunnel_id, 0, 4, 2, body), path.now)
    frames = [decode_message(datagram) for datagram in lns.datagrams_to_send(path.now)]
    assert isinstance(frames[0], ControlFrame)
    cdn = decode_control(frames[0])
    assert (cdn.session_id, result_of(cdn)) == (4242, ResultCode(2, 4))
    assert lns.session_state is SessionState.ESTABLISHED


@pytest.mark.parametrize("kind", [MessageType.WEN, MessageType.SLI])
def test_wen_and_sli_are_tolerated(kind: MessageType) -> None:
    path = established()
    session = event_of(path, "lac", SessionEstablished)
    assert isinstance(session, SessionEstablished)
    own = path.lac.local_tunnel_id
    path.lac.receive(encode_control(own, session.local_session_id, 2, 4, control_body(kind)), path.now)
    assert path.lac.session_state is SessionState.ESTABLISHED


def test_message_of_an_unknown_session() -> None:
    client = Client()
    session = client.session()
    client.give(MessageType.ICRP, [make_avp(AvpType.ASSIGNED_SESSION_ID, 5)], session ^ 1)
    assert client.trace[-1].trigger == "unknown-session"
    assert client.tunnel.session_state is SessionState.WAIT_REPLY


@pytest.mark.parametrize(
    ("datagram", "trigger"),
    [
        (b"", "malformed"),
        (bytes.fromhex("c803 000c 0000 0000 0000 0000"), "unsupported-version"),
        (bytes.fromhex("c802 000c ffff 0000 0000 0000"), "unknown-tunnel"),
        (encode_data(DataMessage(65535, 1, b"x")), "unknown-tunnel"),
    ],
)
def test_drop_triggers(datagram: bytes, trigger: str) -> None:
    client = Client()
    client.tunnel.receive(datagram, 0.1)
    assert client.trace[-1].trigger == trigger


def test_dropped_data_is_traced_once() -> None:
    path, lac_trace, _ = joined()
    path.start()
    path.run(1.0)
    before = len(lac_trace)
    for _ in range(100):
        path.lac.receive(encode_data(DataMessage(path.lac.local_tunnel_id, 0, b"x")), path.now)
    assert [event.trigger for event in lac_trace[before:]] == ["unknown-session"]


def test_another_clients_sccrq_does_not_disturb_a_tunnel() -> None:
    path = established()
    body = builder.sccrq(lac_config(), path.lac.local_tunnel_id ^ 1, None)
    path.lns.receive(encode_control(0, 0, 4, 2, body), path.now)
    assert path.lns.state is TunnelState.ESTABLISHED


def fresh(stage: int) -> Path:
    path, _, _ = joined(lns=lns_config(secret=b"s"), lac=lac_config(b"s"))
    if stage:
        path.start()
        path.run((0.0, 0.03, 0.06, 0.11, 1.0)[stage])
    return path


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4), st.lists(st.binary(max_size=80), max_size=5))
def test_fuzz_raw(stage: int, datagrams: list[bytes]) -> None:
    path = fresh(stage)
    for datagram in datagrams:
        for engine in (path.lac, path.lns):
            engine.receive(datagram, path.now)
    path.drain()
    path.run(20.0)


_kinds = st.sampled_from([*MessageType, 77])
_numbers = st.sampled_from([*AvpType, 999])


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(
        st.tuples(
            _kinds,
            st.lists(st.tuples(_numbers, st.booleans(), st.booleans(), st.binary(max_size=12)), max_size=4),
            st.integers(0, 5),
            st.booleans(),
            st.booleans(),
        ),
        max_size=6,
    ),
)
def test_fuzz_well_formed_messages(
    stage: int, script: list[tuple[int, list[tuple[int, bool, bool, bytes]], int, bool, bool]]
) -> None:
    """Any sequence of decodable messages with right IDs: no exception, at most one end, rest at the end."""
    path = fresh(stage)
    for kind, avps, ns, in_session, zero in script:
        body = bytes.fromhex("8008 0000 0000") + int(kind).to_bytes(2, "big")
        for number, mandatory, hidden, raw in avps:
            flags = (0x80 if mandatory else 0) | (0x40 if hidden else 0)
            body += bytes((flags, 6 + len(raw))) + b"\0\0" + int(number).to_bytes(2, "big") + raw
        for engine, end in ((path.lac, "lac"), (path.lns, "lns")):
            session = event_of(path, end, SessionEstablished)
            sid = session.local_session_id if in_session and isinstance(session, SessionEstablished) else 0
            tid = 0 if zero else engine.local_tunnel_id
            engine.receive(encode_control(tid, sid, ns, ns, body), path.now)
    path.drain()
    path.run(path.now + 30.0)
    for end in ("lac", "lns"):
        assert sum(isinstance(event, Closed) for event in path.events[end]) <= 1


def test_queue_of_own_messages_stays_bounded() -> None:
    """A peer that provokes refusals and never acknowledges them."""
    client = Client()
    client.session()
    for number in range(200):
        client.give(MessageType.OCRQ, [make_avp(AvpType.ASSIGNED_SESSION_ID, number + 1)])
    assert len(client.answer()) <= 8
    assert "queue-full" in [event.trigger for event in client.trace]
