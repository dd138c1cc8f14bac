"""Other tools on the same cases: what each concludes, read from what it prints, and whether that is true.

The judgement is generous.  A tool that only says "no answer" is right wherever nothing answers on UDP 500,
although that leaves several causes open; a tool that says "answers" is right only where nothing is wrong.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.cases import Case, Step
from lab.gateway import Gateway, User
from lab.namespaces import LabError, Namespace
from lab.reference_client import ReferenceClient
from lab.scoreboard import PeerAnswer
from lab.topologies import Topology

_TIMEOUT = 90.0
_LINUX_CLIENT_SECONDS = 25.0
"""For each half of its dial; a healthy one takes 9 s in all."""
_HEALTHY = frozenset({"healthy"})
_SILENT_500 = frozenset({"udp-500-blocked", "ike-service-down", "gateway-unreachable"})
_PORTS = _SILENT_500 | {"udp-4500-blocked"}
_RFC_3947 = "4a131c81070358455c5728f20e95452f"


@dataclass(frozen=True)
class Conclusion:
    """What a tool's output comes to, and the answers that are true with it."""

    said: str
    true_for: frozenset[str]


def read_ike_scan(output: str) -> Conclusion:
    """Read what ike-scan printed about one host."""
    if "Main Mode Handshake returned" in output:
        return Conclusion("answers", _HEALTHY)
    if notify := re.search(r"Notify message \d+ \(([\w-]+)\)", output):
        refused = frozenset({"phase1-proposal-mismatch"}) if "PROPOSAL" in notify[1] else frozenset[str]()
        return Conclusion(notify[1], refused)
    return Conclusion("no answer", _SILENT_500)


def read_nmap(output: str) -> Conclusion:
    """Read what nmap's ike-version said of UDP 500."""
    found = re.search(r"^500/udp\s+(\S+)", output, re.MULTILINE)
    state = found[1] if found else "no answer"
    if "ike-version" in output or state == "open":
        return Conclusion("open", _HEALTHY)
    if state == "closed":
        return Conclusion("closed", frozenset({"ike-service-down"}))
    return Conclusion(state, _SILENT_500)


def read_tcp(states: Mapping[int, str]) -> Conclusion:
    """Read TCP connection attempts as ``Test-NetConnection -Port`` does: True or False."""
    if all(state == "open" for state in states.values()):
        return Conclusion("True", _HEALTHY)
    return Conclusion("False", _PORTS)


# In the order in which they would be read from the end of a log; the first that is there decides.
_CLIENT_LOG: tuple[tuple[str, str, frozenset[str]], ...] = (
    (r"received NO_PROPOSAL_CHOSEN error notify.*\n(?:.*\n)*?.*QUICK_MODE", "phase 2 refused",
     frozenset({"phase2-proposal-mismatch"})),
    (r"(?:MS-CHAP|CHAP|PAP) authentication failed", "password refused",
     frozenset({"ppp-credentials-rejected"})),
    (r"peer refused to authenticate|LCP: timeout|authentication protocol", "no PPP authentication",
     frozenset({"ppp-auth-protocol-mismatch"})),
    (r"Could not determine local IP address|IPCP: timeout|No network protocols running",
     "no address", frozenset({"ppp-address-pool-exhausted"})),
    (r"Maximum retries exceeded for tunnel", "L2TP silent", frozenset({"l2tp-service-down", "esp-blocked"})),
    (r"Connection closed to|Call closed|control_finish: Connection closed", "L2TP refused",
     frozenset({"l2tp-call-rejected", "ppp-address-pool-exhausted"})),
    (r"generating QUICK_MODE request", "phase 2 fails", frozenset({"phase2-proposal-mismatch"})),
    (r"received AUTHENTICATION_FAILED error notify", "authentication failed",
     frozenset({"psk-mismatch", "peer-identity-rejected"})),
    (r"received NO_PROPOSAL_CHOSEN error notify", "no proposal chosen",
     frozenset({"phase1-proposal-mismatch"})),
    (r"invalid HASH_V1 payload length|could not decrypt payloads|PAYLOAD_MALFORMED", "cannot decrypt",
     frozenset({"psk-mismatch"})),
    (r"generating ID_PROT request 0 \[ ID HASH", "silent after message 5",
     frozenset({"udp-4500-blocked", "psk-mismatch"})),
    (r"generating ID_PROT request 0 \[ KE No", "silent after message 3", frozenset()),
    (r"giving up after \d+ retransmits|sending retransmit", "no answer", _SILENT_500),
)  # fmt: skip


