"""Two links joined: healthy dials over good and bad paths, and every fault the gateway can play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.auth_common import AuthProtocol
from l2tp_doctor.protocol.ppp.ccp import WINDOWS_REQUEST
from l2tp_doctor.protocol.ppp.config import LinkConfig, gateway_config
from l2tp_doctor.protocol.ppp.eap import EapType
from l2tp_doctor.protocol.ppp.phases import Phase
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ppp.helpers import (
    CLIENT_ADDRESS,
    DNS,
    METHODS,
    PASSWORD,
    Pair,
    client_config,
    forced,
    gateway,
    unreliable,
)

ROUND_TRIP = 0.05


def only(protocol: AuthProtocol, **changes: Any) -> LinkConfig:
    return gateway_config(gateway(**changes), (protocol,))


@pytest.mark.parametrize("method", METHODS)
def test_healthy_dial(method: AuthProtocol) -> None:
    pair = Pair(server=only(method)).dial(until=5)
    opened = pair.first(events.IpcpOpened)
    assert opened.local_address == CLIENT_ADDRESS
    assert opened.dns == DNS
    assert pair.first(events.AuthRequired) == events.AuthRequired(method.value, ())
    succeeded = pair.first(events.AuthSucceeded)
    proves = method in (AuthProtocol.MSCHAPV2, AuthProtocol.EAP)
    assert succeeded.server_authentic is (True if proves else None)
    assert pair.client.phase is Phase.NETWORK
    assert pair.server.phase is Phase.NETWORK


def test_round_trips_of_a_healthy_dial() -> None:
    # LCP 2 (Callback rejected once; the gateway's own request runs beside it), CHAP 1.5 seen from the
    # client (challenge in the wake of the last Ack, response, success), IPCP 3 (Reject NBNS, Nak, Ack).
    pair = Pair().dial(until=5)
    assert pair.times[events.IpcpOpened] <= 6.5 * ROUND_TRIP + 1e-6


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("method", METHODS)
def test_dial_over_a_bad_path(method: AuthProtocol, seed: int) -> None:
    pair = Pair(server=only(method), path=unreliable(seed), seed=seed).dial(until=30)
    assert pair.has(events.IpcpOpened), pair.client_events
    assert not pair.has(events.AuthFailed)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_password(method: AuthProtocol) -> None:
    pair = Pair(client_config(password=Secret(b"wrong")), only(method)).dial()
    failed = pair.first(events.AuthFailed)
    assert failed.protocol == method.value
    assert failed.error_code == (691 if method in (AuthProtocol.MSCHAPV2, AuthProtocol.EAP) else None)
    assert pair.first(events.LinkTerminated).phase == "authenticate"
    assert not pair.has(events.IpcpOpened)
    assert pair.client.phase is Phase.DEAD


@pytest.mark.parametrize("seed", range(8))
def test_wrong_password_over_a_bad_path_is_never_a_success(seed: int) -> None:
    pair = Pair(client_config(password=Secret(b"wrong")), path=unreliable(seed), seed=seed).dial()
    assert not pair.has(events.AuthSucceeded)
    assert pair.first(events.LinkTerminated).phase in ("authenticate", "establish")


@pytest.mark.parametrize("code", [646, 647, 648, 649, 691, 709])
@pytest.mark.parametrize("method", [AuthProtocol.MSCHAPV2, AuthProtocol.EAP])
def test_every_error_code(method: AuthProtocol, code: int) -> None:
    pair = Pair(server=only(method, forced_failure=forced(code, "said so", True))).dial()
    assert pair.first(events.AuthFailed) == events.AuthFailed(method.value, code, "said so", True)


def test_domain_is_sent_and_found() -> None:
    pair = Pair(client_config(domain="OFFICE")).dial(until=5)
    assert pair.has(events.IpcpOpened)
    names = [e.fields.get("name") for e in pair.server_trace if e.layer == "auth"]
    assert "OFFICE\\alice" in names


def test_gateway_speaks_pap_only_and_profile_refuses_it() -> None:
    client = client_config(auth=(AuthProtocol.MSCHAPV2, AuthProtocol.CHAP))
    pair = Pair(client, only(AuthProtocol.PAP)).dial()
    assert pair.first(events.AuthRequired) == events.AuthRequired(None, ("PAP",))
    assert pair.first(events.LinkTerminated).phase == "establish"
    assert not pair.has(events.LcpOpened)


def test_gateway_speaks_eap_only_and_profile_refuses_it() -> None:
    pair = Pair(client_config(auth=(AuthProtocol.PAP,)), only(AuthProtocol.EAP)).dial()
    assert pair.first(events.AuthRequired) == events.AuthRequired(None, ("EAP",))


def test_client_moves_the_gateway_to_a_method_both_know() -> None:
    server = gateway_config(gateway(), (AuthProtocol.EAP, AuthProtocol.CHAP, AuthProtocol.MSCHAPV2))
    pair = Pair(client_config(auth=(AuthProtocol.MSCHAPV2,)), server).dial(until=5)
    assert pair.first(events.AuthRequired) == events.AuthRequired("MS-CHAPv2", ("EAP",))
    assert pair.has(events.IpcpOpened)


def test_unknown_eap_method_is_naked() -> None:
    server = gateway_config(gateway(), (AuthProtocol.EAP,), eap_methods=(EapType.PEAP,))
    pair = Pair(server=server).dial()
    failed = pair.first(events.AuthFailed)
    assert failed.error_code is None
    assert "PEAP" in failed.message


def test_eap_falls_back_to_md5_after_a_nak() -> None:
    server = gateway_config(gateway(), (AuthProtocol.EAP,), eap_methods=(EapType.PEAP, EapType.MD5_CHALLENGE))
    pair = Pair(server=server).dial(until=5)
    assert pair.has(events.IpcpOpened)
    assert pair.first(events.AuthSucceeded).server_authentic is None


def test_missing_credentials_end_the_link_cleanly() -> None:
    pair = Pair(client_config(password=None)).dial()
    assert pair.first(events.CredentialsMissing) == events.CredentialsMissing("MS-CHAPv2")
    ended = pair.first(events.LinkTerminated)
    assert (ended.by_peer, ended.phase) == (False, "authenticate")
    assert "Terminate-Ack" in pair.summaries(Direction.IN, "lcp")


def test_no_authentication_at_all() -> None:
    pair = Pair(server=gateway_config(gateway(), ())).dial(until=5)
    assert pair.has(events.IpcpOpened)
    assert not pair.has(events.AuthRequired)


@pytest.mark.parametrize(
    ("mode", "reason"), [("reject-address", "address-refused"), ("reject-protocol", "protocol-rejected")]
)
def test_pool_exhausted(mode: str, reason: str) -> None:
    pair = Pair(server=only(AuthProtocol.MSCHAPV2, address=None, pool_exhausted=mode)).dial(until=20)
    assert pair.first(events.IpcpFailed).reason == reason
    assert not pair.has(events.IpcpOpened)
    assert pair.has(events.AuthSucceeded)


def test_address_comes_from_a_callable() -> None:
    pair = Pair(server=only(AuthProtocol.CHAP, address=lambda: CLIENT_ADDRESS)).dial(until=5)
    assert pair.first(events.IpcpOpened).local_address == CLIENT_ADDRESS


def test_ipcp_refused() -> None:
    pair = Pair(server=only(AuthProtocol.MSCHAPV2, refuse_ipcp=True)).dial(until=20)
    assert pair.first(events.IpcpFailed).reason == "protocol-rejected"


def test_mppe_demanded() -> None:
    pair = Pair(server=only(AuthProtocol.MSCHAPV2, require_mppe=True)).dial()
    assert pair.first(events.CcpRefused).demanded == {"MPPE": "stateless 128-bit"}
    ended = pair.first(events.LinkTerminated)
    assert (ended.by_peer, ended.phase, ended.reason) == (True, "network", "MPPE required but refused")


def test_windows_ccp_offer_is_harmless() -> None:
    pair = Pair(client_config(ccp_request=WINDOWS_REQUEST)).dial(until=5)
    assert pair.has(events.IpcpOpened)
    assert not pair.has(events.LinkTerminated)


def test_callback_is_asked_rejected_and_dropped() -> None:
    pair = Pair().dial(until=5)
    requests = [e for e in pair.client_trace if e.summary == "Configure-Request" and e.layer == "lcp"]
    ours = [e for e in requests if e.direction is Direction.OUT]
    names = [name for name in ours[0].fields if name != "identifier"]
    assert names == [
        "MRU",
        "Magic-Number",
        "Protocol-Field-Compression",
        "Address-and-Control-Field-Compression",
        "Callback",
    ]
    assert "Callback" not in ours[-1].fields
    assert "Callback" not in pair.first(events.LcpOpened).options


def test_ipv6cp_opens_when_the_gateway_has_it() -> None:
    pair = Pair(server=gateway_config(gateway(), ipv6=True)).dial(until=5)
    opened = pair.first(events.Ipv6cpOpened)
    assert opened.peer_identifier not in (None, opened.local_identifier)


def test_packets_and_echo() -> None:
    pair = Pair().dial(until=1)
    packet = bytes([0x45]) + bytes(19)
    assert pair.client.send_ip(packet)
    assert pair.client.send_echo(pair.now)
    pair.run(until=3)
    assert events.IpPacket(packet) in pair.server_events
    assert pair.first(events.EchoReplied).rtt == pytest.approx(ROUND_TRIP)
    assert not pair.client.send_ip(bytes([0x60]) + bytes(39))
    with pytest.raises(ValueError, match="neither"):
        pair.client.send_ip(b"")


def test_close_is_acknowledged() -> None:
    pair = Pair().dial(until=1)
    pair.client.close(pair.now, "done")
    pair.run()
    assert pair.first(events.LinkTerminated) == events.LinkTerminated(False, "network", "done")
    ended = [e for e in pair.server_events if isinstance(e, events.LinkTerminated)]
    assert ended == [events.LinkTerminated(True, "network", "done")]
    assert pair.client.phase is pair.server.phase is Phase.DEAD
    assert pair.client.get_timer() is pair.server.get_timer() is None


def test_gateway_that_never_answers() -> None:
    pair = Pair(path=lambda _frame, _sender, _now: []).dial()
    assert pair.first(events.LinkSilent) == events.LinkSilent("establish", "lcp-first-answer")
    assert pair.first(events.LinkTerminated).by_peer is False
    assert pair.now <= 11.5  # the policy's eleven seconds


def _mute(protocol: bytes) -> Callable[[bytes, str, float], list[float]]:
    def path(frame: bytes, sender: str, _now: float) -> list[float]:
        body = frame.removeprefix(b"\xff\x03")
        return [] if sender == "server" and body.startswith(protocol) else [0.025]

    return path


def test_silence_in_authentication() -> None:
    pair = Pair(path=_mute(b"\xc2\x23")).dial()
    assert pair.first(events.LinkSilent) == events.LinkSilent("authenticate", "chap-challenge")


def test_silence_in_ipcp() -> None:
    pair = Pair(path=_mute(b"\x80\x21")).dial(until=20)
    assert pair.first(events.IpcpFailed).reason == "no-answer"


def test_looped_back_line() -> None:
    pair = Pair()
    pair.client.start(0.0)
    for step in range(40):
        for frame in pair.client.datagrams_to_send(step * 0.01):
            pair.client.receive(frame, step * 0.01)
    seen = list(iter(pair.client.next_event, None))
    assert not any(isinstance(event, events.LcpOpened) for event in seen)
    ended = [event for event in seen if isinstance(event, events.LinkTerminated)]
    assert [event.reason for event in ended] == ["line is looped back"]


def test_lcp_renegotiation_in_the_network_phase_recovers() -> None:
    pair = Pair().dial(until=1)
    again = Pair(seed=9)
    again.server.start(pair.now)  # a new gateway process behind the same address
    pair.server = again.server
    pair.client_events.clear()
    pair.run(until=pair.now + 10)
    assert pair.has(events.LcpOpened)
    assert pair.has(events.IpcpOpened)


@pytest.mark.parametrize("method", METHODS)
def test_traces_hold_no_secret(method: AuthProtocol) -> None:
    sent: list[bytes] = []

    def path(frame: bytes, _sender: str, _now: float) -> list[float]:
        sent.append(frame)
        return [0.01]

    pair = Pair(server=only(method), path=path).dial(until=3)
    everything = repr(pair.client_trace) + repr(pair.server_trace) + repr(pair.client_events)
    assert PASSWORD not in everything
    # No eight octets in a row of any authentication message show up, as hexadecimal or as bytes.
    bodies = [frame.removeprefix(b"\xff\x03") for frame in sent]
    secret = [body[2:] for body in bodies if body[:2] in (b"\xc0\x23", b"\xc2\x23", b"\xc2\x27")]
    assert len(secret) >= 2
    windows = {body[start : start + 8] for body in secret for start in range(len(body) - 7)}
    lowered = everything.lower()
    assert not [
        part
        for part in windows
        if part.hex() in lowered
        or repr(part)[2:-1]
        in everything.replace("Access granted", "")
        .replace("Login ok", "")
        .replace("gateway", "")
        .replace("alice", "")
    ]


def test_trace_has_one_line_per_message() -> None:
    pair = Pair().dial(until=3)

    def count(trace: list[TraceEvent], direction: Direction) -> int:
        return sum(1 for event in trace if event.direction is direction)

    assert count(pair.client_trace, Direction.OUT) == count(pair.server_trace, Direction.IN)
    assert count(pair.server_trace, Direction.OUT) == count(pair.client_trace, Direction.IN)
    assert all(event.size > 0 for event in pair.client_trace if event.direction is not Direction.NOTE)


def test_lost_naks_are_not_a_refusal() -> None:
    # Six Naks lost in a row: the gateway must not take its own silence for a negotiation without end.
    lost: list[bytes] = []

    def path(frame: bytes, sender: str, _now: float) -> list[float]:
        if sender == "server" and frame.removeprefix(b"\xff\x03")[:3] == b"\x80\x21\x03" and len(lost) < 6:
            lost.append(frame)
            return []
        return [0.025]

    pair = Pair(path=path).dial(until=20)
    assert len(lost) == 6
    assert pair.first(events.IpcpOpened).local_address == CLIENT_ADDRESS
