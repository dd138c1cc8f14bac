"""The key in place of the certificate, and whose clock is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from l2tp_doctor.knowledge import profile
from l2tp_doctor.network.sntp import ClockReading
from l2tp_doctor.practice.settings import PRACTICE_PSK
from l2tp_doctor.probes.authentication import Wrong, key_instead, wrong_clock
from l2tp_doctor.probes.interface import CheckRequest, ClientCertificate
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.secret import Secret
from tests.probes.common import ADDRESS, Listening, check, gateway, request, values
from tests.probes.test_faults import emptied

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400.0


@cache
def valid_between(first: int, last: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin, end = NOW + timedelta(first), NOW + timedelta(last)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, end)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


GOOD, EXPIRED, EARLY = valid_between(-30, 30), valid_between(-30, -5), valid_between(5, 30)


def clock(days: float, *, synchronised: bool = True) -> ClockReading:
    return ClockReading(days * DAY, synchronised)


@pytest.mark.parametrize(
    ("own", "chain", "theirs", "reference", "wrong"),
    [
        # Nobody was asked, or nobody answered.
        (GOOD, [EXPIRED], None, None, None),
        # A trusted clock says that it is ours.
        (GOOD, [EXPIRED], None, -10.0, "own"),
        (EARLY, [GOOD], None, 10.0, "own"),
        (EXPIRED, [EXPIRED], clock(-10), -10.0, "own"),
        # It is right, and the certificate really is out of its time.
        (GOOD, [EXPIRED], clock(0), 0.0, "none"),
        (GOOD, [EXPIRED], clock(-10), 0.0, "none"),
        (EXPIRED, [], None, 0.0, "none"),
        # It would not make everything right.
        (EXPIRED, [EARLY], None, 10.0, "none"),
        # Ours is right, and by the gateway's our certificate is out of its time.
        (GOOD, [], clock(-60), 0.0, "gateway"),
        (GOOD, [], clock(60, synchronised=False), 0.0, "gateway"),
        (GOOD, [], clock(10), 0.0, "none"),
        # Without a trusted clock the two only differ.
        (GOOD, [], clock(-60), None, "either"),
        (GOOD, [], clock(-60, synchronised=False), None, "either"),
        (GOOD, [EXPIRED], clock(-10), None, "either"),
        (GOOD, [EXPIRED], clock(0.001), None, "none"),
        # A gateway that follows no source does not prove that its expired certificate is good.
        (GOOD, [EXPIRED], clock(-10, synchronised=False), None, None),
        (GOOD, [b"garbage"], clock(0), None, "none"),
        (None, [EXPIRED], clock(-10), None, "either"),
    ],
)
def test_whose_clock_is_wrong(
    own: bytes | None,
    chain: list[bytes],
    theirs: ClockReading | None,
    reference: float | None,
    wrong: Wrong | None,
) -> None:
    certificate = ClientCertificate((own,), Secret(b"unused")) if own is not None else None
    asked = CheckRequest("gateway.example", certificate=certificate)
    trusted = reference * DAY if reference is not None else None
    assert wrong_clock(asked, chain, theirs, trusted, NOW) == wrong


def tried_with(psk: bytes | None) -> dict[str, object]:
    """The key in place of a certificate, against a gateway that takes a key."""

    async def main() -> dict[str, object]:
        async with gateway() as server:
            asked = request(server, psk=Secret(psk) if psk is not None else None)
            run = Run(asked, profile(asked.profile), Listening(), asyncio.get_running_loop().time())
            run.local = run.remote = ADDRESS
            await key_instead(run)
            await emptied(server)
            return {item.name: item.value for item in run.log if item.name.startswith("experiment.")}

    return asyncio.run(main())


def test_the_key_is_taken_and_nothing_is_left_behind() -> None:
    assert tried_with(PRACTICE_PSK.encode()) == {
        "experiment.key.reply_4": True,
        "experiment.key.established": True,
    }


def test_message_4_needs_no_key() -> None:
    assert tried_with(None) == {"experiment.key.reply_4": True, "experiment.key.established": None}


def test_another_key_is_refused() -> None:
    found = tried_with(b"another")
    assert (found["experiment.key.reply_4"], found["experiment.key.established"]) == (True, False)
    assert found["experiment.key.refusal"]


def test_a_profile_with_certificates_and_none_there() -> None:
    """The gateway takes certificates too: what is missing is the client's."""

    async def main() -> None:
        async with gateway("gateway-certificate-expired") as server:
            measurement, diagnosis = await check(request(server, authentication="certificate", psk=None))
            found = values(measurement)
            assert found["ike.main.needs_certificate"] is True
            assert found["certificate.client_problem"] == "missing"
            assert diagnosis.verdict == "faulty"
            assert diagnosis.causes[0].id == "client-certificate-missing"
            assert diagnosis.windows_error is not None
            assert diagnosis.windows_error.code == 766

    asyncio.run(main())


def test_a_certificate_without_its_key() -> None:
    async def main() -> None:
        async with gateway("gateway-certificate-expired") as server:
            assert server.certificates is not None
            bare = ClientCertificate(server.certificates.client.certificates, None)
            asked = replace(request(server, authentication="certificate"), certificate=bare)
            measurement, diagnosis = await check(asked)
            assert values(measurement)["certificate.client_problem"] == "no-key"
            assert diagnosis.causes[0].id == "client-certificate-missing"

    asyncio.run(main())
