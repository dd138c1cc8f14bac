"""Every event of the dial is either turned into observations or known to say nothing new."""

from __future__ import annotations

import asyncio
import types
import typing

import pytest

from l2tp_doctor.knowledge import profile
from l2tp_doctor.observations import ObservationLog
from l2tp_doctor.observations.vocabulary import VOCABULARY
from l2tp_doctor.probes import stages, translate
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol import dial
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.ppp import events as ppp
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome
from tests.probes.common import Listening

# Why each says nothing that another event or the measurement itself does not say.
SAY_NOTHING_NEW: dict[type, str] = {
    ike.Silence: "starts experiments; GaveUp states the fact",
    ike.PeerCertificates: "validated by probes.certificates",
    ike.PeerIdentity: "shown in the trace; no cause depends on it",
    ike.ExchangeFailed: "the dial's Failed follows",
    ike.PeerAlive: "an established SA was observed before",
    ike.QuickModeAnswered: "the gateway renews keys; the tunnel above shows whether it works",
    ike.Closed: "DialClosed sums it up",
    l2tp.PppFrame: "the dial hands it to PPP",
    l2tp.TunnelAuthenticationFailed: "Windows uses no tunnel secret; the refusal itself is observed",
    l2tp.ProtocolViolation: "shown in the trace; the dial's Failed follows",
    l2tp.Closed: "DialClosed sums it up",
    ppp.CcpRefused: "Windows refuses MPPE over IPsec as well",
    ppp.EchoReplied: "the dial's Connected follows",
    ppp.IpPacket: "the dial answers it or measures the echo",
}


def members(union: object) -> set[type]:
    found: set[type] = set()
    for item in typing.get_args(union):
        found |= members(item) if isinstance(item, types.UnionType) else {item}
    return found


def test_every_event_has_a_row_or_a_reason_for_none() -> None:
    every = members(dial.DialEvent)
    assert members(ike.IkeEvent) | members(l2tp.L2tpEvent) | members(ppp.LinkEvent) < every
    rows = set(translate.TABLE)
    assert rows | set(SAY_NOTHING_NEW) == every
    assert rows & set(SAY_NOTHING_NEW) == set()


def observed(*events: dial.DialEvent) -> dict[str, object]:
    async def main() -> dict[str, object]:
        request = CheckRequest("gateway.example")
        run = Run(request, profile(request.profile), Listening(), asyncio.get_running_loop().time())
        for event in events:
            translate.observe(run, event)
        return {item.name: item.value for item in run.log}

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (dial.EspOfAnotherSa(False), {"esp.other_sa": "native"}),
        (dial.EspOfAnotherSa(True), {"esp.other_sa": "udp"}),
        (ike.GaveUp(Step.MAIN_1, 6), {"ike.main.reply_2": False}),
        (ike.GaveUp(Step.MAIN_5, 6), {"ike.main.reply_6": False}),
        (ike.GaveUp(Step.QUICK_1, 6), {"ike.quick.reply_2": False}),
        (ike.ReplyReceived(Step.MAIN_3, 0.01), {"ike.main.reply_4": True}),
        (
            ike.NotifyReceived(14, "NO_PROPOSAL_CHOSEN", False, False, Step.MAIN_1),
            {"ike.notify.clear": "NO_PROPOSAL_CHOSEN", "ike.notify.clear_after": "main-1"},
        ),
        (
            ike.NotifyReceived(24, "AUTHENTICATION_FAILED", True, True, None),
            {
                "ike.notify.encrypted": "AUTHENTICATION_FAILED",
                "ike.notify.encrypted_after": "established",
            },
        ),
        (ike.DeleteReceived("esp", False, None), {}),  # anybody can forge an unprotected Delete
        (ike.DeleteReceived("esp", True, Step.QUICK_3), {"ike.delete": "esp", "ike.delete_after": "quick-3"}),
        (ike.Undecryptable(Step.MAIN_5), {"ike.main.undecryptable_reply": True}),
        (ike.Undecryptable(None), {}),
        (ike.PeerEstablished(), {"ike.main.peer_established": True}),
        (ike.CredentialNeeded("psk"), {"ike.main.needs_psk": True}),
        (ike.VersionRefused(2, ""), {"ike.notify.clear": "INVALID_MAJOR_VERSION"}),
        (ike.AuthenticationFailed("hash"), {"ike.main.hash_valid": False}),
        (
            l2tp.StopCcnReceived(4, 6, "go away", "wait-ctl-reply"),
            {"l2tp.stopccn": "result 4, error 6: go away", "l2tp.stopccn_result": 4},
        ),
        (l2tp.CdnReceived(None, None, "", "", "wait-reply"), {"l2tp.cdn": "result missing"}),
        (l2tp.ControlSilent("SCCRQ", 8), {"l2tp.sccrp": False}),
        (l2tp.ControlSilent("HELLO", 8), {}),
        (l2tp.ControlAcknowledgedOnly("SCCRQ"), {"l2tp.sccrp": False, "l2tp.zlb_only": True}),
        (ppp.LinkSilent("authenticate", "chap"), {"ppp.auth.result": "none"}),
        (
            ppp.LinkSilent("network", "ipcp"),
            {"ppp.ipcp.opened": False, "ppp.ipcp.rejected": "no-answer"},
        ),
        (ppp.LinkTerminated(False, "network", ""), {}),
        (
            ppp.AuthFailed("MS-CHAPv2", 691, "E=691", False),
            {"ppp.auth.result": "failure", "ppp.auth.error": 691, "ppp.auth.message": "E=691"},
        ),
        (EchoOutcome(False, 63, 0.25), {"tunnel.echo_reply": True, "tunnel.echo_rtt": 0.25}),
        (EchoOutcome(False, 63, None), {"tunnel.echo_reply": False}),
        (EchoOutcome(True, 1400, 0.25), {"tunnel.large_echo_reply": True}),
        (dial.DialClosed(False), {"dial.clean_teardown": False}),
    ],
    ids=repr,
)
def test_what_an_event_stands_for(event: dial.DialEvent, expected: dict[str, object]) -> None:
    got = observed(event)
    assert {name: got.get(name) for name in expected} == expected
    if not expected:
        assert got == {}


