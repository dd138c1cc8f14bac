"""--cert, --key, --auth, --crl and --ntp: what they turn into, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from l2tp_doctor.cli import certificates
from l2tp_doctor.cli.certificates import read_client_certificate, read_crls
from l2tp_doctor.cli.check import build_request
from l2tp_doctor.cli.problems import UsageProblemError

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem() -> bytes:
    return key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem() -> bytes:
    builder = x509.CertificateBuilder(NAME, NAME, key().public_key(), 1, NOW, NOW + timedelta(9))
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def crl(form: Encoding) -> bytes:
    builder = x509.CertificateRevocationListBuilder(NAME, NOW, NOW + timedelta(9))
    return builder.sign(key(), hashes.SHA256()).public_bytes(form)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    content = {
        "cert": certificate_pem(),
        "key": key_pem(),
        "both": certificate_pem() + key_pem(),
        "text": b"no PEM at all\n",
        "crl": b"# two of them\n" + crl(Encoding.PEM) + crl(Encoding.PEM),
        "crl-der": crl(Encoding.DER),
        "crl-damaged": b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        "crl-no-base64": b"-----BEGIN X509 CRL-----\nA\n-----END X509 CRL-----\n",
        "empty": b"",
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in (*content, "absent")}


def problem(call: Any, *arguments: object, **named: object) -> str:
    with pytest.raises(UsageProblemError) as caught:
        call(*arguments, **named)
    return caught.value.key


def test_a_file_may_hold_certificate_and_key(files: dict[str, Path]) -> None:
    for found in (
        read_client_certificate(files["both"], None),
        read_client_certificate(files["cert"], files["key"]),
    ):
        assert found is not None
        assert found.private_key is not None
    assert problem(read_client_certificate, files["cert"], None) == "check.cert_without_key"


def test_what_lacks_is_shown_by_the_dial_where_certificates_were_chosen(files: dict[str, Path]) -> None:
    for key_file in (None, files["cert"], files["text"]):
        bare = read_client_certificate(files["cert"], key_file, lenient=True)
        assert bare is not None
        assert bare.private_key is None
    assert read_client_certificate(files["text"], None, lenient=True) is None
    assert read_client_certificate(files["key"], None, lenient=True) is None
    assert problem(read_client_certificate, files["absent"], None, lenient=True) == "certificate.unreadable"
    assert (
        problem(read_client_certificate, files["cert"], files["absent"], lenient=True)
        == "certificate.unreadable"
    )


def test_revocation_lists(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    one = crl(Encoding.DER)
    assert len(read_crls(files["crl"])) == 2
    (alone,) = read_crls(files["crl-der"])
    assert x509.load_der_x509_crl(alone).issuer == x509.load_der_x509_crl(one).issuer
    # What PEM holds is judged when it is used: a damaged list is an observation, not a mistyped file.
    assert read_crls(files["crl-damaged"]) == (b"\0\0\0",)
    for name in ("text", "empty", "cert", "crl-no-base64"):
        assert problem(read_crls, files[name]) == "certificate.no_crl"
    assert problem(read_crls, files["absent"]) == "certificate.unreadable"
    monkeypatch.setattr(certificates, "MAX_CRL_FILE", 0)
    assert problem(read_crls, files["crl"]) == "certificate.crl_too_large"


def options(**given: object) -> dict[str, Any]:
    defaults: dict[str, Any] = dict.fromkeys(
        [
            *("psk_file", "psk_env", "psk_keyring", "password_file", "password_env", "password_keyring"),
            *("user", "cert", "key", "ntp"),
        ]
    )
    return {
        **defaults, "gateway": "vpn.example.com", "ipv4": False, "ipv6": False, "ike_port": 500,
        "nat_t_port": 4500, "profile": "windows-11", "psk_encoding": "utf-8", "nat_t": "auto",
        "aggressive": False, "budget": 60, "ca": (), "crl": (), "auth": "auto", **given,
    }  # fmt: skip


def test_the_request(files: dict[str, Path]) -> None:
    asked = build_request(
        options(
            cert=files["both"], ca=(files["cert"],), crl=(files["crl"], files["crl-der"]), ntp="ntp.example"
        )
    )
    assert asked.certificate is not None
    assert (len(asked.trust_anchors), len(asked.crls), asked.ntp) == (1, 3, "ntp.example")
    assert asked.authentication == "auto"
    plain = build_request(options())
    assert (plain.certificate, plain.crls, plain.ntp, plain.authentication) == (None, (), None, "auto")
    bare = build_request(options(auth="certificate"))
    assert (bare.certificate, bare.authentication) == (None, "certificate")


def test_what_contradicts_itself(files: dict[str, Path]) -> None:
    assert problem(build_request, options(key=files["key"])) == "check.cert_without_key"
    assert problem(build_request, options(cert=files["cert"])) == "check.cert_without_key"
    assert problem(build_request, options(cert=files["both"], auth="psk")) == "check.cert_with_psk"
    assert problem(build_request, options(ntp="not a host")) == "gateway.space"
