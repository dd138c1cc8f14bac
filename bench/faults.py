"""How long a verdict on each fault takes, and whether its first cause is the true one."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bench.dialer import Account, BenchError, check
from bench.gateways import SOFTETHER, STRONGSWAN, PracticeHost, account_of, path_to, renew, started
from bench.report import Section, Table, Target
from l2tp_doctor.practice.faults import FAULTS
from lab import faults
from lab.gateway import Gateway
from lab.namespaces import LabError
from lab.softether import SoftEther
from lab.strongswan import StrongSwan
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, Shape, Topology

TARGET_MEDIAN = 5.0
TARGET_WORST = 15.0
RTT = 0.02
"""The lab's faults are met on a path of 20 ms."""
WORKERS = 3
"""Practice gateways at a time: a check waits most of its time."""

# For a short run: one of every kind.
_QUICK_PRACTICE = (
    "psk-mismatch",
    "psk-mismatch-silent",
    "phase1-proposal-mismatch-silent",
    "udp-500-blocked",
    "esp-blocked",
    "ikev1-disabled",
    "l2tp-service-stuck",
    "ppp-credentials-rejected",
    "ppp-address-pool-exhausted",
    "gateway-certificate-expired",
    "packet-loss",
)
_QUICK_LAB = (
    "psk mismatch",
    "wrong password",
    "UDP 4500 dropped",
    "xl2tpd stopped",
)

