"""The lab's cases: the strict loader, and that every cause that can have a case has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from l2tp_doctor.knowledge.files import names
from l2tp_doctor.observations.vocabulary import VOCABULARY
from l2tp_doctor.practice.faults import FAULTS
from lab.cases import GATEWAYS, GROUPS, Case, load_case, load_cases, load_subset, option_names
from lab.libreswan import LibreswanOptions
from lab.strict_yaml import CaseError
from lab.strongswan import StrongSwanOptions

CASES = load_cases()

# Causes on the client's own machine: no gateway and no path can show them.
HOST_CAUSES = {
    "service-stopped", "service-disabled", "ipsec-prohibited", "ike-port-conflict",
    "windows-firewall-blocks-ike", "profile-misconfigured", "wan-miniport-broken",
    "windows-update-regression", "group-policy-overrides", "not-elevated", "file-locked",
    "temp-not-writable", "acl-denied", "execution-blocked", "controlled-folder-access", "mark-of-the-web",
}  # fmt: skip
# This list may only shrink.
WITHOUT_A_CASE = {
    "server-behind-nat": "it is a warning: a dial from Linux connects (healthy-server-behind-nat)",
    "path-mtu-blackhole": "it is a warning: the dial connects (mtu-black-hole)",
}

GOOD = """\
id: {id}
what: {{ja: 例, en: an example}}
gateway: strongswan
"""


def write(folder: Path, text: str, name: str = "example") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(GOOD.format(id=name) + text, encoding="utf-8")
    return path


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert {case.group for case in CASES} == set(GROUPS)


def test_the_subset_of_the_tests_has_every_group_and_gateway() -> None:
    subset = load_subset(CASES)
    assert len(subset) >= 32
    assert {case.group for case in subset} == set(GROUPS)
    assert {case.gateway for case in subset} == set(GATEWAYS)


def test_a_subset_names_cases_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "subset.txt"
    path.write_text(f"# a remark\n{CASES[0].id}\n", encoding="utf-8")
    assert load_subset(CASES, path) == (CASES[0],)
    for wrong in (f"{CASES[0].id}\n{CASES[0].id}\n", "no-such-case\n"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(CaseError, match=r"subset\.txt:"):
            load_subset(CASES, path)


def test_every_cause_of_network_gateway_and_credentials_has_a_case() -> None:
    proven = {cause for case in CASES for cause in case.causes}
    wanted = set(names("causes")) - HOST_CAUSES
    assert wanted - proven == set(WITHOUT_A_CASE)


def test_warnings_without_a_cause_have_a_healthy_case() -> None:
    warned = {name for case in CASES for step in case.steps for name in step.expect.warnings}
    assert {"server-behind-nat", "path-mtu-blackhole", "ike-alg-interference"} <= warned


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_uses_only_names_that_exist(case: Case) -> None:
    known = set(names("causes"))
    for step in case.steps:
        expect = step.expect
        assert {*expect.causes, *expect.warnings, *expect.may_warn} <= known
        assert {*expect.present, *expect.absent} <= set(VOCABULARY)
        options = {"strongswan": StrongSwanOptions, "libreswan": LibreswanOptions}.get(case.gateway)
        if options is not None:
            assert set(step.options) <= option_names(options)
        if case.gateway == "practice":
            faults = step.options.get("faults", ())
            assert isinstance(faults, tuple)
            assert set(faults) <= set(FAULTS)


def test_two_faults_are_mended_one_after_the_other(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "faults:\n  - {kind: drop-udp, port: 500}\n  - {kind: drop-esp, where: router 2}\n"
        "topology: {hops: 2}\nexpect: {cause: udp-500-blocked}\n"
        "then:\n  - expect: {cause: esp-blocked}\n"
        "  - {mend: nothing, dial: {psk: other}, expect: {cause: a}}\n",
    )
    first, second, third = load_case(path).steps
    assert [spec.kind for spec in first.faults] == ["drop-udp", "drop-esp"]
    assert [spec.kind for spec in second.faults] == ["drop-esp"]
    assert second.faults[0].where == "router 2"
    assert third.faults == second.faults
    assert third.dial.psk == "other"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("expect: {}\nfault: x\n", 5, "unknown key 'fault'"),
        ("expect: {}\nexpect: {}\n", 5, "is there twice"),
        ("faults: []\n", 1, "'expect' is missing"),
        ("expect:\n  cause: x\n  verdict: healthy\n", 5, "a faulty verdict names its cause"),
        ("expect: {}\nfaults:\n  - kind: drop-tcp\n", 6, "is none of"),
        ("expect: {}\nfaults:\n  - kind: drop-udp\n    port: many\n", 7, "a number is wanted"),
        ("expect: {}\nfaults:\n  - kind: drop-udp\n    direction: up\n", 7, "is none of"),
        ("expect: {}\nfaults:\n  - {kind: drop-esp, where: hop 2}\n", 6, "router N"),
        ("expect: {}\nfaults:\n  - {kind: drop-esp, port: 500}\n", 6, "unknown key 'port'"),
        ("expect: {}\ntopology: {shape: round}\n", 5, "is none of"),
        ("expect: {}\ndial: {aggressive: maybe}\n", 5, "true or false is wanted"),
        ("expect: [}\n", 4, ""),
        ("expect: healthy\n", 4, "a mapping is wanted"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(CaseError) as caught:
        load_case(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert complaint in str(caught.value)


def test_the_id_is_the_files_name(tmp_path: Path) -> None:
    path = write(tmp_path, "expect: {}\n").rename(tmp_path / "other.yaml")
    with pytest.raises(CaseError, match="not the file's name"):
        load_case(path)


def test_an_id_is_there_once(tmp_path: Path) -> None:
    for group in ("network", "gateway"):
        (tmp_path / group).mkdir()
        write(tmp_path / group, "expect: {}\n")
    with pytest.raises(CaseError, match="another case"):
        load_cases(tmp_path)


def test_an_unknown_group_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weather").mkdir()
    with pytest.raises(CaseError, match="weather"):
        load_cases(tmp_path)