def test_a_refused_protocol_is_not_an_agreed_one() -> None:
    got = observed(ppp.AuthRequired(None, ("PAP",)))
    assert got["ppp.auth.refused"] == ("pap",)
    assert got["ppp.auth.required"] == "pap"
    assert "ppp.auth.protocol" not in got


STAGES: list[tuple[dict[str, object], str]] = [
    ({}, "resolve"),
    ({"resolve.ok": False}, "resolve"),
    ({"resolve.ok": True}, "reach"),
    ({"resolve.ok": True, "udp500.reply": False}, "reach"),
    ({"resolve.ok": True, "udp500.reply": True}, "ike_main"),
    ({"ike.main.reply_2": True}, "ike_main"),
    ({"ike.main.reply_2": True, "ike.main.reply_4": True}, "ike_auth"),
    ({"ike.main.reply_2": True, "ike.main.reply_4": True, "nat_t.floated": True}, "nat_t"),
    ({"udp500.reply": True, "ike.main.reply_4": True, "nat_t.floated": False}, "ike_auth"),
    (
        {"ike.main.reply_2": True, "ike.main.reply_4": True, "nat_t.floated": True, "udp4500.reply": True},
        "nat_t",  # an experiment's answer on 4500 is not the dial's
    ),
    (
        {
            "ike.main.reply_2": True,
            "ike.main.reply_4": True,
            "nat_t.floated": True,
            "ike.notify.encrypted": "AUTHENTICATION_FAILED",
        },
        "ike_auth",
    ),
    (
        {
            "ike.main.reply_2": True,
            "ike.main.reply_4": True,
            "nat_t.floated": True,
            "ike.main.reply_6": True,
        },
        "ike_auth",
    ),
    ({"ike.main.established": True}, "ike_quick"),
    ({"ike.quick.established": True}, "esp"),
    ({"ike.quick.established": True, "esp.received": True}, "l2tp"),
    ({"esp.received": True, "l2tp.established": True}, "lcp"),
    ({"l2tp.established": True, "ppp.lcp.opened": True}, "auth"),
    ({"ppp.lcp.opened": True, "ppp.auth.result": "failure"}, "auth"),
    ({"ppp.lcp.opened": True, "ppp.auth.result": "success"}, "ipcp"),
    ({"ppp.auth.result": "success", "dial.connected": True}, "connected"),
    ({"ppp.auth.result": "success", "dial.connected": False}, "ipcp"),
]


@pytest.mark.parametrize(("facts", "stage"), STAGES)
def test_the_furthest_stage(facts: dict[str, object], stage: str) -> None:
    log = ObservationLog()
    for name, value in facts.items():
        assert VOCABULARY[name].type is type(value)
        log.add(name, value, at=0.0, source="probe:dial")  # type: ignore[arg-type]  # types checked above
    assert stages.reached(log) == stage


def test_a_later_fact_replaces_an_earlier_one() -> None:
    log = ObservationLog()
    log.add("resolve.ok", True, at=0.0, source="probe:dial")
    log.add("ike.main.reply_2", True, at=0.0, source="probe:dial")
    log.add("ike.main.reply_2", False, at=1.0, source="probe:dial")
    assert stages.reached(log) == "reach"
