"""The critical path of invented dials whose parts are known."""

from __future__ import annotations

from typing import Any

import pytest

from bench.timeline import Breakdown, critical_path, observed, packet_times
from l2tp_doctor.network.capture import CapturedPacket, Endpoint
from l2tp_doctor.protocol.engine import Channel, Direction
from l2tp_doctor.report.pcapng import pcapng

RTT = 0.05


def row(at: float, direction: str, layer: str, summary: str) -> dict[str, Any]:
    return {"at": at, "direction": direction, "layer": layer, "summary": summary, "bytes": 1}


def report(*timeline: dict[str, Any], end: float) -> dict[str, Any]:
    observations = [
        {"name": "resolve.ok", "value": True, "at": 0.001},
        {"name": "ppp.ipcp.opened", "value": True, "at": end},
    ]
    return {"timeline": list(timeline), "observations": observations}


def path(*timeline: dict[str, Any], end: float, capture: bytes | None = None) -> Breakdown:
    found = critical_path(report(*timeline, end=end), RTT, "ppp.ipcp.opened", capture)
    assert found is not None
    # The promise of the module: the parts are the whole.
    parts = found.before + found.round_trips * RTT + found.server + found.timers + found.ours
    assert parts == pytest.approx(found.elapsed, abs=1e-6)
    return found


def test_two_exchanges_are_two_round_trips_and_the_rest_is_the_servers() -> None:
    found = path(
        row(0.002, "out", "isakmp", "Main Mode 1: SA"),
        row(0.052, "in", "isakmp", "Main Mode 2: SA"),
        row(0.052, "out", "isakmp", "Main Mode 3: KE"),
        row(0.132, "in", "isakmp", "Main Mode 4: KE"),
        end=0.14,
    )
    assert found.round_trips == 2
    assert found.before == pytest.approx(0.002)
    assert found.server == pytest.approx(0.03)
    assert found.timers == 0
    assert found.ratio == pytest.approx(0.132 / 0.1)
    assert found.own_ratio == pytest.approx(0.102 / 0.1)


def test_a_repetition_by_the_timer_is_a_wait_of_ours_and_no_round_trip() -> None:
    found = path(
        row(0.0, "out", "isakmp", "Quick Mode 1: SA"),
        row(0.05, "in", "isakmp", "Quick Mode 2: SA"),
        row(0.05, "out", "isakmp", "Quick Mode 3: HASH"),
        row(0.05, "out", "l2tp", "SCCRQ tunnel 7→?"),
        row(0.15, "out", "l2tp", "SCCRQ tunnel 7→? (repetition 1)"),
        row(0.30, "out", "l2tp", "SCCRQ tunnel 7→? (repetition 2)"),
        row(0.35, "in", "esp", "first packet"),
        row(0.35, "in", "l2tp", "SCCRP tunnel 7→9"),
        end=0.36,
    )
    assert found.round_trips == 2
    assert found.timers == pytest.approx(0.25)
    assert found.server == pytest.approx(0.0)


def test_an_ike_retransmission_counts_although_the_timeline_has_it_as_a_note() -> None:
    found = path(
        row(0.0, "out", "isakmp", "Main Mode 1: SA"),
        row(0.45, "note", "isakmp", "retransmission 1 of Main Mode 1"),
        row(0.5, "in", "isakmp", "Main Mode 2: SA"),
        end=0.5,
    )
    assert found.round_trips == 1
    assert found.timers == pytest.approx(0.45)


def test_messages_beside_the_path_cost_no_round_trip() -> None:
    found = path(
        row(0.0, "out", "ipcp", "Configure-Request"),
        row(0.01, "in", "ipv6cp", "Configure-Request"),
        row(0.01, "out", "ipv6cp", "Configure-Ack"),
        row(0.055, "in", "lcp", "Echo-Request"),
        row(0.055, "out", "lcp", "Echo-Reply"),
        row(0.06, "in", "ipcp", "Configure-Ack"),
        end=0.06,
    )
    assert found.round_trips == 1
    assert found.server == pytest.approx(0.01)


def test_a_reply_within_less_than_a_round_trip_answers_an_earlier_message() -> None:
    found = path(
        row(0.0, "out", "auth", "MS-CHAPv2 Response"),
        row(0.05, "in", "auth", "MS-CHAPv2 Success"),
        row(0.05, "out", "ipcp", "Configure-Request"),
        row(0.06, "in", "ipcp", "Configure-Request"),
        row(0.06, "out", "ipcp", "Configure-Ack"),
        row(0.1, "in", "ipcp", "Configure-Ack"),
        end=0.1,
    )
    assert [step.request for step in found.steps] == ["MS-CHAPv2 Response", "Configure-Request"]


def test_computing_comes_from_the_capture() -> None:
    ends = (Endpoint("192.0.2.1", 500), Endpoint("192.0.2.2", 500))
    times = [(0.001, Direction.OUT), (0.052, Direction.IN), (0.072, Direction.OUT), (0.122, Direction.IN)]
    packets = [CapturedPacket(at, way, Channel.IKE, *ends, b"x") for at, way in times]
    capture = pcapng(packets, epoch=1_700_000_000.25, application="test")
    assert [len(part) for part in packet_times(capture)] == [2, 2]
    found = path(
        row(0.001, "out", "isakmp", "Main Mode 1: SA"),
        row(0.052, "in", "isakmp", "Main Mode 2: SA"),
        row(0.052, "out", "isakmp", "Main Mode 3: KE"),
        row(0.122, "in", "isakmp", "Main Mode 4: KE"),
        end=0.122,
        capture=capture,
    )
    assert found.ours == pytest.approx(0.02, abs=1e-5)
    assert found.server == pytest.approx(0.001, abs=1e-5)


def test_a_dial_that_did_not_get_there_has_no_path() -> None:
    empty: dict[str, Any] = {"timeline": [], "observations": []}
    assert critical_path(empty, RTT, "ppp.ipcp.opened") is None
    assert observed(report(end=0.1), "tunnel.echo_reply") is None
