"""What counts as a sign of life, and what is seen of one's own certificate before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from l2tp_doctor.knowledge import profile
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.probes import certificates
from l2tp_doctor.probes.interface import CheckRequest, ClientCertificate
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.secret import Secret
from tests.probes.common import Listening

GATEWAY = Endpoint("203.0.113.1", 4500)


def observed(request: CheckRequest, act: Callable[[Run], object]) -> dict[str, object]:
    async def main() -> dict[str, object]:
        run = Run(request, profile(request.profile), Listening(), asyncio.get_running_loop().time())
        run.remote = GATEWAY.address
        act(run)
        return {item.name: item.value for item in run.log}

    return asyncio.run(main())


# RFC 3948 section 2.3: a NAT-keepalive is one octet 0xFF.  A gateway may send it for an SA of another time.
@pytest.mark.parametrize(("data", "counts"), [(b"\xff", False), (b"\x00\x00\x00\x00anything", True)])
def test_a_keepalive_answers_nothing(data: bytes, counts: bool) -> None:
    found = observed(
        CheckRequest("gateway.example"),
        lambda run: run.sign_of_life(Datagram(Channel.NAT_T, data), GATEWAY, "dial"),
    )
    assert found == ({"udp4500.reply": True} if counts else {})


def own(first_day: int, last_day: int) -> ClientCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(first_day))
        .not_valid_after(now + timedelta(last_day))
        .sign(key, hashes.SHA256())
    )
    return ClientCertificate((built.public_bytes(Encoding.DER),), Secret(b"not used here"))


@pytest.mark.parametrize(
    ("days", "problem"), [((-9, 9), None), ((-9, -1), "expired"), ((1, 9), "not-yet-valid")]
)
def test_ones_own_certificate_has_its_time(days: tuple[int, int], problem: str | None) -> None:
    found = observed(CheckRequest("gateway.example", certificate=own(*days)), certificates.judge_own)
    assert found.get("certificate.client_problem") == problem


def test_a_dial_with_a_key_has_no_certificate_to_judge() -> None:
    assert observed(CheckRequest("gateway.example"), certificates.judge_own) == {}