def read_client_log(log: str) -> Conclusion:
    """Read the plain messages of a Linux client's log as an experienced person does."""
    for pattern, said, causes in _CLIENT_LOG:
        if re.search(pattern, log):
            return Conclusion(said, causes)
    return Conclusion("nothing to go by", frozenset())


def available() -> dict[str, str]:
    """Return which of the tools are here: name → program."""
    programs = {"ike-scan": "ike-scan", "nmap": "nmap"}
    return {name: path for name, program in programs.items() if (path := shutil.which(program))}


def ask(case: Case, step: Step, path: Topology, gateway: Gateway, *, slow: bool) -> dict[str, PeerAnswer]:
    """Ask every tool about a case whose faults are in force.

    Args:
        case: the case.
        step: its dial.
        path: the path to the gateway.
        gateway: whose account the slow one uses.
        slow: also the Linux client, which takes up to a minute.
    """
    client, address = path.client, path.dial_address
    truth = frozenset(step.expect.causes) or _HEALTHY
    tools: dict[str, Callable[[], Conclusion]] = {}
    if "ike-scan" in available():
        tools["ike-scan"] = lambda: read_ike_scan(_run(client, ["ike-scan", "--sport=0", address]))
        vendor = ["--sport=0", f"--vendor={_RFC_3947}", "--trans=7/256,2,1,14", address]
        tools["ike-scan with vendor ID"] = lambda: read_ike_scan(_run(client, ["ike-scan", *vendor]))
    if "nmap" in available():
        scan = ["nmap", "-n", "-Pn", "-sU", "-p", "500", "--script", "ike-version", address]
        tools["nmap ike-version"] = lambda: read_nmap(_run(client, scan))
    tools["TCP test of 500 and 4500"] = lambda: read_tcp(
        {port: client.call(_tcp, address, port) for port in (500, 4500)}
    )

    def answer(tool: Callable[[], Conclusion]) -> PeerAnswer:
        begin = time.monotonic()
        found = tool()
        return PeerAnswer(found.said, bool(truth & found.true_for), time.monotonic() - begin)

    # Side by side: they mostly wait, each on sockets of its own.
    with ThreadPoolExecutor(len(tools)) as pool:
        answers = dict(zip(tools, pool.map(answer, tools.values()), strict=True))
    if slow and not step.dial.certificate and not step.dial.host:
        answers["strongSwan client's log"] = answer(lambda: _linux_client(step, path, gateway))
    return answers


def _run(client: Namespace, argv: list[str]) -> str:
    try:
        return client.run(argv, check=False, timeout=_TIMEOUT).stdout
    except LabError:
        return ""


def _tcp(address: str, port: int) -> str:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as channel:
        channel.settimeout(3)
        try:
            channel.connect((address, port))
        except OSError as error:
            return type(error).__name__
        return "open"


def _linux_client(step: Step, path: Topology, gateway: Gateway) -> Conclusion:
    account = gateway.users[0]
    user = User(step.dial.user or account.name, step.dial.password or account.password)
    with ReferenceClient(path) as client:
        try:
            client.dial(step.dial.psk or gateway.psk, user, timeout=_LINUX_CLIENT_SECONDS)
        except LabError as error:
            return read_client_log(str(error))
        client.hang_up()
    return Conclusion("connected", _HEALTHY)
