"""What is noted of certificates, revocation lists and the gateway's requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from l2tp_doctor.knowledge import profile
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes import certificates
from l2tp_doctor.probes.interface import CheckRequest, ClientCertificate
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import CertificateRequested, PeerCertificates
from tests.probes.common import Listening

HOST = "gateway.example"
DAY = timedelta(days=1)
URL = "http://ca.example/list.crl"
NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey


@cache
def key(role: str) -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def built(
    subject: str, issuer: str, *, serial: int = 1, ca: bool = False, days: tuple[int, int] = (-5, 5),
    usages: Sequence[x509.ObjectIdentifier] = (), url: str = "",
) -> bytes:  # fmt: skip
    builder = (
        x509.CertificateBuilder(named(issuer), named(subject), key(subject).public_key(), serial)
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(key(issuer), hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = built("Root", "Root", ca=True)
SERVER = built(HOST, "Root", serial=7, url=URL)


def crl(*serials: int, issuer: str = "Root", signer: str = "Root", days: tuple[int, int] = (-2, 2)) -> bytes:
    builder = x509.CertificateRevocationListBuilder(named(issuer), NOW + days[0] * DAY, NOW + days[1] * DAY)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial, NOW + days[0] * DAY).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key(signer), hashes.SHA256()).public_bytes(Encoding.DER)


def observed(request: CheckRequest, act: Callable[[Run], object]) -> list[Observation]:
    async def main() -> list[Observation]:
        run = Run(request, profile(request.profile), Listening(), asyncio.get_running_loop().time())
        act(run)
        return list(run.log)

    return asyncio.run(main())


def judged(*crls: bytes, received: tuple[bytes, ...] = ()) -> dict[str, object]:
    request = CheckRequest(HOST, trust_anchors=(ROOT,), crls=crls)
    found = observed(request, lambda run: certificates.judge(run, PeerCertificates((SERVER,), received)))
    assert certificates.acceptable(request, (SERVER,), received) is (
        "certificate.problem" not in {item.name for item in found}
    )
    return {item.name: item.value if item.value is not None else item.reason for item in found}


def test_without_a_list_the_report_says_that_it_was_not_checked() -> None:
    found = judged()
    assert "no revocation list was given" in str(found["certificate.revocation"])
    assert URL in str(found["certificate.revocation"])
    assert found["certificate.crl_urls"] == (URL,)


def test_a_revoked_certificate() -> None:
    assert judged(crl(7))["certificate.problem"] == "revoked"
    assert judged(crl(7))["certificate.revocation"] == "revoked"
    found = judged(crl(8))
    assert found["certificate.revocation"] == "good"
    assert "certificate.problem" not in found
    # A list that the gateway sent along counts as well, and is no concern of ours where it is of no use.
    assert judged(received=(crl(7),))["certificate.problem"] == "revoked"
    assert "certificate.crl_problem" not in judged(received=(b"garbage",))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (crl(7, days=(-9, -1)), "stale"),
        (crl(7, days=(1, 9)), "not-yet-valid"),
        (crl(7, issuer="Other", signer="Other"), "foreign"),
        (crl(7, signer="Other"), "signature-invalid"),
        (b"garbage", "malformed"),
    ],
)
def test_a_list_that_cannot_be_used_is_named_and_revokes_nothing(bad: bytes, problem: str) -> None:
    found = judged(bad)
    assert found["certificate.crl_problem"] == problem
    assert "none of the revocation lists" in str(found["certificate.revocation"])
    assert "certificate.problem" not in found


def client(**changes: object) -> CheckRequest:
    der = built("client", "Root", **changes)  # type: ignore[arg-type]  # keyword arguments as object
    return CheckRequest(HOST, certificate=ClientCertificate((der,), None))


def test_whom_the_gateway_asks_for() -> None:
    def answer(request: CheckRequest, *names: bytes) -> dict[str, object]:
        event = CertificateRequested(names)
        return {
            item.name: item.value
            for item in observed(request, lambda run: certificates.requested(run, event))
        }

    root, other = named("Root").public_bytes(), named("Other").public_bytes()
    assert answer(client()) == {"ike.main.certificate_requested": False}
    asked = answer(client(), root, other)
    assert asked["ike.main.certificate_requested"] is True
    assert asked["ike.main.certificate_authorities"] == ("CN=Root", "CN=Other")
    assert asked["certificate.client_issuer_requested"] is True
    assert answer(client(), other)["certificate.client_issuer_requested"] is False
    assert answer(client(), b"")["certificate.client_issuer_requested"] is True
    assert "certificate.client_issuer_requested" not in answer(CheckRequest(HOST), root)


CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING


@pytest.mark.parametrize(
    ("changes", "problem", "of_time"),
    [
        ({}, None, False),
        ({"usages": (CLIENT_AUTH,)}, None, False),
        ({"usages": (CODE_SIGNING, x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2"))}, None, False),
        ({"usages": (CODE_SIGNING,)}, "wrong-usage", False),
        ({"days": (-9, -1), "usages": (CODE_SIGNING,)}, "expired", True),
        ({"days": (1, 9)}, "not-yet-valid", True),
    ],
)
def test_our_own_certificate(changes: dict[str, object], problem: str | None, of_time: bool) -> None:
    returned: list[bool] = []
    found = observed(client(**changes), lambda run: returned.append(certificates.judge_own(run)))
    assert [item.value for item in found] == ([problem] if problem else [])
    assert returned == [of_time]
