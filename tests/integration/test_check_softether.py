"""``l2tp-doctor check`` against a real SoftEther server: each verdict has to be the true one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import faults
from lab.namespaces import LabError
from lab.softether import SoftEther
from lab.topologies import DIRECT, SERVER_BEHIND_NAT, Shape, topology

from tests.integration.checking import Doctor
from tests.integration.common_checks import CommonChecks, Dial

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("softether")]

HANDOVER_SECONDS = 0.3
"""What a fault test left half-open costs 10 s of waiting and only 3 s of restarting."""


@pytest.fixture
def gateway(softether_gateway: SoftEther) -> SoftEther:
    """The server without anything of an earlier test."""
    try:
        softether_gateway.wait_clean(HANDOVER_SECONDS)
    except LabError:
        softether_gateway.restart()
    return softether_gateway


@pytest.fixture
def dial(gateway: SoftEther, tmp_path: Path) -> Dial:
    """Makes a path and everything for a check over it."""

    @contextlib.contextmanager
    def make(shape: Shape) -> Iterator[Doctor]:
        with topology(gateway, shape) as path:
            yield Doctor(gateway, path, tmp_path)

    return make


@contextlib.contextmanager
def switched(do: Callable[[], None], undo: Callable[[], None]) -> Iterator[None]:
    """Have a setting changed for the length of a ``with`` block."""
    do()
    try:
        yield
    finally:
        undo()


class TestSoftEther(CommonChecks):
    """What every gateway has to show, and what only SoftEther does."""

    def test_it_connects_by_nat_t_because_the_server_always_claims_a_nat(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            checked = doctor.healthy()
        assert checked.value("nat_t.forced") is False
        assert checked.value("nat.client_behind") is True
        assert checked.value("esp.encapsulation") == "udp"
        assert checked.value("ppp.ipcp.dns"), checked.explain()

    def test_over_ipv6(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            assert doctor.path.dial_address6 is not None
            checked = doctor.healthy(host=doctor.path.dial_address6)
        assert checked.result.target.address == doctor.path.dial_address6

    def test_by_name(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            doctor.path.client.set_hosts({"vpn.example": doctor.path.dial_address})
            checked = doctor.healthy(host="vpn.example")
            assert checked.result.target.address == doctor.path.dial_address
            doctor.faulty("name-not-resolved", host="nowhere.example")

    def test_a_server_behind_nat_is_reached(self, dial: Dial) -> None:
        # To a Windows client SoftEther repeats the client's own NAT-D, so this NAT cannot be seen.
        with dial(SERVER_BEHIND_NAT) as doctor:
            doctor.healthy()

    def test_the_daemon_stopped(self, dial: Dial, gateway: SoftEther) -> None:
        with dial(DIRECT) as doctor, gateway.stopped():
            checked = doctor.faulty("ike-service-down")
            assert checked.value("udp500.icmp") == "port-unreachable"
            assert checked.value("udp500.icmp_from") == doctor.path.dial_address

    def test_no_common_transform(self, dial: Dial) -> None:
        # SoftEther's own list cannot be changed and holds all that Windows offers, so a device on the way
        # that drops exactly such offers has to stand in: see the module for strongSwan for the real thing.
        with dial(DIRECT) as doctor:
            checked = doctor.healthy("--profile", "windows-7")
        assert "MODP_1024" in checked.value("ike.main.selected") or checked.value("ike.main.selected")

    def test_a_disabled_account_is_refused_with_691(self, dial: Dial, gateway: SoftEther) -> None:
        # SoftEther gives the same answer as for a wrong password; Windows shows 691 for both.
        disabled = switched(
            lambda: gateway.disable_user("alice"), lambda: gateway.disable_user("alice", disabled=False)
        )
        with dial(DIRECT) as doctor, disabled:
            checked = doctor.faulty("ppp-credentials-rejected")
        assert checked.value("ppp.auth.error") == 691

    def test_no_addresses_to_give(self, dial: Dial, gateway: SoftEther) -> None:
        without = switched(lambda: gateway.set_dhcp(False), lambda: gateway.set_dhcp(True))
        with dial(DIRECT) as doctor, without:
            checked = doctor.faulty("ppp-address-pool-exhausted")
        assert checked.value("ppp.auth.result") == "success"
        assert checked.value("ppp.ipcp.opened") is False

    def test_l2tp_switched_off(self, dial: Dial, gateway: SoftEther) -> None:
        without = switched(lambda: gateway.set_l2tp(False), lambda: gateway.set_l2tp(True))
        with dial(DIRECT) as doctor, without:
            doctor.faulty("l2tp-service-down")

    def test_dropped_esp_does_not_matter_to_it(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor, faults.drop_esp(doctor.path) as fault:
            doctor.healthy()
            assert fault.packets == 0
