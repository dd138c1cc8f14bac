"""The scoreboard, the judgement of a dial, and how the other tools' outputs are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l2tp_doctor.report.json import decode
from lab import peers, scoreboard
from lab.cases import Expected
from lab.checking import Checked
from lab.replay import observations, sanitized, write_fixtures
from lab.runner import compare
from lab.scoreboard import Outcome, PeerAnswer, Result

RIGHT = Outcome("udp-500-blocked", "udp-500-blocked", True, 5.0)
ALARM = Outcome("healthy", "psk-mismatch", False, 2.0)
PEERS = {"ike-scan": PeerAnswer("no answer", True, 3.0)}


def report(**changes: Any) -> str:
    plain: dict[str, Any] = {
        "schema_version": 1,
        "target": {"host": "203.0.113.1", "address": "203.0.113.1"},
        "verdict": "faulty",
        "stage": "reach",
        "windows_error": {"code": 809, "name": "ERROR_VPN_TIMEOUT"},
        "causes": [
            {
                "id": "udp-500-blocked",
                "probability": 0.9,
                "title": {"ja": "", "en": ""},
                "evidence": ["obs-1"],
                "fixes": [],
            }
        ],
        "observations": [
            {"id": "obs-1", "name": "host.alive", "value": True, "at": 1.0, "source": "probe:ping"},
            {"id": "obs-2", "name": "path.rtt", "value": 0.003412, "at": 1.5, "source": "probe:dial"},
            {
                "id": "obs-3",
                "name": "ppp.auth.message",
                "value": "E=691 R=0 C=0123456789ABCDEF0123456789ABCDEF V=3",
                "at": 2.5,
                "source": "probe:dial",
            },
        ],
        "timeline": [],
        "elapsed_seconds": 3.0,
    }
    return json.dumps({**plain, **changes})


def judged(expected: Expected, code: int = 1, **changes: Any) -> Outcome:
    return compare(expected, Checked(code, report(**changes), "", 3.0))


def test_a_right_answer() -> None:
    outcome = judged(Expected(("udp-500-blocked",), ("reach",), present={"host.alive": True}))
    assert outcome.right
    assert outcome.problems == ()
    assert (outcome.got, outcome.windows_error, outcome.probability) == ("udp-500-blocked", 809, 0.9)


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        (Expected(("udp-500-blocked",), ("ike_main",)), "stage reach, not ike_main"),
        (Expected(("udp-500-blocked",), warnings=("packet-loss",)), "no warning packet-loss"),
        (Expected(("udp-500-blocked",), present={"host.alive": False}), "host.alive is True, not False"),
        (
            Expected(("udp-500-blocked",), present={"host.ping_reply": None}),
            "host.ping_reply is None, not any",
        ),
        (Expected(("udp-500-blocked",), absent=("host.alive",)), "host.alive was measured"),
    ],
)
def test_what_else_is_wrong_is_said(expected: Expected, problem: str) -> None:
    outcome = judged(expected)
    assert outcome.right
    assert outcome.problems == (problem,)


def test_a_wrong_answer_an_unnamed_one_and_none_at_all() -> None:
    assert not judged(Expected(("esp-blocked",))).right
    assert not judged(Expected(())).right
    assert judged(Expected(("esp-blocked",)), 3, verdict="undetermined").got == "undetermined"
    nothing = compare(Expected(()), Checked(1, "", "a traceback", 3.0))
    assert not nothing.right
    assert "a traceback" in nothing.problems[0]


def test_an_exit_status_that_contradicts_the_report_is_a_problem() -> None:
    assert judged(Expected(("udp-500-blocked",)), 0).problems == ("exit status 0 for faulty",)


def test_the_figures() -> None:
    two = Result("b", "two-faults", "strongswan", (RIGHT, ALARM))
    board = scoreboard.scoreboard([Result("c", "network", "softether", (RIGHT,), PEERS), two])
    assert (board["cases"], board["top1"], board["healthy_false_alarms"]) == (2, 1, 1)
    assert [item["id"] for item in board["results"]] == ["b", "c"]
    assert board["results"][1]["peers"]["ike-scan"]["said"] == "no answer"
    assert scoreboard.verdict_seconds(board) == (5.0, 5.0)
    assert "BAD" in scoreboard.table(board)
    text = scoreboard.markdown(board, {"c": "UDP 500 | dropped"})
    assert "UDP 500 \\| dropped" in text
    assert "| ike-scan | right in 1 of 1 |" in text
    again = scoreboard.scoreboard([Result("c", "network", "softether", (ALARM,))], board["results"])
    assert [item["got"] for item in again["results"]] == ["udp-500-blocked", "psk-mismatch"]
    assert again["results"][1]["peers"] == board["results"][1]["peers"]


def test_fixtures_are_freed_of_what_changes_from_run_to_run(tmp_path: Path) -> None:
    runs, fixtures = tmp_path / "runs", tmp_path / "fixtures"
    (runs / "c").mkdir(parents=True)
    (runs / "c" / "check.json").write_text(report())
    scoreboard.write(
        [Result("c", "network", "softether", (RIGHT,)), Result("d", "network", "softether", (ALARM,))],
        runs / "scoreboard.json",
    )
    assert write_fixtures(runs, fixtures) == ["c"]
    [step] = json.loads((fixtures / "c.json").read_text())["steps"]
    assert step == sanitized(decode(report().encode()))
    found = observations(step)
    assert [item.id for item in found] == ["obs-1", "obs-2", "obs-3"]
    assert [item.value for item in found] == [True, 0.001, "E=691 R=0 C=0 V=3"]


# Shortened outputs of the tools themselves (ike-scan 1.9.5, nmap 7.93).
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("203.0.113.1\tMain Mode Handshake returned HDR=(CKY-R=0) SA=(Enc=AES)\n", "answers"),
        ("203.0.113.1\tNotify message 14 (NO-PROPOSAL-CHOSEN) HDR=(CKY-R=0)\n", "NO-PROPOSAL-CHOSEN"),
        ("Ending ike-scan 1.9.5: 1 hosts scanned.  0 returned handshake; 0 returned notify\n", "no answer"),
    ],
)
def test_ike_scan_is_read(output: str, said: str) -> None:
    assert peers.read_ike_scan(output).said == said


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("500/udp open  isakmp\n", "open"),
        ("500/udp open|filtered isakmp\n", "open|filtered"),
        ("500/udp closed isakmp\n", "closed"),
        ("Note: Host seems down.\n", "no answer"),
    ],
)
def test_nmap_is_read(output: str, said: str) -> None:
    assert peers.read_nmap(output).said == said


def test_a_tcp_test_cannot_tell_a_healthy_gateway() -> None:
    refused = peers.read_tcp({500: "ConnectionRefusedError", 4500: "ConnectionRefusedError"})
    assert refused.said == "False"
    assert "healthy" not in refused.true_for


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("sending retransmit 1 of request message ID 0, seq 1\n", "udp-500-blocked"),
        (
            "generating ID_PROT request 0 [ ID HASH N(INITIAL_CONTACT) ]\nsending retransmit 1\n",
            "udp-4500-blocked",
        ),
        ("received NO_PROPOSAL_CHOSEN error notify\n", "phase1-proposal-mismatch"),
        ("received AUTHENTICATION_FAILED error notify\n", "peer-identity-rejected"),
        (
            "generating QUICK_MODE request\nMaximum retries exceeded for tunnel 1.  Closing.\n",
            "l2tp-service-down",
        ),
        ("MS-CHAP authentication failed: E=691\n", "ppp-credentials-rejected"),
        ("", ""),
    ],
)
def test_the_linux_clients_log_is_read(log: str, cause: str) -> None:
    found = peers.read_client_log(log)
    assert (cause in found.true_for) if cause else not found.true_for
