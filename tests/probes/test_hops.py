"""Reading hop traces: what the answers of each hop say about the place where IKE is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.diagnosis import diagnose
from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.hops import CONTROLS, Flow, HopAnswer, HopProbe, HopTrace
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes import hops as module
from l2tp_doctor.probes.hops import Localisation, localise
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import decode_header
from l2tp_doctor.protocol.nat_t import unwrap_isakmp
from tests.diagnosis.sets import SILENT_1, observe

HOST = "203.0.113.1"
ROUTERS = {1: "198.51.100.1", 2: "192.0.2.2", 3: "192.0.2.10", 4: "192.0.2.18"}
ADMIN = "admin-prohibited"


def answers(flow: Flow, *hops: int, again: bool = False) -> list[HopAnswer]:
    """Routers' answers; hop 5 is the host."""
    return [
        HopAnswer(flow, hop, HOST, "reply", again)
        if hop == 5
        else HopAnswer(flow, hop, ROUTERS[hop], again=again)
        for hop in hops
    ]


def trace(ping: str, udp: str, ike: str, *refusals: HopAnswer) -> HopTrace:
    """Hops as digits; ``udp`` is what plain UDP reached in the second round."""
    found = HopTrace(HOST)
    for flow, hops, again in ((Flow.PING, ping, False), (Flow.UDP, udp, True), (Flow.IKE_500, ike, False)):
        found.answers += answers(flow, *map(int, hops), again=again)
    found.answers += refusals
    return found


BOTH = ("ping", "UDP 53")
LOST: dict[str, tuple[HopTrace, Localisation]] = {
    "behind a router, seen side by side": (
        trace("12345", "345", "12"),
        Localisation(2, ROUTERS[2], 3, ROUTERS[3], True, False, BOTH, None),
    ),
    "between two routers with a silent one in the middle": (
        trace("1345", "345", "1"),
        Localisation(1, ROUTERS[1], 3, ROUTERS[3], True, False, BOTH, None),
    ),
    "before the first router": (
        trace("12345", "12", ""),
        Localisation(0, "", 1, ROUTERS[1], True, False, BOTH, None),
    ),
    "a silent router in front of the last reached is no gap": (
        trace("12345", "5", "134"),
        Localisation(4, ROUTERS[4], 5, HOST, False, True, BOTH, None),
    ),
    "at the gateway": (
        trace("12345", "5", "1234"),
        Localisation(4, ROUTERS[4], 5, HOST, False, True, BOTH, None),
    ),
    "at the gateway, behind a last router that answers nobody": (
        trace("1235", "5", "123"),
        Localisation(3, ROUTERS[3], 5, HOST, False, True, BOTH, None),
    ),
    "a router answered ping, and then nothing: a rate limit would look the same": (
        trace("12345", "", "12"),
        Localisation(2, ROUTERS[2], 3, ROUTERS[3], None, False, ("ping",), None),
    ),
    "all UDP ends there: a NAT that loses errors would look the same": (
        trace("12345", "1", "1"),
        Localisation(1, ROUTERS[1], 2, ROUTERS[2], None, False, ("ping",), None),
    ),
    "nothing goes further": (
        trace("123", "", "123"),
        Localisation(3, ROUTERS[3], 0, "", False, False, (), None),
    ),
    "no router answers, only the host": (
        trace("5", "5", ""),
        Localisation(0, "", 5, HOST, False, False, BOTH, None),
    ),
    "the host is next door": (
        HopTrace(HOST, [HopAnswer(Flow.PING, 1, HOST, "reply")]),
        Localisation(0, "", 1, HOST, False, False, ("ping",), None),
    ),
    "a router that passes others on refuses what is meant for the next": (
        trace("12345", "345", "12", HopAnswer(Flow.IKE_500, 3, ROUTERS[2], ADMIN)),
        Localisation(
            2, ROUTERS[2], 3, ROUTERS[3], True, False, BOTH, HopAnswer(Flow.IKE_500, 2, ROUTERS[2], ADMIN)
        ),
    ),
    "a filter that never showed itself refuses": (
        trace("1345", "345", "1", HopAnswer(Flow.IKE_500, 2, "192.0.2.99", ADMIN)),
        Localisation(
            1, ROUTERS[1], 3, ROUTERS[3], True, False, BOTH, HopAnswer(Flow.IKE_500, 2, "192.0.2.99", ADMIN)
        ),
    ),
    "the host refuses: IKE got there": (
        trace("12345", "", "1234", HopAnswer(Flow.IKE_500, 5, HOST, "port-unreachable")),
        Localisation(5, HOST, 0, "", False, True, (), None),
    ),
    "no route is no refusal of IKE": (
        trace("12", "", "12", HopAnswer(Flow.IKE_500, 3, ROUTERS[2], "host-unreachable")),
        Localisation(2, ROUTERS[2], 0, "", False, False, (), None),
    ),
    "nothing at all": (HopTrace(HOST), Localisation(0, "", 0, "", False, False, (), None)),
}


