"""Certificates for the lab: authorities, and end certificates with any flaw."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.gateway import GATEWAY_ADDRESS

IKE_INTERMEDIATE = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")
DAY = timedelta(days=1)
_CLIENT_ADDRESS = "198.51.100.10"
_ANOTHER_ADDRESS = "203.0.113.77"

Flaw = Literal["none", "expired", "not-yet-valid", "untrusted", "name-mismatch", "wrong-usage", "revoked"]
CrlKind = Literal["current", "stale", "foreign", "forged", "empty"]
CRL_URL = "http://crl.lab.example/lab.crl"


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key in the form that strongSwan reads."""
        form = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return self.key.private_bytes(*form).decode()


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make an RSA key."""
    return rsa.generate_private_key(65537, bits)


def authority(name: str, key: rsa.RSAPrivateKey, issuer: Identity | None = None) -> Identity:
    """Make a root CA, or one below ``issuer``."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = issuer.certificate.subject if issuer is not None else subject
    signing = issuer.key if issuer is not None else key
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 100 * DAY)
        .not_valid_after(now + 100 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issuer else 1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signing, hashes.SHA256())
    )
    return Identity(built, key)


def leaf(
    name: str,
    issuer: Identity,
    key: rsa.RSAPrivateKey,
    *,
    address: str = GATEWAY_ADDRESS,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH, IKE_INTERMEDIATE),
    valid: tuple[int, int] = (-1, 50),
    crl_url: str = "",
) -> Identity:
    """Make an end certificate, valid between two days counted from today."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0] * DAY)
        .not_valid_after(now + valid[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    )
    if crl_url:
        place = [x509.UniformResourceIdentifier(crl_url)]
        points = x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, None)])
        builder = builder.add_extension(points, critical=False)
    return Identity(builder.sign(issuer.key, hashes.SHA256()), key)


def revocation_list(issuer: Identity, *revoked: Identity, days: tuple[int, int] = (-1, 30)) -> str:
    """Return a CRL in PEM that names these certificates, current between two days counted from today."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now + days[0] * DAY)
        .next_update(now + days[1] * DAY)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for item in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(item.certificate.serial_number)
            .revocation_date(now + days[0] * DAY)
            .build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Pki:
    """Two authorities, and gateway and client certificates with a flaw each; every one is made once.

    All of them use the same few keys: the flaws are in the certificates.  It may be shared by threads.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._keys: dict[tuple[str, int], rsa.RSAPrivateKey] = {}
        self._made: dict[tuple[str, ...], Identity] = {}

    def key(self, role: str, bits: int = 2048) -> rsa.RSAPrivateKey:
        """Return the key of a role."""
        with self._lock:
            if (role, bits) not in self._keys:
                self._keys[role, bits] = new_key(bits)
            return self._keys[role, bits]

    def authority(self, *, large: bool = False, stranger: bool = False) -> Identity:
        """Return the lab's CA (``large``: with a key of 4096 bits), or one that nobody trusts."""
        name = "Somebody else's CA" if stranger else "Lab CA"
        return self._once(
            ("authority", name, str(large)),
            lambda: authority(name, self.key(name, 4096 if large else 2048)),
        )

    def intermediate(self, *, large: bool = False) -> Identity:
        """Return an authority below the lab's CA."""
        return self._once(
            ("intermediate", str(large)),
            lambda: authority(
                "Lab Issuing CA", self.key("issuing", 4096 if large else 2048), self.authority(large=large)
            ),
        )

    def crl(self, kind: CrlKind) -> str:
        """Return a revocation list in PEM; all but ``empty`` name the revoked gateway and client."""
        issuer = self.authority(stranger=kind == "foreign")
        if kind == "forged":
            issuer = Identity(issuer.certificate, self.key("forger"))
        revoked = [] if kind == "empty" else [self.gateway("revoked"), self.client("revoked")]
        return revocation_list(issuer, *revoked, days=(-40, -10) if kind == "stale" else (-1, 30))

    def gateway(self, flaw: Flaw, *, large: bool = False, intermediate: bool = False) -> Identity:
        """Return the gateway's certificate.  NSS lets one pass that will be valid within a day."""
        valid = {"expired": (-50, -1), "not-yet-valid": (3, 50)}.get(flaw, (-1, 50))
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH, IKE_INTERMEDIATE)
        if flaw == "wrong-usage":
            usages = (ExtendedKeyUsageOID.CODE_SIGNING,)
        return self._once(
            ("gateway", flaw, str(large), str(intermediate)),
            lambda: leaf(
                "gateway",
                self.intermediate(large=large)
                if intermediate
                else self.authority(large=large, stranger=flaw == "untrusted"),
                self.key("gateway", 4096 if large else 2048),
                address=_ANOTHER_ADDRESS if flaw == "name-mismatch" else GATEWAY_ADDRESS,
                usages=usages,
                valid=valid,
                crl_url=CRL_URL,
            ),
        )

    def client(self, flaw: Flaw, *, large: bool = False, intermediate: bool = False) -> Identity:
        """Return the client's certificate."""
        wrong_usage = flaw == "wrong-usage"
        usage = ExtendedKeyUsageOID.CODE_SIGNING if wrong_usage else ExtendedKeyUsageOID.CLIENT_AUTH
        valid = {"expired": (-50, -1), "not-yet-valid": (3, 50)}.get(flaw, (-1, 50))
        return self._once(
            ("client", flaw, str(large), str(intermediate)),
            lambda: leaf(
                "client",
                self.intermediate(large=large)
                if intermediate
                else self.authority(large=large, stranger=flaw == "untrusted"),
                self.key("client", 4096 if large else 2048),
                address=_CLIENT_ADDRESS,
                usages=(usage,),
                valid=valid,
            ),
        )

    def _once(self, name: tuple[str, ...], make: Callable[[], Identity]) -> Identity:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]
