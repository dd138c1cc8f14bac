"""Gateway certificates from a certification authority made here, each with its own defect."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.protocol.certificates import MAX_CHAIN, CertificateReport, identity_of, validate_chain
from l2tp_doctor.protocol.crypto import CryptoError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "vpn.example.com"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def der(thing: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return thing.public_bytes(serialization.Encoding.DER)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Issued:
    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return der(self.certificate)


def issue(
    subject: str,
    issuer: Issued | None = None,
    *,
    ca: bool | None = None,
    path_length: int | None = None,
    names: Sequence[x509.GeneralName] = (),
    usages: Sequence[str] = (),
    digital_signature: bool | None = None,
    cert_sign: bool | None = None,
    start: datetime = NOW - 30 * DAY,
    end: datetime = NOW + 30 * DAY,
    key: Key | None = None,
    signer: Key | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    parent = issuer.certificate.subject if issuer else named(subject)
    builder = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(parent)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(end)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        oids = [x509.ObjectIdentifier(usage) for usage in usages]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    if digital_signature is not None or cert_sign is not None:
        usage = x509.KeyUsage(
            digital_signature=bool(digital_signature),
            content_commitment=False,
            key_encipherment=True,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=bool(cert_sign),
            crl_sign=bool(cert_sign),
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    signing_key = signer or (issuer.key if issuer else key)
    return Issued(builder.sign(signing_key, hashes.SHA256()), key)


@cache
def root() -> Issued:
    return issue("Root", ca=True, cert_sign=True)


@cache
def intermediate() -> Issued:
    return issue("Intermediate", root(), ca=True, path_length=0, cert_sign=True)


def gateway(**changes: object) -> Issued:
    arguments: dict[str, object] = {
        "issuer": intermediate(),
        "names": (x509.DNSName(NAME),),
        "usages": (SERVER_AUTH,),
        "digital_signature": True,
    }
    arguments |= changes
    return issue(NAME, **arguments)  # type: ignore[arg-type]  # keyword arguments collected as object


def judge(
    received: Sequence[Issued],
    anchors: Sequence[Issued] | None = None,
    crls: Sequence[bytes] = (),
    name: str | None = NAME,
    at: datetime = NOW,
) -> CertificateReport:
    trusted = [root()] if anchors is None else anchors
    return validate_chain([one.der for one in received], [one.der for one in trusted], crls, at, name)


def problems(report: CertificateReport) -> set[tuple[str, int | None]]:
    return {(problem.kind, problem.position) for problem in report.problems}


def test_a_good_chain_in_any_order() -> None:
    good = gateway()
    for received in ([good, intermediate()], [intermediate(), good], [root(), intermediate(), good]):
        report = judge(received)
        assert report.valid
        assert report.problems == ()
        assert report.chain == (f"CN={NAME}", "CN=Intermediate", "CN=Root")
    assert (report.subject, report.issuer) == (f"CN={NAME}", "CN=Intermediate")
    assert report.serial == good.certificate.serial_number
    assert (report.not_before, report.not_after) == (NOW - 30 * DAY, NOW + 30 * DAY)


def test_time_zones_do_not_matter() -> None:
    assert judge([gateway(), intermediate()], at=NOW.astimezone(timezone(timedelta(hours=9)))).valid
    with pytest.raises(ValueError):
        judge([gateway()], at=NOW.replace(tzinfo=None))


def test_expired_and_not_yet_valid() -> None:
    assert problems(judge([gateway(end=NOW - DAY), intermediate()])) == {("expired", 0)}
    assert problems(judge([gateway(start=NOW + DAY), intermediate()])) == {("not-yet-valid", 0)}
    late = judge([gateway(), intermediate()], at=NOW + 400 * DAY)
    assert problems(late) == {("expired", 0), ("expired", 1), ("expired", 2)}
    # The last second counts (RFC 5280 §4.1.2.5: inclusive).
    assert judge([gateway(), intermediate()], at=NOW + 30 * DAY).valid


def test_untrusted() -> None:
    other = issue("Root", ca=True, cert_sign=True)  # the same name, another key
    assert problems(judge([gateway(), intermediate()], anchors=[])) == {("untrusted", 1)}
    assert problems(judge([gateway()])) == {("untrusted", 0)}  # the intermediate was not sent
    assert problems(judge([gateway(), intermediate(), root()], anchors=[])) == {("untrusted", 2)}
    assert problems(judge([gateway(), intermediate()], anchors=[other])) == {("signature-invalid", 1)}
    assert judge([gateway(), intermediate()], anchors=[other, root()]).valid  # the right one is looked for
    alone = issue(NAME, names=(x509.DNSName(NAME),))
    assert problems(judge([alone])) == {("untrusted", 0)}
    assert judge([alone], anchors=[alone]).valid


def test_signature_invalid() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert problems(judge([gateway(signer=stranger), intermediate()])) == {("signature-invalid", 0)}


def test_an_intermediate_that_is_trusted_itself() -> None:
    assert judge([gateway()], anchors=[intermediate()]).valid


@pytest.mark.parametrize(
    ("usages", "accepted"),
    [
        ((), True),
        ((SERVER_AUTH,), True),
        (("1.3.6.1.5.5.7.3.17",), True),
        (("1.3.6.1.5.5.8.2.2",), True),
        (("2.5.29.37.0",), True),
        ((CLIENT_AUTH, SERVER_AUTH), True),
        ((CLIENT_AUTH,), False),
        (("1.3.6.1.5.5.7.3.3",), False),
    ],
)
def test_extended_key_usage(usages: tuple[str, ...], accepted: bool) -> None:
    report = judge([gateway(usages=usages), intermediate()])
    assert problems(report) == (set() if accepted else {("wrong-usage", 0)})


def test_key_usage_and_authorities() -> None:
    assert problems(judge([gateway(digital_signature=False), intermediate()])) == {("wrong-usage", 0)}
    assert judge([gateway(digital_signature=None), intermediate()]).valid
    for ca, cert_sign in ((False, True), (None, True), (True, False)):
        bad = issue("Bad", root(), ca=ca, cert_sign=cert_sign)
        assert problems(judge([gateway(issuer=bad), bad])) == {("wrong-usage", 1)}
    below = issue("Below", intermediate(), ca=True, cert_sign=True)  # Intermediate allows none below
    assert problems(judge([gateway(issuer=below), below, intermediate()])) == {("wrong-usage", 2)}
    unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    assert problems(judge([gateway(extra=[unknown]), intermediate()])) == {("wrong-usage", 0)}


@pytest.mark.parametrize(
    ("names", "dialled", "accepted"),
    [
        ([x509.DNSName("VPN.Example.COM")], NAME, True),
        ([x509.DNSName("other.example.com"), x509.DNSName(NAME)], NAME + ".", True),
        ([x509.DNSName("*.example.com")], NAME, True),
        ([x509.DNSName("*.example.com")], "a.b.example.com", False),
        ([x509.DNSName("*.example.com")], "example.com", False),
        ([x509.DNSName("*.com")], "example.com", False),
        ([x509.DNSName("v*.example.com")], NAME, False),
        ([x509.DNSName("other.example.com")], NAME, False),  # the common name counts no more
        ([x509.IPAddress(ip_address("192.0.2.1"))], "192.0.2.1", True),
        ([x509.IPAddress(ip_address("2001:db8::1"))], "2001:DB8:0::1", True),
        ([x509.IPAddress(ip_address("192.0.2.1"))], NAME, False),
        ([x509.DNSName("192.0.2.1")], "192.0.2.1", True),
        ([x509.DNSName(NAME)], "192.0.2.1", False),
        ([], NAME, True),
        ([], "other.example.com", False),
        ([x509.DNSName("xn--zckzah.example")], "テスト.example", True),
        ([x509.DNSName(NAME)], "", False),
        ([x509.DNSName(NAME)], "a" * 300, False),
        ([x509.DNSName(NAME)], None, True),
    ],
)
def test_names(names: list[x509.GeneralName], dialled: str | None, accepted: bool) -> None:
    report = judge([gateway(names=names), intermediate()], name=dialled)
    assert problems(report) == (set() if accepted else {("name-mismatch", 0)})


def crl(
    issuer: Issued,
    serials: Sequence[int],
    revoked_on: datetime = NOW - DAY,
    key: Key | None = None,
    *,
    updated: datetime = NOW - 2 * DAY,
    next_update: datetime = NOW + DAY,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(updated).next_update(next_update)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked_on).build()
        builder = builder.add_revoked_certificate(entry)
    return der(builder.sign(key or issuer.key, hashes.SHA256()))


def test_revoked() -> None:
    good = gateway()
    serial = good.certificate.serial_number
    received = [good, intermediate()]
    assert problems(judge(received, crls=[crl(intermediate(), [serial])])) == {("revoked", 0)}
    both = [crl(intermediate(), [serial]), crl(root(), [intermediate().certificate.serial_number])]
    assert problems(judge(received, crls=both)) == {("revoked", 0), ("revoked", 1)}
    stranger = ec.generate_private_key(ec.SECP256R1())
    for harmless in (
        crl(intermediate(), [serial + 1]),
        crl(root(), [serial]),
        crl(intermediate(), [serial], key=stranger),
        crl(intermediate(), [serial], revoked_on=NOW + DAY),
    ):
        assert judge(received, crls=[harmless]).valid
    assert judge(received, crls=[b"garbage"]).valid


def states(report: CertificateReport) -> list[str]:
    return [note.state for note in report.crls]


def test_a_list_that_may_be_believed_says_so() -> None:
    good = gateway()
    received = [good, intermediate()]
    other = issue("Intermediate", ca=True, cert_sign=True)  # the same name, another key
    report = judge(received, crls=[crl(intermediate(), [good.certificate.serial_number + 1])])
    assert (states(report), report.revocation_checked, report.valid) == (["good"], True, True)
    report = judge(received, crls=[crl(other, [good.certificate.serial_number])])
    assert (states(report), report.revocation_checked, report.valid) == (["signature-invalid"], False, True)
    report = judge(received)
    assert (states(report), report.revocation_checked) == ([], False)
    # The root's list says nothing about what the intermediate issued.
    report = judge(received, crls=[crl(root(), [])])
    assert (states(report), report.revocation_checked) == (["good"], False)


def distribution_point(**changes: object) -> x509.IssuingDistributionPoint:
    arguments: dict[str, object] = {
        "full_name": [x509.UniformResourceIdentifier("http://ca.example/a.crl")],
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    arguments |= changes
    return x509.IssuingDistributionPoint(**arguments)  # type: ignore[arg-type]  # collected as object


def test_a_list_that_cannot_be_believed_revokes_nothing() -> None:
    good = gateway()
    serial = good.certificate.serial_number
    stranger = issue("Somebody else", ca=True, cert_sign=True)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    lists = [
        (crl(intermediate(), [serial], next_update=NOW - timedelta(seconds=1)), "stale"),
        (crl(intermediate(), [serial], updated=NOW + DAY, next_update=NOW + 2 * DAY), "not-yet-valid"),
        (crl(stranger, [serial]), "foreign"),
        (crl(intermediate(), [serial], key=stranger.key), "signature-invalid"),
        (crl(intermediate(), [serial])[:-1] + b"\x00", "signature-invalid"),
        (b"garbage", "malformed"),
        (crl(intermediate(), [serial], extra=[(x509.DeltaCRLIndicator(1), True)]), "unsupported"),
        (crl(intermediate(), [serial], extra=[(unknown, True)]), "unsupported"),
        (crl(intermediate(), [serial], extra=[(distribution_point(indirect_crl=True), True)]), "unsupported"),
    ]
    for der_of, state in lists:
        report = judge([good, intermediate()], crls=[der_of])
        assert (states(report), report.valid, report.revocation_checked) == ([state], True, False), state
    every = judge([good, intermediate()], crls=[der_of for der_of, _ in lists])
    assert states(every) == [state for _, state in lists]
    assert every.valid
    # RFC 5280 §5.1.2.5: the last second counts; §5.2: an unknown extension that is not critical does not.
    for der_of in (
        crl(intermediate(), [serial], next_update=NOW),
        crl(intermediate(), [serial], extra=[(unknown, False)]),
    ):
        assert problems(judge([good, intermediate()], crls=[der_of])) == {("revoked", 0)}


def test_a_list_only_speaks_of_what_it_covers() -> None:
    good = gateway()
    serial = good.certificate.serial_number
    for scope, kinds in (("only_contains_user_certs", {("revoked", 0)}), ("only_contains_ca_certs", set())):
        extra = [(distribution_point(**{scope: True}), True)]
        report = judge([good, intermediate()], crls=[crl(intermediate(), [serial], extra=extra)])
        assert problems(report) == kinds
        assert report.revocation_checked is bool(kinds)


def test_where_the_list_is_to_be_had() -> None:
    def point(*names: str) -> x509.DistributionPoint:
        return x509.DistributionPoint(
            [x509.UniformResourceIdentifier(name) for name in names], None, None, None
        )

    points = x509.CRLDistributionPoints(
        [point("http://a.example/1.crl", "ldap:///x"), point("http://b.example")]
    )
    report = judge([gateway(extra=[(points, False)]), intermediate()])
    assert report.crl_urls == ("http://a.example/1.crl", "ldap:///x", "http://b.example")
    assert judge([gateway(), intermediate()]).crl_urls == ()


def test_every_problem_is_listed() -> None:
    bad = gateway(
        end=NOW - DAY,
        usages=(CLIENT_AUTH,),
        names=(x509.DNSName("old.example.com"),),
        digital_signature=False,
    )
    report = judge(
        [bad, intermediate()], anchors=[], crls=[crl(intermediate(), [bad.certificate.serial_number])]
    )
    assert problems(report) == {
        ("expired", 0),
        ("wrong-usage", 0),
        ("name-mismatch", 0),
        ("revoked", 0),
        ("untrusted", 1),
    }
    assert sum(problem.kind == "wrong-usage" for problem in report.problems) == 2
    mismatch = next(problem for problem in report.problems if problem.kind == "name-mismatch")
    assert mismatch.certificate == f"CN={NAME}"
    assert "old.example.com" in mismatch.detail


def test_nothing_and_garbage() -> None:
    assert problems(judge([])) == {("missing", None)}
    report = validate_chain([b"", b"garbage"], [root().der, b"x"], [], NOW, NAME)
    assert [(p.kind, p.certificate) for p in report.problems] == [
        ("malformed", "received #1"),
        ("malformed", "received #2"),
        ("malformed", "trust anchor #2"),
    ]
    assert (report.subject, report.serial, report.chain) == ("", None, ())


@cache
def large_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 4096)


def test_a_long_chain_with_4096_bit_keys() -> None:
    top = issue("Level 0", ca=True, cert_sign=True, key=large_key())
    chain = [top]
    for level in range(1, MAX_CHAIN - 1):
        chain.append(issue(f"Level {level}", chain[-1], ca=True, cert_sign=True, key=large_key()))
    leaf = gateway(issuer=chain[-1], key=large_key())
    report = judge([*chain[1:], leaf], anchors=[top])
    assert report.valid
    assert len(report.chain) == MAX_CHAIN
    deeper = issue("Deeper", chain[-1], ca=True, cert_sign=True)
    too_long = judge([*chain[1:], deeper, gateway(issuer=deeper)], anchors=[top])
    assert ("untrusted", MAX_CHAIN - 1) in problems(too_long)


def test_a_maze_of_equal_names_ends() -> None:
    maze = [issue("Maze", issue("Maze", ca=True), ca=True) for _ in range(40)]
    assert not judge([gateway(issuer=maze[0]), *maze]).valid


def test_names_cannot_redraw_a_terminal() -> None:
    report = judge([issue("gate\x1b[2Jway\n" + "x" * 40)], name="a")
    assert report.subject.isprintable()
    assert "\\1B" in report.subject


def test_identity_is_copied_from_the_certificate() -> None:
    good = gateway()
    assert identity_of(good.der) == good.certificate.subject.public_bytes()
    assert identity_of(good.der) in good.der
    for wrong in (b"", b"\x30\x00", good.der[:-1]):
        with pytest.raises(CryptoError):
            identity_of(wrong)


@cache
def sample() -> tuple[bytes, bytes]:
    good = gateway()
    return good.der, crl(intermediate(), [good.certificate.serial_number])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_damaged_certificate_or_list_is_judged(position: int, patch: bytes, insert: bool) -> None:
    for index, original in enumerate(sample()):
        at = position % len(original)
        damaged = original[:at] + patch + original[at if insert else at + len(patch) :]
        received = [damaged, intermediate().der] if index == 0 else [sample()[0], intermediate().der]
        lists = [damaged] if index == 1 else []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = validate_chain(received, [root().der], lists, NOW, NAME)
            assert index == 1 or damaged == original or report.problems
            try:
                assert identity_of(damaged)
            except CryptoError:
                continue


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_any_bytes_are_judged(received: list[bytes]) -> None:
    assert validate_chain(received, [os.urandom(4)], [], NOW, None).problems
