"""LCP and CBCP packets written by hand against an open client."""

from __future__ import annotations

import pytest

from l2tp_doctor.protocol.engine import Direction
from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.config import gateway_config
from l2tp_doctor.protocol.ppp.phases import PHASES, Phase, PhaseInput
from tests.protocol.ppp.helpers import Pair, client_config, gateway

LCP = b"\xff\x03\xc0\x21"


def packet(code: int, identifier: int, data: bytes = b"") -> bytes:
    return bytes([code, identifier]) + (len(data) + 4).to_bytes(2, "big") + data


@pytest.fixture
def pair() -> Pair:
    return Pair().dial(until=1)


def exchange(pair: Pair, frame: bytes) -> list[bytes]:
    pair.client.receive(frame, 1.0)
    return pair.client.datagrams_to_send(1.0)


def test_echo_request_is_answered_with_our_magic(pair: Pair) -> None:
    magic = bytes.fromhex(str(pair.first(events.LcpOpened).options["Magic-Number"]))
    answer = exchange(pair, LCP + packet(9, 77, b"\1\2\3\4hello"))
    assert answer == [LCP + packet(10, 77, magic + b"hello")]


def test_unknown_code_is_code_rejected(pair: Pair) -> None:
    strange = packet(0x55, 3, b"abc")
    (answer,) = exchange(pair, LCP + strange)
    assert answer[4] == 7
    assert answer[8:] == strange


def test_unknown_protocol_is_protocol_rejected(pair: Pair) -> None:
    (answer,) = exchange(pair, b"\xff\x03\x80\x2bdata")  # IPX control protocol
    assert answer[4] == 8
    assert answer[8:] == b"\x80\x2bdata"


def test_repeated_request_is_acknowledged_again_without_restart(pair: Pair) -> None:
    seen = [e for e in pair.server_trace if e.summary == "Configure-Request" and e.direction is Direction.OUT]
    assert len([e for e in seen if e.layer == "lcp"]) == 1
    lost: list[bytes] = []

    def path(frame: bytes, sender: str, _now: float) -> list[float]:
        if sender == "client" and frame[:5] == LCP + b"\x02" and not lost:
            lost.append(frame)
            return []
        return [0.025]

    again = Pair(path=path).dial(until=5)
    assert lost
    assert again.has(events.IpcpOpened)
    assert sum(isinstance(event, events.LcpOpened) for event in again.client_events) == 1


def test_peer_terminates(pair: Pair) -> None:
    (answer,) = exchange(pair, LCP + packet(5, 9, b"Admin reset\x1b[2J"))
    assert answer == LCP + packet(6, 9)
    pair.run(until=1.0)
    assert pair.first(events.LinkTerminated) == events.LinkTerminated(True, "network", "Admin reset[2J")


def test_notices_are_taken_silently(pair: Pair) -> None:
    for code in (11, 12, 13):
        assert exchange(pair, LCP + packet(code, 1, bytes(4) + b"\0\0\0\x09text")) == []
    assert pair.client_trace[-1].fields["seconds"] == 9


def test_protocol_reject_of_lcp_ends_the_link(pair: Pair) -> None:
    (answer,) = exchange(pair, LCP + packet(8, 1, b"\xc0\x21"))
    assert answer[4] == 5  # RXJ- in Opened: tld, irc, str


def test_callback_accepted_leads_to_cbcp_without_callback() -> None:
    pair = Pair(server=gateway_config(gateway(accept_callback=True))).dial(until=1)
    assert pair.first(events.LcpOpened).options["Callback"] == "06"
    # Callback-Request with type 1 "no callback" and type 2 "user-specified number"
    answer = exchange(pair, b"\xff\x03\xc0\x29" + packet(1, 5, b"\x01\x02\x02\x05\x00\x01\x00"))
    assert answer == [b"\xc0\x29" + packet(2, 5, b"\x01\x02")]
    assert exchange(pair, b"\xff\x03\xc0\x29" + packet(3, 5, b"\x01\x02")) == []
    assert exchange(pair, b"\xff\x03\xc0\x29\x09") == []


def test_identification_is_sent_as_windows_does() -> None:
    pair = Pair(client_config(identification=("MSRASV5.20", "MSRAS-0-PC"))).dial(until=1)
    said = [e.fields["message"] for e in pair.server_trace if e.summary == "Identification"]
    assert said == ["MSRASV5.20", "MSRAS-0-PC"]


@pytest.mark.parametrize("step", PhaseInput)
@pytest.mark.parametrize("phase", Phase)
def test_phase_table_product(phase: Phase, step: PhaseInput) -> None:
    # RFC 1661 §3.2: Terminate leads to Dead alone, and only Dead leads to Establish by Up.
    target = PHASES.get((phase, step))
    if phase is Phase.TERMINATE:
        assert target is (Phase.DEAD if step is PhaseInput.DOWN else None)
    if step is PhaseInput.UP:
        assert target is (Phase.ESTABLISH if phase is Phase.DEAD else None)
    if target is Phase.NETWORK:
        assert (phase, step) == (Phase.AUTHENTICATE, PhaseInput.SUCCESS)