Say = Callable[[str], None]
Arrange = Callable[[Topology], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault of the lab.

    Attributes:
        name: for people.
        expected: causes that are right; empty when nothing is wrong.
        arrange: makes the fault on a path.
        shape: the path.
        account: changes what the client is given.
    """

    name: str
    expected: tuple[str, ...]
    arrange: Arrange = lambda _path: contextlib.nullcontext()
    shape: Shape = DIRECT
    account: Callable[[Account], Account] = lambda account: account


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check said.

    Attributes:
        seconds: from the start of the measurement to its verdict, teardown included.
        right: whether the first cause is the expected one.
    """

    gateway: str
    name: str
    expected: tuple[str, ...]
    cause: str
    verdict: str
    seconds: float
    right: bool


def _cases(gateway: StrongSwan | SoftEther) -> list[Case]:
    """The faults that can be made on a real gateway."""
    wrong_key = Case(
        "psk mismatch", ("psk-mismatch",), account=lambda account: replace(account, psk="not-this")
    )
    wrong_password = Case(
        "wrong password",
        ("ppp-credentials-rejected",),
        account=lambda account: replace(account, password="not-this"),
    )
    path_cases = [
        Case("UDP 500 dropped", ("udp-500-blocked",), lambda path: faults.drop_udp(path, 500)),
        Case(
            "UDP 4500 dropped",
            ("udp-4500-blocked",),
            lambda path: faults.drop_udp(path, 4500),
            CLIENT_BEHIND_NAT,
        ),
        Case("everything dropped", ("gateway-unreachable",), faults.drop_all),
    ]
    if isinstance(gateway, StrongSwan):
        return [wrong_key, wrong_password, *path_cases, *_strongswan_cases(gateway)]
    return [wrong_key, wrong_password, *path_cases, *_softether_cases(gateway)]


# A daemon that is frozen keeps its ports open and says nothing: from outside that is the same as a
# filter on its ports, so either name is true.
_SILENT_DAEMON = ("ike-service-down", "udp-500-blocked")


def _strongswan_cases(gateway: StrongSwan) -> list[Case]:
    return [
        Case("ESP dropped", ("esp-blocked",), faults.drop_esp),
        Case("daemon stopped", ("ike-service-down",), lambda _path: gateway.stopped("charon")),
        Case("daemon paused", _SILENT_DAEMON, lambda _path: gateway.paused("charon")),
        Case("xl2tpd stopped", ("l2tp-service-down",), lambda _path: gateway.stopped("xl2tpd")),
        Case(
            "phase 1 proposal mismatch",
            ("phase1-proposal-mismatch",),
            lambda _path: gateway.configured(ike="aes256-sha512-modp4096"),
        ),
        Case(
            "phase 2 proposal mismatch",
            ("phase2-proposal-mismatch",),
            lambda _path: gateway.configured(esp="aes256-sha512"),
        ),
    ]


def _softether_cases(gateway: SoftEther) -> list[Case]:
    # SoftEther always makes its clients float, so its ESP travels in UDP 4500: what has no non-ESP marker.
    in_udp = "udp dport 4500 udp length > 12 @th,64,32 != 0"
    return [
        Case("ESP in UDP dropped", ("esp-blocked",), lambda path: faults.rule(path, in_udp, direction="out")),
        Case("daemon stopped", ("ike-service-down",), lambda _path: gateway.stopped()),
        Case("daemon paused", _SILENT_DAEMON, lambda _path: gateway.paused()),
    ]


def measure(*, quick: bool, say: Say) -> Section:
    """Meets every fault once; the two lab gateways and the practice gateways run side by side."""
    with ThreadPoolExecutor(WORKERS + 2) as pool:
        labs = [pool.submit(_lab, name, quick, say) for name in (STRONGSWAN, SOFTETHER)]
        names = [name for name in FAULTS if not quick or name in _QUICK_PRACTICE]
        practice = [pool.submit(_practice, name, say) for name in names]
        found = [verdict for lab in labs for verdict in lab.result()]
        found += [future.result() for future in practice]
    return _section(found)


def _lab(name: str, quick: bool, say: Say) -> list[Verdict]:
    found = []
    with started(name) as gateway:
        if isinstance(gateway, PracticeHost):
            raise BenchError("the practice gateway has faults of its own")
        for case in _cases(gateway):
            if quick and case.name not in _QUICK_LAB:
                continue
            found.append(_meet(gateway, name, case))
            say(_line(found[-1]))
            _recover(gateway)
    return found


def _meet(gateway: Gateway, name: str, case: Case) -> Verdict:
    account = case.account(account_of(gateway))
    with path_to(gateway, case.shape, RTT) as path, case.arrange(path):
        return _verdict(path, name, case.name, case.expected, account)


def _recover(gateway: Gateway) -> None:
    try:
        gateway.wait_clean(0.5)
    except LabError:
        renew(gateway)


def _practice(name: str, say: Say) -> Verdict:
    cause = FAULTS[name].cause
    with _practice_path(name) as (path, account):
        verdict = _verdict(path, "practice", name, (cause,) if cause else (), account)
    say(_line(verdict))
    return verdict


@contextlib.contextmanager
def _practice_path(name: str) -> Iterator[tuple[Topology, Account]]:
    with PracticeHost([name]) as gateway, path_to(gateway, CLIENT_BEHIND_NAT) as path:
        yield path, gateway.account


def _verdict(path: Topology, gateway: str, name: str, expected: tuple[str, ...], account: Account) -> Verdict:
    # The literal address: it is what the practice gateway's certificates name.
    begin = time.perf_counter()
    try:
        done = check(path, account, address=path.dial_address)
    except BenchError:  # a check without a report has given no verdict
        return Verdict(gateway, name, expected, "", "no report", time.perf_counter() - begin, False)
    # A fault that lets the dial succeed is named by a warning.
    named = [done.cause] if done.cause else [str(item["id"]) for item in done.report["warnings"]]
    right = named[0] in expected if named and expected else not named and not expected
    return Verdict(gateway, name, expected, ", ".join(named[:1]), done.verdict, done.measured, right)


def _line(item: Verdict) -> str:
    mark = "" if item.right else f"  <-- expected {' or '.join(item.expected) or 'nothing'}"
    return f"  {item.gateway}, {item.name}: {item.cause or item.verdict} after {item.seconds:.1f} s{mark}"


# -- what is shown ---------------------------------------------------------------------------------


def _section(found: Sequence[Verdict]) -> Section:
    section = Section("faults", "Time to a verdict, fault by fault")
    table = Table("Seconds from the start to the verdict, teardown included", _COLUMNS)
    for item in found:
        expected = " or ".join(item.expected) or "nothing"
        named = item.cause or item.verdict
        as_expected = "as expected" if item.right else f"expected {expected}"
        table.rows.append((f"{item.gateway}: {item.name}", f"{item.seconds:.2f}", named, as_expected))
    seconds = [item.seconds for item in found]
    right = sum(item.right for item in found)
    median, worst = statistics.median(seconds), max(found, key=lambda item: item.seconds)
    section.tables.append(table)
    section.targets += [
        Target(
            f"time to verdict, median of {len(found)} faults",
            f"≤ {TARGET_MEDIAN:g} s",
            f"{median:.2f} s",
            median <= TARGET_MEDIAN,
        ),
        Target(
            f"time to verdict, worst ({worst.gateway}: {worst.name})",
            f"≤ {TARGET_WORST:g} s",
            f"{worst.seconds:.2f} s",
            worst.seconds <= TARGET_WORST,
        ),
        Target("true cause named first", "all", f"{right} of {len(found)}", right == len(found)),
    ]
    section.notes += [
        (
            f"strongSwan and SoftEther: one dial each on a path of {RTT * 1000:.0f} ms; practice gateway: "
            f"no added delay, client behind a NAT, {WORKERS} at a time"
        ),
        "a frozen daemon cannot be told from a filter on its ports: either name counts as right",
        "a fault that lets the dial succeed counts by its first warning",
    ]
    section.data["verdicts"] = [
        {
            "gateway": item.gateway,
            "fault": item.name,
            "expected": list(item.expected),
            "cause": item.cause,
            "verdict": item.verdict,
            "seconds": item.seconds,
            "right": item.right,
        }
        for item in found
    ]
    section.data["median"], section.data["worst"] = median, worst.seconds
    return section


_COLUMNS = ("fault", "seconds", "first cause", "")
