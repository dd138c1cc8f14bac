"""``l2tp-doctor check`` against real Libreswan + xl2tpd + pppd: each verdict has to be the true one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.libreswan import IKEV2_CONNECTION, Libreswan, LibreswanOptions
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, Shape
from tests.integration.common_checks import Dial
from tests.integration.linux_checks import Dialled, LinuxChecks

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("libreswan")]


@pytest.fixture(scope="module")
def gateway(libreswan_gateway: Libreswan) -> Iterator[Libreswan]:
    """The gateway; its state is put in order when a path to it is made."""
    yield libreswan_gateway
    libreswan_gateway.configure(LibreswanOptions())  # the last test's options are not for other modules


class TestLibreswan(LinuxChecks):
    """What every gateway has to show, and what Libreswan does differently."""

    # -- silence that is not the path's --------------------------------------------------------------

    @pytest.mark.parametrize("shape", [DIRECT, CLIENT_BEHIND_NAT], ids=["direct", "nat"])
    def test_a_wrong_key(self, dial: Dial, shape: Shape) -> None:
        with dial(shape) as doctor:
            checked = doctor.faulty("psk-mismatch", psk="not-the-key")
            # The lab's own promise: what a dial leaves behind shows, and goes when it has to.
            assert doctor.gateway.status().ike_sas > 0
            assert "mismatch of preshared secrets" in doctor.gateway.log()
        # Libreswan says nothing at all: what tells this from a blocked port is a fresh Main Mode on UDP 4500.
        assert checked.value("ike.main.reply_4") is True
        assert checked.value("ike.main.reply_6") is False
        assert checked.value("ike.notify.clear") is None
        assert checked.value("ike.notify.encrypted") is None
        assert checked.value("experiment.main_4500.reply") is True
        assert "udp-4500-blocked" not in checked.causes
        error = checked.result.windows_error
        assert error is not None
        assert error.code == 789
        assert "not-the-key" not in checked.stdout + checked.stderr

    @pytest.mark.parametrize("connections", [IKEV2_CONNECTION, ""], ids=["with-ikev2", "without"])
    def test_ikev1_dropped_as_libreswan_5_does(self, dial: Dialled, connections: str) -> None:
        with dial(DIRECT, ikev1_policy="drop", connections=connections) as doctor:
            checked = doctor.faulty("ikev1-disabled")
        assert checked.value("udp500.reply") is not None
        assert checked.value("ike.main.reply_2") is False
        assert checked.value("experiment.ikev2_500.reply") is True

    def test_ikev1_rejected(self, dial: Dialled) -> None:
        with dial(DIRECT, ikev1_policy="reject", connections=IKEV2_CONNECTION) as doctor:
            doctor.faulty("ikev1-disabled")

    # -- services and proposals ----------------------------------------------------------------------

    def test_pluto_stopped(self, dial: Dialled, gateway: Libreswan) -> None:
        with dial(DIRECT) as doctor, gateway.stopped("pluto"):
            checked = doctor.faulty("ike-service-down")
            assert checked.value("udp500.icmp_from") == doctor.path.dial_address

    def test_no_common_phase_1_proposal(self, dial: Dialled) -> None:
        with dial(DIRECT, ike="aes256-sha2_512-modp4096") as doctor:
            checked = doctor.faulty("phase1-proposal-mismatch")
        assert checked.value("ike.notify.clear") == "NO_PROPOSAL_CHOSEN"

    def test_no_common_phase_2_proposal(self, dial: Dialled) -> None:
        with dial(DIRECT, esp="aes256-sha2_512") as doctor:
            checked = doctor.faulty("phase2-proposal-mismatch")
        assert checked.value("ike.main.established") is True
