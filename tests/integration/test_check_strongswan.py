"""``l2tp-doctor check`` against real strongSwan + xl2tpd + pppd: each verdict has to be the true one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from lab import faults
from lab.linux_gateway import LNS, Change
from lab.namespaces import wait_until
from lab.strongswan import StrongSwan, StrongSwanOptions
from lab.topologies import DIRECT
from tests.integration.checking import COMMAND, Checked, arguments
from tests.integration.linux_checks import Dialled, LinuxChecks

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("strongswan")]

AGGRESSIVE: dict[str, Change] = {
    "connection": ("aggressive=yes",),
    "charon": "i_dont_care_about_security_and_use_aggressive_mode_psk = yes",
}
PAP_ONLY: dict[str, Change] = {
    "ppp": ("require-pap", "refuse-chap", "refuse-mschap-v2", "refuse-eap", "noccp", "mtu 1400", "mru 1400"),
    "lns": ("require pap = yes", "refuse chap = yes", "length bit = yes"),
}
# strongSwan's name -> how the gateway's choice is written.
ESP_SUITES = {
    "aes256-sha1": "AES-CBC-256/HMAC-SHA1-96",
    "aes128-sha1": "AES-CBC-128/HMAC-SHA1-96",
    "3des-sha1": "3DES-CBC/HMAC-SHA1-96",
    "aes256-sha256": "AES-CBC-256/HMAC-SHA2-256-128",
    "aes128-sha256": "AES-CBC-128/HMAC-SHA2-256-128",
    "aes256gcm128": "AES-GCM-16-256",
    "aes128gcm128": "AES-GCM-16-128",
}


@pytest.fixture(scope="module")
def gateway(strongswan_gateway: StrongSwan) -> Iterator[StrongSwan]:
    """The gateway; its state is put in order when a path to it is made."""
    yield strongswan_gateway
    strongswan_gateway.configure(StrongSwanOptions())  # the last test's options are not for other modules


class TestStrongSwan(LinuxChecks):
    """What every gateway has to show, and what only strongSwan can."""

    def test_aggressive_mode_connects(self, dial: Dialled) -> None:
        with dial(DIRECT, **AGGRESSIVE) as doctor:
            checked = doctor.healthy("--aggressive")
        assert any("AGGRESSIVE" in line.summary.upper() for line in checked.result.timeline)

    def test_perfect_forward_secrecy_is_refused_by_the_windows_offer(self, dial: Dialled) -> None:
        with dial(DIRECT, esp="aes256-sha1-modp2048") as doctor:
            doctor.faulty("phase2-proposal-mismatch")

    @pytest.mark.parametrize("proposal", ESP_SUITES)
    def test_every_esp_suite_carries_a_session(self, dial: Dialled, proposal: str) -> None:
        with dial(DIRECT, esp=proposal) as doctor:
            checked = doctor.healthy("--profile", "permissive")
        assert checked.value("ike.quick.selected").startswith(ESP_SUITES[proposal])

    # -- faults ------------------------------------------------------------------------------------

    def test_charon_stopped(self, dial: Dialled, gateway: StrongSwan) -> None:
        with dial(DIRECT) as doctor, gateway.stopped("charon"):
            checked = doctor.faulty("ike-service-down")
            assert checked.value("udp500.icmp_from") == doctor.path.dial_address

    @pytest.mark.parametrize("proposals", ["aes256-sha512-modp4096", "camellia256-sha512-modp6144"])
    def test_no_common_phase_1_proposal(self, dial: Dialled, proposals: str) -> None:
        with dial(DIRECT, ike=proposals) as doctor:
            checked = doctor.faulty("phase1-proposal-mismatch")
        assert checked.value("ike.notify.clear") == "NO_PROPOSAL_CHOSEN"

    def test_no_common_phase_2_proposal(self, dial: Dialled) -> None:
        with dial(DIRECT, esp="aes256-sha512") as doctor:
            checked = doctor.faulty("phase2-proposal-mismatch")
        assert checked.value("ike.main.established") is True

    def test_only_pap_allowed(self, dial: Dialled) -> None:
        with dial(DIRECT, **PAP_ONLY) as doctor:
            checked = doctor.faulty("ppp-auth-protocol-mismatch")
        assert checked.value("ppp.auth.required") == "pap"

    def test_main_mode_where_only_aggressive_mode_is_allowed(self, dial: Dialled) -> None:
        with dial(DIRECT, **AGGRESSIVE) as doctor:
            checked = doctor.faulty("main-mode-refused")
        assert checked.value("experiment.aggressive.reply") == "sa"

    def test_a_dial_after_one_that_came_to_quick_mode_leaves_from_other_ports(self, dial: Dialled) -> None:
        """SCCRQ is acknowledged, and SCCRP lost for as long as the first dial waits for it."""
        # A ZLB in ESP is 96 octets long, a SCCRP 184.
        sccrp = "meta l4proto esp meta length > 150 quota until 800 bytes"
        # Message 1 alone has no responder cookie yet.
        first_messages = "udp sport 500 udp dport 500 @th,128,64 0"
        with (
            dial(DIRECT) as doctor,
            faults.rule(doctor.path, sccrp, direction="in") as lost,
            faults.rule(doctor.path, first_messages, direction="out", verdict="accept") as from_500,
        ):
            checked = doctor.check()  # xl2tpd keeps the tunnel whose SCCRP nobody heard for half a minute
            assert checked.result.verdict == "healthy", checked.explain()
            assert lost.packets > 0
            assert from_500.packets == 1
        assert checked.value("l2tp.zlb_only") is True
        assert checked.value("source.port_500") is True

    def test_the_gateways_pool_is_empty(self, dial: Dialled, gateway: StrongSwan) -> None:
        lines = ("no ip range = 10.99.0.10-10.99.0.10", *LNS)
        with dial(DIRECT, ip_range="10.99.0.10-10.99.0.10", lns=lines) as doctor:
            checked = doctor.faulty("ppp-address-pool-exhausted")
            gateway.wait_clean()
        assert "No available IP address" in checked.value("l2tp.cdn")

    def test_nobody_assigns_an_address(self, dial: Dialled, gateway: StrongSwan) -> None:
        with dial(DIRECT, lns=("assign ip = no", *LNS)) as doctor:
            checked = doctor.faulty("ppp-address-pool-exhausted")
            gateway.wait_clean()
        assert checked.value("ppp.auth.result") == "success"

    def test_ctrl_c_takes_down_what_is_up(self, dial: Dialled, gateway: StrongSwan) -> None:
        with dial(DIRECT) as doctor, gateway.stopped("xl2tpd"):
            argv = ["check", doctor.path.dial_address, *arguments(gateway, doctor.directory)]
            command = doctor.path.client.command([str(COMMAND), *argv])
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                # SCCRQ meets silence for seconds now, and the SAs are up.
                wait_until(lambda: gateway.status().ipsec_sas > 0, 10, "an IPsec SA is up")
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=10)
            interrupted = Checked(process.returncode, stdout, stderr)
            assert interrupted.exit_code == 130
            assert interrupted.result.interrupted
            gateway.wait_clean()
