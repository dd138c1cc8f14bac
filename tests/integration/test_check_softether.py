"""``l2tp-doctor check`` against a real SoftEther server: each verdict has to be the true one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from l2tp_doctor.diagnosis import diagnose
from l2tp_doctor.knowledge.profile import profile
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.check import measure
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.secret import Secret
from lab import faults
from lab.namespaces import wait_until
from lab.softether import SoftEther
from lab.topologies import DIRECT, SERVER_BEHIND_NAT, Shape, topology
from tests.integration.checking import Doctor
from tests.integration.common_checks import CommonChecks, Dial
from tests.integration.handover import prepare_softether
from tests.integration.pki import authority, leaf, new_key

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("softether")]


@pytest.fixture
def gateway(softether_gateway: SoftEther) -> SoftEther:
    """The server without anything of an earlier test."""
    prepare_softether(softether_gateway)
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


class SilentListener:
    """Wants to hear of nothing."""

    def on_trace(self, event: TraceEvent) -> None: ...

    def on_observation(self, observation: Observation) -> None: ...

    def on_experiment(self, name: str, running: bool) -> None: ...


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
        # SoftEther's list cannot be configured and holds most of what is in use, but no elliptic curves.
        windows = profile("windows-11")
        curves = tuple(item for item in windows.main_mode if item.group in (19, 20))
        assert curves
        request = CheckRequest("", psk=Secret(b"test-psk"), username="alice", password=Secret(b"wonderland"))
        offer = replace(windows, main_mode=curves)
        with dial(DIRECT) as doctor:
            request = replace(request, host=doctor.path.dial_address)
            found = doctor.path.client.call(lambda: asyncio.run(measure(request, offer, SilentListener())))
        diagnosis = diagnose(found.observations, stage=found.stage)
        assert diagnosis.verdict == "faulty"
        assert diagnosis.causes[0].id == "phase1-proposal-mismatch", diagnosis.causes

    def test_certificates_where_it_only_knows_keys(self, dial: Dial, tmp_path: Path) -> None:
        ca = authority("Lab CA", new_key())
        client = leaf("client", ca, new_key(), address="198.51.100.10")
        (tmp_path / "cert.pem").write_text(client.pem)
        (tmp_path / "key.pem").write_text(client.key_pem)
        with dial(DIRECT) as doctor:
            doctor.faulty(
                "auth-method-mismatch",
                *("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")),
            )

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
        # Without L2TP there is no IKE either: SoftEther closes UDP 500 and 4500, a moment later.
        without = switched(lambda: gateway.set_l2tp(False), lambda: gateway.set_l2tp(True))
        with dial(DIRECT) as doctor, without:
            wait_until(lambda: not gateway.listening(), 10, "SoftEther closes its ports")
            doctor.faulty("ike-service-down")

    def test_dropped_esp_does_not_matter_to_it(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor, faults.drop_esp(doctor.path) as fault:
            doctor.healthy()
            assert fault.packets == 0
