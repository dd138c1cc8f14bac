"""Where IKE disappears, on real paths: real routers' ICMP, real filters, a real gateway at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from l2tp_doctor.diagnosis import diagnose
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.hops import CONTROLS, Flow, HopProbe, HopTrace, trace_hops
from l2tp_doctor.network.path import Recorder
from l2tp_doctor.network.udp import family_of, local_address_towards
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.hops import localise
from l2tp_doctor.protocol.engine import Channel
from lab import faults
from lab.namespaces import Namespace
from lab.softether import SoftEther
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, Topology, topology
from tests.integration.checking import UNPRIVILEGED, Checked, Doctor, arguments, run
from tests.integration.handover import prepare_softether

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("softether")]

HOPS = ("198.51.100.1", "192.0.2.2", "192.0.2.10")
HOPS6 = ("2001:db8:1::1", "2001:db8:ff::2", "2001:db8:ff:1::2")
PATIENCE = 4.5
"""Seconds of the dial's own patience with a silent gateway."""

# Only the shape of an IKEv1 header tells: version 1.0 in its 18th octet, behind a UDP header of 8.
IKE_LOOK = "meta l4proto udp @th,200,8 0x10"

# An IKEv1 header and nothing behind it: a gateway has no use for it, and keeps nothing.
HEADER = bytes(range(1, 9)) + bytes(8) + bytes.fromhex("01100200 00000000 0000001c")

MakePath = Callable[[], contextlib.AbstractContextManager[Doctor]]


@pytest.fixture
def direct(softether_gateway: SoftEther, tmp_path: Path) -> MakePath:
    """Makes a path of three routers."""
    prepare_softether(softether_gateway)

    @contextlib.contextmanager
    def make() -> Iterator[Doctor]:
        with topology(softether_gateway, DIRECT, hops=3) as path:
            yield Doctor(softether_gateway, path, tmp_path)

    return make


@contextlib.contextmanager
def mute(router: Namespace) -> Iterator[None]:
    """Have a router tell nobody when hops run out."""
    router.nft(
        "table inet mute { chain out { type filter hook output priority 0;\n"
        " icmp type time-exceeded drop\n icmpv6 type time-exceeded drop\n }\n}\n"
    )
    try:
        yield
    finally:
        router.run(["nft", "delete", "table", "inet", "mute"])


def traced(path: Topology, remote: str) -> tuple[HopTrace, float]:
    """Traces from the client; returns the trace and how long it took."""

    async def main() -> tuple[HopTrace, float]:
        loop = asyncio.get_running_loop()
        local = local_address_towards(Endpoint(remote, 500), family_of(remote))
        started = loop.time()
        found = await trace_hops(
            HopProbe(
                local,
                remote,
                (500, 4500),
                {Channel.IKE: HEADER, Channel.NAT_T: bytes(4) + HEADER},
                Recorder(started),
                lambda *_: None,
                lambda *_: None,
            )
        )
        return found, loop.time() - started

    return path.client.call(lambda: asyncio.run(main()))


def remote_of(path: Topology, version: int) -> str:
    if version == 4:
        return path.dial_address
    assert path.dial_address6 is not None
    return path.dial_address6


def proof_of(checked: Checked) -> str:
    """Return what the first cause rests on, in words: the JSON has the observations and no sentences."""
    observations = [
        Observation(
            item.id,
            item.name,
            tuple(item.value) if isinstance(item.value, list) else item.value,
            item.at,
            item.source,
            reason=item.reason,
        )
        for item in checked.result.observations
    ]
    first = diagnose(observations, stage=checked.result.stage).causes[0]
    assert first.id == checked.causes[0]
    return " ".join(reason.text.en for reason in first.proof)


def in_time(checked: Checked) -> None:
    """The hops were found while the dial was still waiting."""
    at = max(item.at for item in checked.result.observations if item.name.startswith("hops."))
    assert at < PATIENCE, checked.explain()