@pytest.mark.parametrize("name", LOST)
def test_where_ike_is_lost(name: str) -> None:
    found, expected = LOST[name]
    assert localise(found, Flow.IKE_500) == expected


def test_the_other_port_has_its_own_end() -> None:
    found = trace("12345", "345", "1234")
    found.answers += answers(Flow.IKE_4500, 1)
    assert localise(found, Flow.IKE_500).last == 4
    assert localise(found, Flow.IKE_4500).last == 1
    assert localise(found, Flow.IKE_4500).control_beyond is True


def test_a_time_exceeded_from_the_gateway_s_own_address_is_a_router_s() -> None:
    """A gateway's NAT passes IKE on to a server behind it."""
    routed = [HopAnswer(Flow.IKE_500, 2, HOST), HopAnswer(Flow.IKE_500, 1, ROUTERS[1])]
    assert HopTrace(HOST, routed).distance is None
    found = HopTrace(HOST, [*routed, HopAnswer(Flow.PING, 2, HOST, "reply")])
    assert found.distance == 2
    assert localise(found, Flow.IKE_500).last == 2
    assert localise(found, Flow.IKE_500).to_last_router is True


def test_zones_do_not_matter() -> None:
    found = HopTrace("fe80::1%eth0", [HopAnswer(Flow.PING, 1, "fe80::1", "reply")])
    assert found.distance == 1


ANY = st.lists(
    st.builds(
        HopAnswer,
        st.sampled_from(list(Flow)),
        st.integers(1, 20),
        st.sampled_from([HOST, *ROUTERS.values()]),
        st.sampled_from(["time-exceeded", "reply", ADMIN, "port-unreachable", "host-unreachable", "other"]),
        st.booleans(),
    ),
    max_size=40,
)


@given(ANY, st.sampled_from([Flow.IKE_500, Flow.IKE_4500]))
def test_whatever_answers_the_reading_holds_together(given_answers: list[HopAnswer], flow: Flow) -> None:
    found = HopTrace(HOST)
    for answer in given_answers:
        found.add(answer)
    where = localise(found, flow)
    assert where.next_hop == 0 or where.next_hop > where.last
    assert bool(where.last) == bool(where.last_address)
    assert bool(where.next_hop) == bool(where.passed_by) == bool(where.next_address)
    assert not (where.control_beyond and where.to_last_router)
    if where.control_beyond:
        assert "UDP 53" in where.passed_by
        assert where.next_hop > where.last
    assert set(where.passed_by) <= {flow.value for flow in CONTROLS}


# -- the experiment ---------------------------------------------------------------------------


class FakeRun:
    """As much of a run as the experiment needs."""

    def __init__(self) -> None:
        from l2tp_doctor.knowledge import profile
        from l2tp_doctor.probes.interface import CheckRequest

        self.request = CheckRequest(HOST)
        self.profile = profile("windows-11")
        self.local, self.remote = "198.51.100.10", HOST
        self.recorder = object()
        self.observed: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}
        self.signs: list[Channel] = []
        self.notices: list[str] = []
        self.running: list[str] = []

    def random(self, size: int) -> bytes:
        return bytes(range(1, size + 1))

    def observe(self, name: str, value: Any, source: str, *, reason: str = "") -> None:
        assert source == "hops"
        Observation("obs-1", name, value, 0.0, "probe:hops", reason=reason)  # the vocabulary's types hold
        self.observed[name] = value
        self.reasons[name] = reason

    def sign_of_life(self, datagram: Datagram, _sender: object, _source: str) -> None:
        self.signs.append(datagram.channel)

    def icmp(self, _channel: Channel, notice: icmp_errors.IcmpNotice, _source: str) -> None:
        self.notices.append(notice.name)

    def experiment(self, name: str) -> FakeRun:
        self.running.append(name)
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def experiment(monkeypatch: pytest.MonkeyPatch, found: HopTrace) -> tuple[FakeRun, list[HopProbe]]:
    probes: list[HopProbe] = []

    async def traced(probe: HopProbe) -> HopTrace:
        probes.append(probe)
        return found

    monkeypatch.setattr(module, "trace_hops", traced)
    run = FakeRun()
    asyncio.run(module.hops(run))  # type: ignore[arg-type]  # as much of a run as is used
    assert run.running == ["hops"]
    return run, probes


