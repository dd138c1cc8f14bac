"""Checks for the gateways on Linux, whose options a test may change: strongSwan and Libreswan with xl2tpd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from lab import faults
from lab.linux_gateway import Change, LinuxGateway, OptionsT
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, SERVER_BEHIND_NAT, Shape, topology
from tests.integration.checking import Doctor
from tests.integration.common_checks import CommonChecks
from tests.integration.handover import prepare


class Dialled(Protocol):
    """Makes a path to a gateway with changed options that holds nothing of an earlier test."""

    def __call__(self, shape: Shape, **changes: Change) -> contextlib.AbstractContextManager[Doctor]: ...


class LinuxChecks(CommonChecks):
    """What every gateway on Linux has to show."""

    @pytest.fixture
    def dial(self, gateway: LinuxGateway[OptionsT], tmp_path: Path) -> Dialled:
        """Makes a path and everything for a check over it."""

        @contextlib.contextmanager
        def make(shape: Shape, **changes: Change) -> Iterator[Doctor]:
            prepare(gateway, **changes)
            with topology(gateway, shape) as path:
                yield Doctor(gateway, path, tmp_path)

        return make

    def test_without_nat_it_uses_native_esp(self, dial: Dialled) -> None:
        with dial(DIRECT) as doctor, faults.rule(doctor.path, "meta l4proto esp", verdict="accept") as native:
            checked = doctor.healthy()
            assert native.packets > 0
        assert checked.value("nat.client_behind") is False
        assert checked.value("nat.server_behind") is False
        assert checked.value("esp.encapsulation") == "native"
        assert checked.value("ppp.ipcp.dns") == ["192.0.2.53", "192.0.2.53"]

    def test_a_server_behind_nat_works_and_is_warned_of(self, dial: Dialled) -> None:
        with dial(SERVER_BEHIND_NAT) as doctor:
            checked = doctor.healthy()
        assert checked.value("nat.server_behind") is True
        assert checked.warnings == {"server-behind-nat"}

    @pytest.mark.parametrize("shape", [DIRECT, CLIENT_BEHIND_NAT], ids=["direct", "nat"])
    def test_xl2tpd_stopped(self, dial: Dialled, gateway: LinuxGateway[OptionsT], shape: Shape) -> None:
        with dial(shape) as doctor, gateway.stopped("xl2tpd"):
            checked = doctor.faulty("l2tp-service-down")
        assert checked.value("ike.quick.established") is True

    @pytest.mark.parametrize("direction", ["both", "in"])
    def test_native_esp_dropped(self, dial: Dialled, direction: faults.Direction) -> None:
        with dial(DIRECT) as doctor:
            with faults.drop_esp(doctor.path, direction=direction) as fault:
                checked = doctor.faulty("esp-blocked")
            assert fault.packets > 0
        assert checked.value("esp.received") is False
        assert checked.value("experiment.esp_udp.received") is True