# -- the trace --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("unprivileged_ping", [False, True])
def test_a_healthy_path_of_three_routers(direct: MakePath, version: int, unprivileged_ping: bool) -> None:
    with direct() as doctor:
        if unprivileged_ping:
            doctor.path.client.run(["sysctl", "-qw", "net.ipv4.ping_group_range=0 0"])
        found, took = traced(doctor.path, remote_of(doctor.path, version))
    routers = HOPS if version == 4 else HOPS6
    assert found.distance == 4
    assert tuple(found.passed([Flow.PING]).values())[:3] == routers
    for flow in (Flow.IKE_500, Flow.IKE_4500):
        assert tuple(found.passed([flow]).values())[:3] == routers
        where = localise(found, flow)
        assert (where.last >= 3, where.control_beyond, where.to_last_router) == (True, False, True)
    assert took < 2.5


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("dropper", [0, 1, 2])
@pytest.mark.parametrize(("port", "flow"), [(500, Flow.IKE_500), (4500, Flow.IKE_4500)])
def test_each_router_in_turn(direct: MakePath, version: int, dropper: int, port: int, flow: Flow) -> None:
    """A router that drops what it forwards still answers what dies at it, so it is the last one reached."""
    with direct() as doctor:
        with faults.drop_udp(doctor.path.routers[dropper], port, direction="out") as fault:
            found, took = traced(doctor.path, remote_of(doctor.path, version))
        assert fault.packets > 0
    where = localise(found, flow)
    assert where.last == dropper + 1
    assert where.control_beyond is (dropper < 2)
    assert where.to_last_router is (dropper == 2)
    other = Flow.IKE_4500 if flow is Flow.IKE_500 else Flow.IKE_500
    assert localise(found, other).last >= 3
    assert took < 2.5


def test_a_router_that_drops_what_arrives_is_not_reached(direct: MakePath) -> None:
    with (
        direct() as doctor,
        faults.rule(doctor.path.routers[1], "udp dport 500", direction="out", hook="prerouting"),
    ):
        found, _took = traced(doctor.path, doctor.path.dial_address)
    where = localise(found, Flow.IKE_500)
    assert (where.last, where.next_hop, where.control_beyond) == (1, 2, True)


def test_a_router_that_keeps_silent_makes_a_gap(direct: MakePath) -> None:
    with (
        direct() as doctor,
        mute(doctor.path.routers[1]),
        faults.drop_udp(doctor.path.routers[1], 500, direction="out"),
    ):
        found, took = traced(doctor.path, doctor.path.dial_address)
    where = localise(found, Flow.IKE_500)
    assert sorted(found.passed(CONTROLS)) == [1, 3, 4]
    assert (where.last, where.last_address) == (1, HOPS[0])
    assert (where.next_hop, where.next_address, where.control_beyond) == (3, HOPS[2], True)
    assert localise(found, Flow.IKE_4500).last >= 3
    assert took < 2.5


def test_a_path_without_icmp_proves_nothing(direct: MakePath) -> None:
    with direct() as doctor, faults.drop_icmp(doctor.path.routers[0]), mute(doctor.path.routers[0]):
        found, took = traced(doctor.path, doctor.path.dial_address)
    assert found.passed(CONTROLS) == {}
    assert took < 2.5


def test_all_udp_dropped_blames_no_hop_for_ike(direct: MakePath) -> None:
    with direct() as doctor, faults.rule(doctor.path.routers[1], "meta l4proto udp", direction="out"):
        found, _took = traced(doctor.path, doctor.path.dial_address)
    where = localise(found, Flow.IKE_500)
    assert (where.last, where.passed_by, where.control_beyond) == (2, ("ping",), None)


# -- the whole check --------------------------------------------------------------------------


def test_a_healthy_dial_asks_no_hops(direct: MakePath) -> None:
    with direct() as doctor:
        checked = doctor.healthy()
    assert not [name for name in checked.values() if name.startswith("hops.")]


@pytest.mark.parametrize("version", [4, 6])
def test_udp_500_dropped_at_the_second_router(direct: MakePath, version: int) -> None:
    routers = HOPS if version == 4 else HOPS6
    with direct() as doctor, faults.drop_udp(doctor.path.routers[1], 500, direction="out"):
        checked = doctor.faulty("udp-500-blocked", host=remote_of(doctor.path, version))
    assert checked.value("hops.distance") == 4
    assert checked.value("hops.ike_500") == [f"1 {routers[0]}", f"2 {routers[1]}"]
    assert checked.value("hops.ike_500_last") == 2
    assert checked.value("hops.ike_500_last_address") == routers[1]
    assert checked.value("hops.ike_500_control_beyond") is True
    assert checked.value("hops.ike_4500_last") >= 3
    assert (
        f"IKE on UDP 500 disappears after hop 2 ({routers[1]}), "
        f"while hop 3 ({routers[2]}) is reached by ping, UDP 53." in proof_of(checked)
    )
    in_time(checked)


def test_the_paragraph_for_people_names_the_hop(direct: MakePath, tmp_path: Path) -> None:
    with direct() as doctor, faults.drop_udp(doctor.path.routers[1], 500, direction="out"):
        argv = [item for item in arguments(doctor.gateway, tmp_path) if item != "--json"]
        checked = run(doctor.path.client, ["check", doctor.path.dial_address, *argv])
    assert "disappears after hop 2 (192.0.2.2)" in " ".join(checked.stdout.split())