def test_what_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: True)
    found = trace("12345", "345", "12", HopAnswer(Flow.IKE_500, 3, ROUTERS[2], ADMIN))
    run, _probes = experiment(monkeypatch, found)
    assert run.observed == {
        "hops.control": ("1 198.51.100.1", "2 192.0.2.2", "3 192.0.2.10", "4 192.0.2.18", "5 203.0.113.1"),
        "hops.control_last": 5,
        "hops.control_last_address": HOST,
        "hops.distance": 5,
        "hops.ike_500": ("1 198.51.100.1", "2 192.0.2.2"),
        "hops.ike_500_last": 2,
        "hops.ike_500_last_address": ROUTERS[2],
        "hops.ike_500_next": "3 (192.0.2.10)",
        "hops.ike_500_passed_by": BOTH,
        "hops.ike_500_control_beyond": True,
        "hops.ike_500_to_last_router": False,
        "hops.ike_500_refused": "2 (192.0.2.2)",
        "hops.ike_4500": (),
        "hops.ike_4500_last": 0,
        "hops.ike_4500_next": "1 (198.51.100.1)",
        "hops.ike_4500_passed_by": BOTH,
        "hops.ike_4500_control_beyond": True,
        "hops.ike_4500_to_last_router": False,
    }


def test_an_unconfirmed_end_says_why_it_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: True)
    run, _probes = experiment(monkeypatch, trace("12345", "", "12"))
    assert run.observed["hops.ike_500_control_beyond"] is None
    assert run.reasons["hops.ike_500_control_beyond"]


def test_where_nobody_answers_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: True)
    run, _probes = experiment(monkeypatch, HopTrace(HOST))
    assert run.observed == {"hops.control": ()}


def test_without_an_error_queue_it_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: False)
    run, probes = experiment(monkeypatch, HopTrace(HOST))
    assert probes == []
    assert run.observed == {"hops.control": None}
    assert run.reasons["hops.control"]


def test_the_messages_are_real_main_mode_1_for_each_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: True)
    run, (probe,) = experiment(monkeypatch, HopTrace(HOST))
    for raw in (probe.messages[Channel.IKE], unwrap_isakmp(probe.messages[Channel.NAT_T])):
        header = decode_header(raw)
        assert header.exchange == ExchangeType.IDENTITY_PROTECTION
        assert header.responder_cookie == bytes(8)
        assert (65001).to_bytes(2, "big") in raw
        assert len(raw) < 500
    probe.on_reply(Datagram(Channel.IKE, b""), None)  # type: ignore[arg-type]  # the sender is not looked at
    probe.on_notice(Channel.NAT_T, icmp_errors.IcmpNotice(ADMIN, ROUTERS[2]))
    assert (run.signs, run.notices) == ([Channel.IKE], [ADMIN])


# -- what the rules make of it ----------------------------------------------------------------

ALIVE = {**SILENT_1, "host.ping_reply": True, "host.alive": True}


def verdict(found: HopTrace, **facts: Any) -> tuple[str, float, str]:
    run = FakeRun()
    module.record(run, found)  # type: ignore[arg-type]  # as above
    first = diagnose(observe({**ALIVE, **run.observed, **facts}), stage="reach").causes[0]
    return first.id, first.probability, " ".join(reason.text.en for reason in first.proof)


def test_the_proof_names_the_hop() -> None:
    cause, sure, proof = verdict(trace("12345", "345", "12"))
    assert cause == "udp-500-blocked"
    assert sure > 0.95
    assert (
        "IKE on UDP 500 disappears after hop 2 (192.0.2.2), "
        "while hop 3 (192.0.2.10) is reached by ping, UDP 53." in proof
    )


def test_ike_that_reaches_the_last_router_points_at_the_gateway() -> None:
    without = diagnose(observe(ALIVE), stage="reach").causes
    run = FakeRun()
    module.record(run, trace("12345", "5", "1234"))  # type: ignore[arg-type]  # as above
    causes = diagnose(observe({**ALIVE, **run.observed}), stage="reach").causes
    down = {item.id: item for item in causes}["ike-service-down"]
    assert down.probability > {item.id: item.probability for item in without}["ike-service-down"]
    assert any("gets as far as hop 4 (192.0.2.18)" in reason.text.en for reason in down.proof)
    assert causes[0].id == without[0].id


def test_a_dead_path_tells_where_it_ends() -> None:
    dead = {"host.ping_reply": False, "host.control_port_alive": False, "host.alive": False}
    cause, _sure, proof = verdict(trace("12", "", "12"), **dead)
    assert cause == "gateway-unreachable"
    assert "behind hop 2 (192.0.2.2)" in proof


def test_an_unconfirmed_end_changes_nothing() -> None:
    found = trace("12345", "", "12")
    assert verdict(found)[1] == diagnose(observe(ALIVE), stage="reach").causes[0].probability
