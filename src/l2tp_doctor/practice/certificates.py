"""Certificates for a practice gateway, made anew at every start and trusted by nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from l2tp_doctor.practice.settings import CertificateFlaw
from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_KEY_BITS = 2048
_LIFETIME = timedelta(days=30)
OTHER_NAME = "another-gateway.example"
"""What a certificate with the wrong name says (RFC 2606)."""
# Far more than any Ethernet frame, and little enough for one UDP datagram.
_LONG_CHAIN_NAMES = 150


@dataclass(frozen=True, slots=True)
class PracticeCertificates:
    """What both sides need.

    Attributes:
        gateway: the gateway's chain and key.
        client: a client's chain and key.
        ca: DER of the authority a client has to trust.
    """

    gateway: Credentials
    client: Credentials
    ca: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Issuer:
    """An authority: its certificate and key."""

    certificate: x509.Certificate
    key: RSAPrivateKey


def make_certificates(
    flaw: CertificateFlaw, names: Sequence[str], now: datetime, *, long_chain: bool = False
) -> PracticeCertificates:
    """Makes an authority, a gateway's certificate with ``flaw``, and a client's without.

    Args:
        flaw: what is wrong with the gateway's.
        names: DNS names and address literals the gateway is dialled by.
        now: the time validity is reckoned from, with a time zone.
        long_chain: both certificates become larger than an Ethernet frame.
    """
    authority = _authority("l2tp-doctor practice CA", now)
    issuer = authority
    if flaw is CertificateFlaw.UNTRUSTED:
        issuer = _authority("an authority nobody knows", now)
    valid_from, valid_to = now - timedelta(hours=1), now + _LIFETIME
    if flaw is CertificateFlaw.EXPIRED:
        valid_from, valid_to = now - _LIFETIME, now - timedelta(days=2)
    elif flaw is CertificateFlaw.NOT_YET_VALID:
        valid_from, valid_to = now + timedelta(days=2), now + _LIFETIME
    if flaw is CertificateFlaw.NAME_MISMATCH:
        names = (OTHER_NAME,)
    if long_chain:
        names = (*names, *_filler())
    gateway = _leaf("practice gateway", issuer, names, (valid_from, valid_to), _gateway_usage(flaw))
    fine = (now - timedelta(hours=1), now + _LIFETIME)
    client = _leaf("practice client", authority, _filler() if long_chain else (), fine, ("client",))
    return PracticeCertificates(gateway, client, _der(authority.certificate))


def _filler() -> tuple[str, ...]:
    return tuple(f"branch-office-{number}.example" for number in range(_LONG_CHAIN_NAMES))


def _gateway_usage(flaw: CertificateFlaw) -> tuple[str, ...]:
    return ("code",) if flaw is CertificateFlaw.WRONG_USAGE else ("server", "ipsec")


def _authority(name: str, now: datetime) -> _Issuer:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = _key()
    subject = _name(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * _LIFETIME)
        .not_valid_after(now + 2 * _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Issuer(certificate, key)


def _leaf(
    name: str, issuer: _Issuer, names: Sequence[str], valid: tuple[datetime, datetime], usages: Sequence[str]
) -> Credentials:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes = {
        "server": ExtendedKeyUsageOID.SERVER_AUTH,
        "client": ExtendedKeyUsageOID.CLIENT_AUTH,
        "code": ExtendedKeyUsageOID.CODE_SIGNING,
        "ipsec": ExtendedKeyUsageOID.IPSEC_IKE,
    }
    key = _key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purposes[usage] for usage in usages]), critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(entry) for entry in names]), critical=False
        )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = builder.sign(issuer.key, hashes.SHA256())
    return Credentials(certificates=(_der(certificate),), private_key=Secret(private))


def _key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(entry: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(entry))
    except ValueError:
        return x509.DNSName(entry)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)