def test_both_ports_dropped_is_blamed_on_the_path_and_not_on_the_service(direct: MakePath) -> None:
    with (
        direct() as doctor,
        faults.rule(doctor.path.routers[1], "udp dport { 500, 4500 }", direction="out"),
    ):
        checked = doctor.faulty("udp-500-blocked")
    assert checked.result.causes[0].probability > 0.95, checked.explain()
    assert (checked.value("hops.ike_500_last"), checked.value("hops.ike_4500_last")) == (2, 2)
    in_time(checked)


def test_udp_4500_dropped_behind_a_nat(softether_gateway: SoftEther, tmp_path: Path) -> None:
    with topology(softether_gateway, CLIENT_BEHIND_NAT, hops=3) as path:
        doctor = Doctor(softether_gateway, path, tmp_path)
        with faults.drop_udp(path.routers[1], 4500, direction="out"):
            checked = doctor.faulty("udp-4500-blocked")
    assert checked.value("hops.distance") == 5  # the NAT is the first hop
    assert checked.value("hops.ike_4500_last") == 3
    assert checked.value("hops.ike_4500_control_beyond") is True
    assert checked.value("hops.ike_500_last") >= 4
    assert "IKE on UDP 4500 disappears after hop 3" in proof_of(checked)


def test_udp_4500_dropped_at_the_last_router(direct: MakePath) -> None:
    with direct() as doctor, faults.drop_udp(doctor.path.routers[2], 4500, direction="out"):
        checked = doctor.faulty("udp-4500-blocked", "--nat-t", "forced")
    assert checked.value("hops.ike_4500_last") == 3
    assert checked.value("hops.ike_4500_to_last_router") is True
    assert "gets as far as hop 3 (192.0.2.10), the last router before the gateway" in proof_of(checked)


def test_only_what_looks_like_ike_is_dropped(direct: MakePath) -> None:
    with direct() as doctor:
        with faults.rule(doctor.path.routers[1], IKE_LOOK, direction="out") as fault:
            checked = doctor.faulty("udp-500-blocked")
        assert fault.packets > 0
    assert checked.value("hops.ike_500_last") == 2, checked.explain()
    assert checked.value("hops.ike_500_passed_by") == ["ping", "UDP 53"]


def test_a_router_that_refuses_is_named_with_its_hop(direct: MakePath) -> None:
    with (
        direct() as doctor,
        faults.drop_udp(doctor.path.routers[1], 500, direction="out", reject="admin-prohibited"),
    ):
        checked = doctor.faulty("udp-500-blocked")
    assert checked.value("hops.ike_500_refused") == "2 (192.0.2.2)", checked.explain()
    assert checked.value("udp500.icmp") == "admin-prohibited"


def test_a_stopped_service_is_not_blamed_on_the_path(direct: MakePath) -> None:
    """The gateway's own firewall drops, as if nobody were there: IKE gets to the last router."""
    with (
        direct() as doctor,
        faults.rule(doctor.path.routers[2], "udp dport { 500, 4500 }", direction="out"),
    ):
        checked = doctor.check()
    assert checked.value("hops.ike_500_to_last_router") is True, checked.explain()
    assert {"udp-500-blocked", "ike-service-down"} <= set(checked.causes)


def test_a_dead_path_names_where_it_ends(direct: MakePath) -> None:
    with direct() as doctor, faults.drop_all(doctor.path.routers[1], direction="out"):
        checked = doctor.faulty("gateway-unreachable")
    assert checked.value("hops.control_last") == 2
    assert checked.value("hops.distance") is None
    assert "hop 2 (192.0.2.2)" in proof_of(checked)


def test_without_privileges_it_works_as_well(direct: MakePath) -> None:
    with direct() as doctor, faults.drop_udp(doctor.path.routers[1], 500, direction="out"):
        checked = doctor.check(prefix=UNPRIVILEGED)
    assert checked.causes[:1] == ["udp-500-blocked"], checked.explain()
    assert checked.value("hops.ike_500_last") == 2
    assert checked.value("hops.ike_500_passed_by") == ["UDP 53"]


def test_the_gateway_keeps_nothing_of_it(direct: MakePath) -> None:
    with direct() as doctor:
        with faults.drop_udp(doctor.path.routers[1], 4500, direction="out"):
            traced(doctor.path, doctor.path.dial_address)
        left = doctor.gateway.wait_clean(1.0)
        assert left.clean, left.text
