"""A dial beside another place's report, and beside a reflector that is not near the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from l2tp_doctor.report.json import CheckResult
from lab import faults
from lab.cases import Dial
from lab.checking import COMMAND, check
from lab.namespaces import Namespace, link, wait_running, wait_until
from lab.practice import Practice
from lab.topologies import Topology, topology

pytestmark = pytest.mark.gateway
FORCED = Dial(nat_t="forced")  # the practice gateway has no native ESP


@pytest.fixture(scope="module")
def gateway(lab_machine: None) -> Iterator[Practice]:
    made = Practice()
    try:
        made.serve()
        yield made
    finally:
        made.close()


@pytest.fixture
def path(gateway: Practice) -> Iterator[Topology]:
    with topology(gateway) as made:
        yield made


def test_an_answer_at_the_other_place_moves_the_fault_to_this_line(
    gateway: Practice, path: Topology, tmp_path: Path
) -> None:
    office, _ = path.add_client()
    theirs = check(office, path.dial_address, FORCED, gateway, tmp_path, limit=60)
    assert theirs.healthy
    report = tmp_path / "office.json"
    report.write_text(theirs.stdout)

    def here(*more: str) -> tuple[str, set[str]]:
        run = check(path.client, path.dial_address, FORCED, gateway, tmp_path, limit=60, more=more)
        assert run.result is not None, run.stderr
        rows = {item.id: item.source for item in run.result.observations}
        assert len(rows) == len(run.result.observations)
        first = run.result.causes[0]
        return first.id, {rows[identifier] for identifier in first.evidence}

    with faults.rule(path, f"ip saddr {path.client_address}", direction="out") as fault:
        alone, _ = here()
        both, sources = here("--with", f"office={report}")
        earlier, _ = here("--with", str(report))
    assert fault.packets > 0
    assert (alone, both, earlier) == ("gateway-unreachable", "udp-500-blocked", "gateway-unreachable")
    assert any(source.endswith("@office") for source in sources)


FAR = "192.0.2.250"


@pytest.fixture
def far_reflector(path: Topology, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A reflector behind the client's first router, away from the gateway's network."""
    token, output = tmp_path / "token", tmp_path / "reflector.txt"
    token.write_text("a token of the lab, 32 bytes long")
    output.write_text("")
    router = path.routers[0]
    with Namespace("far") as host:
        link(host, "eth0", router, "far")
        router.ip("addr add 192.0.2.249/30 dev far", "link set far up")
        host.ip(f"addr add {FAR}/30 dev eth0", "link set eth0 up", "route add default via 192.0.2.249")
        wait_running(host, "eth0")
        process = host.start(
            [str(COMMAND), "reflect", "serve", "--token-file", str(token), "--lang", "en"], output=output
        )
        try:
            wait_until(lambda: "Waiting for questions" in output.read_text(), 20, "the reflector listens")
            yield "--reflect", FAR, "--reflect-token-file", str(token)
        finally:
            process.stop()


@pytest.mark.parametrize(("only_the_gateway", "returned"), [(False, False), (True, True)])
def test_a_site_that_blocks_500_to_everywhere_is_told_from_one_gateway(
    gateway: Practice,
    path: Topology,
    far_reflector: tuple[str, ...],
    tmp_path: Path,
    only_the_gateway: bool,
    returned: bool,
) -> None:
    match = f"ip daddr {path.dial_address} udp dport 500" if only_the_gateway else "udp dport 500"
    with faults.rule(path, match, direction="out") as fault:
        run = check(path.client, path.dial_address, FORCED, gateway, tmp_path, limit=75, more=far_reflector)
    assert fault.packets > 0
    assert isinstance(run.result, CheckResult), run.stderr
    assert run.result.causes[0].id == "udp-500-blocked"
    rows = {item.name: item for item in run.result.observations if item.source == f"reflect:{FAR}"}
    assert rows["reflect.near_gateway"].value is False
    assert rows["reflect.udp500.returned"].value is returned
    assert rows["reflect.udp4500.returned"].value is True
    used = {*run.result.causes[0].evidence}
    assert (rows["reflect.udp500.arrived"].id in used) is not returned
