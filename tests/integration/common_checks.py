"""Checks that every real gateway has to pass; one module a gateway inherits them.

The fixture ``doctor`` belongs to that module.  Each test gets a gateway that holds nothing of an earlier one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from lab import faults
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, Shape
from tests.integration.checking import (
    HEALTHY,
    UNDETERMINED,
    UNPRIVILEGED,
    Doctor,
    arguments,
    run,
)

Dial = Callable[[Shape], contextlib.AbstractContextManager[Doctor]]
"""Makes a path of the given shape to the module's gateway."""
Direction = Literal["out", "in"]


class CommonChecks:
    """What SoftEther and strongSwan have in common."""

    # -- a working VPN -----------------------------------------------------------------------------

    def test_forced_nat_t_connects(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            checked = doctor.healthy("--nat-t", "forced")
        assert checked.value("nat_t.forced") is True
        assert checked.value("esp.encapsulation") == "udp"
        assert checked.value("ppp.ipcp.dns"), checked.explain()

    def test_behind_a_real_nat_it_floats_by_itself(self, dial: Dial) -> None:
        with dial(CLIENT_BEHIND_NAT) as doctor:
            checked = doctor.healthy()
        assert checked.value("nat_t.forced") is False
        assert checked.value("nat.client_behind") is True
        assert checked.value("nat_t.floated") is True
        assert checked.value("esp.encapsulation") == "udp"

    def test_without_privileges_it_uses_nat_t_and_says_what_it_could_not_measure(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            checked = doctor.healthy(prefix=UNPRIVILEGED)
        assert checked.value("native_esp.available") is None
        assert "CAP_NET_RAW" in checked.reason("native_esp.available")
        assert checked.value("nat_t.forced") is True
        assert checked.value("source.port_500") is False

    def test_two_clients_at_once(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            other, _ = doctor.path.add_client()
            argv = ["check", doctor.path.dial_address, *arguments(doctor.gateway, doctor.directory)]
            with ThreadPoolExecutor(2) as pool:
                both = list(pool.map(lambda client: run(client, argv), (doctor.path.client, other)))
            assert [checked.exit_code for checked in both] == [HEALTHY, HEALTHY], [
                checked.explain() for checked in both
            ]
            # Not compared: a slow machine may have done with one before the other asks, and assign it again.
            assert all(checked.value("ppp.ipcp.address") for checked in both)
            doctor.gateway.wait_clean()

    # -- wrong secrets -----------------------------------------------------------------------------

    @pytest.mark.parametrize("shape", [DIRECT, CLIENT_BEHIND_NAT], ids=["direct", "nat"])
    def test_a_wrong_key(self, dial: Dial, shape: Shape) -> None:
        with dial(shape) as doctor:
            checked = doctor.faulty("psk-mismatch", psk="not-the-key")
        assert checked.value("ike.main.reply_4") is True
        assert checked.value("ike.main.established") is None
        assert "not-the-key" not in checked.stdout + checked.stderr

    def test_a_wrong_password(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            checked = doctor.faulty("ppp-credentials-rejected", password="not-the-password")
            doctor.gateway.wait_clean()
        assert checked.value("ppp.auth.error") == 691
        error = checked.result.windows_error
        assert error is not None
        assert error.code == 691
        assert "not-the-password" not in checked.stdout + checked.stderr

    # -- ports and services ------------------------------------------------------------------------

    @pytest.mark.parametrize("direction", ["out", "in"])
    def test_udp_500_dropped(self, dial: Dial, direction: Direction) -> None:
        with dial(DIRECT) as doctor:
            with faults.drop_udp(doctor.path, 500, direction=direction) as fault:
                checked = doctor.faulty("udp-500-blocked")
            assert fault.packets > 0
        assert checked.value("experiment.main_4500.reply") is True
        assert checked.result.stage == "reach"

    def test_udp_500_refused_by_a_router(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor, faults.drop_udp(doctor.path, 500, reject="admin-prohibited"):
            checked = doctor.faulty("udp-500-blocked")
            assert checked.value("udp500.icmp") == "admin-prohibited"
            assert checked.value("udp500.icmp_from") != doctor.path.dial_address

    @pytest.mark.parametrize("direction", ["out", "in"])
    @pytest.mark.parametrize(
        ("shape", "options"),
        [(DIRECT, ("--nat-t", "forced")), (CLIENT_BEHIND_NAT, ())],
        ids=["forced", "nat"],
    )
    def test_udp_4500_dropped(
        self, dial: Dial, shape: Shape, options: tuple[str, ...], direction: Direction
    ) -> None:
        with dial(shape) as doctor:
            with faults.drop_udp(doctor.path, 4500, direction=direction) as fault:
                checked = doctor.faulty("udp-4500-blocked", *options)
            assert fault.packets > 0
        assert checked.result.stage == "nat_t"
        error = checked.result.windows_error
        assert error is not None
        assert error.code == 809

    def test_a_dead_address(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor, faults.drop_all(doctor.path):
            checked = doctor.faulty("gateway-unreachable")
        assert checked.value("host.alive") is False

    # -- a path that loses packets is no fault -----------------------------------------------------

    def test_a_fifth_of_all_packets_lost_is_no_fault(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            with faults.loss(doctor.path, 20) as fault:
                checked = doctor.check()
            assert fault.packets > 0
        assert (checked.exit_code, checked.result.verdict) == (HEALTHY, "healthy"), checked.explain()
        assert checked.warnings <= {"packet-loss"}, checked.explain()

    # -- the command itself ------------------------------------------------------------------------

    def test_without_a_key_it_stops_in_time_and_says_so(self, dial: Dial) -> None:
        with dial(DIRECT) as doctor:
            argv = ["check", doctor.path.dial_address, "--json"]
            checked = run(doctor.path.client, argv)
        assert (checked.exit_code, checked.result.verdict) == (UNDETERMINED, "undetermined"), (
            checked.explain()
        )
        assert checked.value("ike.main.needs_psk") is True
        assert checked.result.causes == []
