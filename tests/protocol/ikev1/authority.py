"""A certification authority for tests of RSA signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.secret import Secret


@cache
def key(name: str, bits: int) -> rsa.RSAPrivateKey:
    """One key for each name, made once a run: long ones take a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def private_der(self) -> bytes:
        return self.private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@cache
def issue(common_name: str, issuer: Issued | None = None, *, bits: int = 2048, ca: bool = False) -> Issued:
    """Signs a certificate; without an issuer it signs itself."""
    private = key(common_name, bits)
    by = issuer.private_key if issuer is not None else private
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer is not None else name(common_name))
        .public_key(private.public_key())
        .serial_number(1000 + len(common_name))
        .not_valid_before(datetime(2024, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2044, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )
    return Issued(certificate, private)


def credentials(common_name: str, *, bits: int = 2048) -> tuple[Credentials, tuple[bytes, ...]]:
    """Returns credentials with the chain leaf, intermediate; and the chain itself."""
    root = issue("Test Root", ca=True)
    intermediate = issue("Test Intermediate", root, bits=bits, ca=True)
    leaf = issue(common_name, intermediate, bits=bits)
    chain = (leaf.der, intermediate.der)
    return Credentials(certificates=chain, private_key=Secret(leaf.private_der)), chain
