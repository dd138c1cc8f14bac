"""Certificate revocation lists: which may be believed, and what they say (RFC 5280 §5, §6.3).

A list that cannot be believed says nothing: neither that a certificate is revoked nor that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from .crypto import CryptoError, certificate_public_key

if TYPE_CHECKING:
    from cryptography import x509

CrlState = Literal[
    "good", "stale", "not-yet-valid", "foreign", "signature-invalid", "unsupported", "malformed"
]
"""``foreign``: no issuer of the chain has that name.  ``unsupported``: a critical extension limits what the
list covers in a way that is not evaluated here (RFC 5280 §5.2), or it is a delta list."""

# Critical CRL extensions that leave the list as it is.  The issuing distribution point is judged by itself.
_HARMLESS_CRITICAL = frozenset({"2.5.29.20", "2.5.29.35"})  # cRLNumber, authorityKeyIdentifier
_DELTA_INDICATOR = "2.5.29.27"
_DISTRIBUTION_POINT = "2.5.29.28"
_MAX_URLS = 8
_MAX_URL = 300  # characters of an address in a report


@dataclass(frozen=True, slots=True)
class CrlNote:
    """What became of one revocation list.

    Attributes:
        number: place in what was handed over, from 1.
        state: ``good`` when it was believed.
        detail: why not, in English; empty for a good one.
    """

    number: int
    state: CrlState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate of the chain that may have signed a list.

    Attributes:
        certificate: the certificate.
        der: its DER.
        subject: DER of its name.
        signs_lists: its key usage allows cRLSign, or it has none.
        text: its name for people.
    """

    certificate: x509.Certificate
    der: bytes
    subject: bytes
    signs_lists: bool
    text: str


@dataclass(frozen=True, slots=True)
class ReadCrl:
    """A list that could be read, with what reading may fail for read already."""

    number: int
    crl: x509.CertificateRevocationList
    issuer: bytes
    last_update: datetime
    next_update: datetime | None
    unsupported: str
    covers: Literal["all", "end-entities", "authorities"]

    def covers_one(self, *, authority: bool) -> bool:
        """Whether certificates of that kind are in its scope."""
        return self.covers in ("all", "authorities" if authority else "end-entities")


def read_crls(ders: Sequence[bytes]) -> tuple[list[ReadCrl], list[CrlNote]]:
    """Reads revocation lists; what cannot be read becomes a note.

    Args:
        ders: lists in DER.

    Returns:
        The readable ones, and a note for each of the others.
    """
    found: list[ReadCrl] = []
    notes: list[CrlNote] = []
    for number, der in enumerate(ders, 1):
        try:
            found.append(_read(number, der))
        except Exception as error:  # the library reads lazily and its errors have no common root
            notes.append(CrlNote(number, "malformed", str(error) or type(error).__name__))
    return found, notes


def _read(number: int, der: bytes) -> ReadCrl:
    from cryptography import x509

    crl = x509.load_der_x509_crl(der)
    unsupported = ""
    covers: Literal["all", "end-entities", "authorities"] = "all"
    for extension in crl.extensions:
        oid = extension.oid.dotted_string
        if oid == _DELTA_INDICATOR:
            unsupported = "a delta list holds changes only"
        elif isinstance(extension.value, x509.IssuingDistributionPoint):
            point = extension.value
            if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
                unsupported = "its scope is limited (issuing distribution point)"
            elif point.only_contains_user_certs:
                covers = "end-entities"
            elif point.only_contains_ca_certs:
                covers = "authorities"
        elif extension.critical and oid not in _HARMLESS_CRITICAL and oid != _DISTRIBUTION_POINT:
            unsupported = f"critical extension {oid} is not known"
    return ReadCrl(
        number=number,
        crl=crl,
        issuer=crl.issuer.public_bytes(),
        last_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        unsupported=unsupported,
        covers=covers,
    )


def judge_crl(
    crl: ReadCrl, issuers: Sequence[Issuer], at: datetime, signed: Callable[[ReadCrl, Issuer], bool]
) -> CrlNote:
    """Says whether a list may be believed.

    Args:
        crl: the list.
        issuers: the authorities of the chain.
        at: the time to judge for, in UTC.
        signed: :func:`signed_by`, or what remembers its answers.
    """
    namesakes = [issuer for issuer in issuers if issuer.subject == crl.issuer]
    if not namesakes:
        return CrlNote(crl.number, "foreign", "no authority of the gateway's chain issued it")
    if not any(signed(crl, issuer) for issuer in namesakes):
        return CrlNote(crl.number, "signature-invalid", f"not signed with the key of {namesakes[0].text}")
    if crl.unsupported:
        return CrlNote(crl.number, "unsupported", crl.unsupported)
    if at < crl.last_update:
        return CrlNote(crl.number, "not-yet-valid", f"issued on {crl.last_update.isoformat()}")
    if crl.next_update is not None and at > crl.next_update:
        return CrlNote(crl.number, "stale", f"a newer one was due on {crl.next_update.isoformat()}")
    return CrlNote(crl.number, "good")


def signed_by(crl: ReadCrl, issuer: Issuer) -> bool:
    """Whether this authority's key signed the list, and may."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    if crl.issuer != issuer.subject or not issuer.signs_lists:
        return False
    known = (
        rsa.RSAPublicKey
        | dsa.DSAPublicKey
        | ec.EllipticCurvePublicKey
        | ed25519.Ed25519PublicKey
        | ed448.Ed448PublicKey
    )
    try:
        key = certificate_public_key(issuer.certificate)
        return isinstance(key, known) and crl.crl.is_signature_valid(key)
    except Exception:  # unknown algorithm, unusable key: not proved in any case
        return False


def revoked_since(crl: ReadCrl, serial: int) -> datetime | None:
    """Returns since when a believed list has this serial number revoked; ``None`` when it does not.

    Raises:
        CryptoError: the list turns out not to be readable.
    """
    try:
        entry = crl.crl.get_revoked_certificate_by_serial_number(serial)
        return entry.revocation_date_utc if entry is not None else None
    except Exception as error:  # as in read_crls
        raise CryptoError(str(error) or type(error).__name__) from error


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Returns the addresses where the issuer says its list is to be had (RFC 5280 §4.2.1.13)."""
    from cryptography import x509

    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        names = [name for point in points for name in point.full_name or ()]
        found = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    except Exception:  # absent, or not readable: then there is none
        return ()
    return tuple(url[:_MAX_URL] for url in found[:_MAX_URLS] if url.isprintable())
