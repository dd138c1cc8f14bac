"""Every fault a practice gateway can show, through real sockets, to the cause that is named."""

from __future__ import annotations

import asyncio

import pytest

from l2tp_doctor.practice.faults import FAULTS
from l2tp_doctor.practice.server import PracticeGateway
from tests.probes.common import check, gateway, request, values

LONGEST = 15.0
EMPTY_WITHIN = 3.0

# How far the dial gets.
STAGES = {
    "psk-mismatch": "ike_auth",
    "psk-mismatch-clear": "ike_auth",
    "psk-mismatch-silent": "nat_t",
    "peer-identity-rejected": "ike_auth",
    "phase1-proposal-mismatch": "ike_main",
    "phase1-proposal-mismatch-silent": "ike_main",  # IKEv2 is answered
    "phase2-proposal-mismatch": "ike_quick",
    "auth-method-mismatch": "ike_main",
    "udp-500-blocked": "reach",
    "udp-4500-blocked": "nat_t",
    "ike-fragments-dropped": "nat_t",
    "ike-service-down": "reach",
    "ikev1-disabled": "ike_main",
    "ikev1-disabled-refused": "ike_main",
    "main-mode-refused": "ike_main",
    "nat-t-unsupported": "esp",
    "l2tp-service-down": "esp",
    "l2tp-service-stuck": "l2tp",
    "l2tp-tunnel-rejected": "l2tp",
    "l2tp-call-rejected": "l2tp",
    "ppp-credentials-rejected": "auth",
    "account-disabled": "auth",
    "password-expired": "auth",
    "account-restricted": "auth",
    "account-restricted-hours": "auth",
    "ppp-auth-protocol-mismatch": "lcp",
    "ppp-auth-protocol-mismatch-eap": "lcp",
    "ppp-address-pool-exhausted": "ipcp",
    "ppp-address-pool-exhausted-rejected": "ipcp",
}

# Half-open exchanges that experiments leave behind and that no client can delete (RFC 2408 has no way
# before keys are agreed); a gateway forgets them by itself.
KEEPS_HALF_OPEN = 3

FAILING = [name for name in FAULTS if name in STAGES]
CERTIFICATES = [name for name in FAULTS if name.startswith("gateway-certificate-")]
CONNECTING = [name for name, fault in FAULTS.items() if fault.connects]


def test_every_fault_is_dialled_here() -> None:
    assert sorted([*FAILING, *CERTIFICATES, *CONNECTING]) == sorted(FAULTS)


@pytest.mark.parametrize("name", FAILING)
def test_the_cause_is_named(name: str) -> None:
    fault = FAULTS[name]

    async def main() -> None:
        async with gateway(name) as server:
            measurement, diagnosis = await check(request(server, certificate=fault.certificates))
            assert diagnosis.verdict == "faulty", diagnosis.undetermined
            assert diagnosis.causes[0].id == fault.cause
            assert measurement.stage == diagnosis.stage == STAGES[name]
            assert measurement.elapsed <= LONGEST
            assert not measurement.interrupted
            await emptied(server)

    asyncio.run(main())


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_bad_certificate_is_named_although_it_keeps_nobody_out(name: str) -> None:
    async def main() -> None:
        async with gateway(name) as server:
            measurement, diagnosis = await check(request(server, certificate=True))
            named = [item.id for item in (*diagnosis.causes[:1], *diagnosis.warnings)]
            assert named == [FAULTS[name].cause]
            problem = name.removeprefix("gateway-certificate-")
            assert values(measurement)["certificate.problem"] == problem
            assert measurement.elapsed <= LONGEST
            await emptied(server)

    asyncio.run(main())


@pytest.mark.parametrize("name", CONNECTING)
def test_what_connects_nevertheless_is_healthy(name: str) -> None:
    async def main() -> None:
        async with gateway(name) as server:
            measurement, diagnosis = await check(request(server))
            assert diagnosis.verdict == "healthy", diagnosis
            assert measurement.stage == "connected"
            assert measurement.elapsed <= LONGEST
            if name == "server-behind-nat":
                assert [item.id for item in diagnosis.warnings] == ["server-behind-nat"]
            # A Delete has no answer: where packets are lost, each dial may leave one SA behind.
            lost = 2 if name == "packet-loss" else 0
            await emptied(server, KEEPS_HALF_OPEN + lost)

    asyncio.run(main())


async def emptied(server: PracticeGateway, half_open: int = KEEPS_HALF_OPEN) -> None:
    """Waits until the gateway holds nothing but what no client can take back."""
    async with asyncio.timeout(EMPTY_WITHIN):
        while True:
            status = server.status()
            held = (status.sessions, status.tunnels, status.links, status.leases)
            if not any(held) and status.half_open <= half_open:
                return
            await asyncio.sleep(0.02)
