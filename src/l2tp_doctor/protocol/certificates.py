"""Judging the certificate a gateway authenticates IKE with (RFC 4945, RFC 5280).

Every problem of every certificate in the chain is listed, not only the first one:
whoever repairs the gateway wants to do it once.  What counts as a problem follows
Windows, which dials the same gateway.

Name constraints and certificate policies are not evaluated.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Literal

from . import revocation
from .crypto import CryptoError, certificate_public_key, load_certificate

if TYPE_CHECKING:
    from cryptography import x509

# What a Windows client accepts in a gateway's certificate; no extended key usage at all is accepted too.
ACCEPTED_USAGES = frozenset(
    {
        "1.3.6.1.5.5.7.3.1",  # server authentication
        "1.3.6.1.5.5.7.3.17",  # ipsecIKE (RFC 4945 §5.1.3.12)
        "1.3.6.1.5.5.8.2.2",  # IP security IKE intermediate (Microsoft)
        "2.5.29.37.0",  # anyExtendedKeyUsage
    }
)

# Limits against a peer that sends a maze of certificates with equal names.
MAX_CERTIFICATES = 32
MAX_CHAIN = 10
MAX_PATHS = 64
_MAX_NAME = 300  # characters of a name in a report

# Critical extensions that are evaluated here, or that do not restrict the use of a gateway's certificate.
_KNOWN_EXTENSIONS = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.30",  # nameConstraints
        "2.5.29.31",  # cRLDistributionPoints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.33",  # policyMappings
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.36",  # policyConstraints
        "2.5.29.37",  # extKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
    }
)

ProblemKind = Literal[
    "missing",
    "malformed",
    "expired",
    "not-yet-valid",
    "untrusted",
    "signature-invalid",
    "name-mismatch",
    "wrong-usage",
    "revoked",
]


@dataclass(frozen=True, slots=True)
class CertificateProblem:
    """One reason why a certificate is not good enough."""

    kind: ProblemKind
    certificate: str
    """Subject of the certificate, or ``received #2``, ``trust anchor #1`` if unreadable."""
    position: int | None
    """Place in the chain, 0 for the gateway's own certificate; ``None`` if it is not in the chain."""
    detail: str


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """What the gateway's certificate says and what is wrong with it."""

    subject: str
    """RFC 4514 form, control characters escaped; empty if no certificate could be read."""
    issuer: str
    serial: int | None
    not_before: datetime | None
    not_after: datetime | None
    problems: tuple[CertificateProblem, ...]
    chain: tuple[str, ...]
    """Subjects from the gateway's certificate up to the trust anchor, as far as the chain could be built."""
    crls: tuple[revocation.CrlNote, ...] = ()
    """What became of each revocation list, in the order given."""
    revocation_checked: bool = False
    """Whether a list of the issuer of the gateway's own certificate could be believed."""
    crl_urls: tuple[str, ...] = ()
    """Where the certificate says that list is to be had."""

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A certificate with everything read out of it that reading could fail for."""

    der: bytes
    certificate: x509.Certificate
    subject: bytes
    issuer: bytes
    subject_text: str
    issuer_text: str
    serial: int
    not_before: datetime
    not_after: datetime
    common_names: tuple[str, ...]
    extensions: _Extensions
    extensions_error: str | None

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True)
class _Extensions:
    is_authority: bool | None = None
    """``None`` without basicConstraints."""
    path_length: int | None = None
    key_usage: x509.KeyUsage | None = None
    usages: frozenset[str] | None = None
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    unknown_critical: tuple[str, ...] = ()


def validate_chain(
    received: Sequence[bytes],
    trust_anchors: Sequence[bytes],
    crls: Sequence[bytes],
    at: datetime,
    expected_name: str | None,
) -> CertificateReport:
    """Judges what a gateway sent in its CERT payloads.

    Args:
        received: DER certificates in any order.  The gateway's own is the first one that did not
            issue another of them.
        trust_anchors: DER certificates the client trusts.
        crls: DER revocation lists.  Missing ones and those that cannot be believed (outdated, of another
            authority, wrongly signed) are no problem, as in Windows (``strongcrlcheck`` 1: only what is
            listed as revoked fails); the report says which they are.
        at: the time to judge for, with a time zone.
        expected_name: DNS name or IP literal that was dialled; ``None`` skips that check.

    Raises:
        ValueError: ``at`` has no time zone.  Never for what the peer sent.
    """
    if at.tzinfo is None:
        raise ValueError("the time to judge for needs a time zone")
    with warnings.catch_warnings():
        # Negative serial numbers and the like are the gateway's business, not a warning to our user.
        warnings.simplefilter("ignore")
        return _Judge(received, trust_anchors, crls, at.astimezone(UTC), expected_name).report()


def identity_of(certificate_der: bytes) -> bytes:
    """Returns the subject's DER bytes as they stand in the certificate, for ID_DER_ASN1_DN.

    Copied, not encoded anew: peers compare this identity byte by byte.

    Raises:
        CryptoError: not a certificate.
    """
    body = load_certificate(certificate_der).tbs_certificate_bytes
    _, offset, _ = _der_element(body, 0)
    tag, _, end = _der_element(body, offset)
    if tag == 0xA0:  # the version is left out in X.509 version 1
        offset = end
    for _field in ("serial number", "signature", "issuer", "validity"):
        _, _, offset = _der_element(body, offset)
    _, _, end = _der_element(body, offset)
    return body[offset:end]


def _der_element(data: bytes, offset: int) -> tuple[int, int, int]:
    """Returns tag, start of the contents and end of the element at ``offset``."""
    if offset + 2 > len(data):
        raise CryptoError("the certificate ends too early")
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise CryptoError("the certificate ends too early")
    return tag, start, start + length


def _text(name: x509.Name) -> str:
    """A name for people: no control characters that could redraw their terminal, not endless."""
    text = "".join(
        character if character.isprintable() else f"\\{ord(character):02X}"
        for character in name.rfc4514_string()[: _MAX_NAME + 1]
    )
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"


def _parse(der: bytes) -> _Parsed:
    """Reads a certificate completely.

    Raises:
        CryptoError: something that every certificate must have cannot be read.
    """
    from cryptography.x509.oid import NameOID

    certificate = load_certificate(der)
    try:
        extensions, extensions_error = _Extensions(), None
        try:
            extensions = _read_extensions(certificate)
        except Exception as error:
            extensions_error = str(error) or type(error).__name__
        return _Parsed(
            der=der,
            certificate=certificate,
            subject=certificate.subject.public_bytes(),
            issuer=certificate.issuer.public_bytes(),
            subject_text=_text(certificate.subject),
            issuer_text=_text(certificate.issuer),
            serial=certificate.serial_number,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            common_names=tuple(
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                for value in (
                    a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
                )
            ),
            extensions=extensions,
            extensions_error=extensions_error,
        )
    except Exception as error:
        # The library reads lazily and its errors have no common root (ValueError, InvalidVersion,
        # DuplicateExtension, UnsupportedGeneralNameType …); all of them mean: the peer's bytes are bad.
        raise CryptoError(str(error) or type(error).__name__) from error


def _read_extensions(certificate: x509.Certificate) -> _Extensions:
    from cryptography import x509

    is_authority: bool | None = None
    path_length: int | None = None
    key_usage: x509.KeyUsage | None = None
    usages: frozenset[str] | None = None
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    unknown: list[str] = []
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            is_authority, path_length = value.ca, value.path_length
        elif isinstance(value, x509.KeyUsage):
            key_usage = value
        elif isinstance(value, x509.ExtendedKeyUsage):
            usages = frozenset(oid.dotted_string for oid in value)
        elif isinstance(value, x509.SubjectAlternativeName):
            dns_names = tuple(value.get_values_for_type(x509.DNSName))
            addresses = tuple(
                address
                for address in value.get_values_for_type(x509.IPAddress)
                if isinstance(address, IPv4Address | IPv6Address)
            )
        elif extension.critical and extension.oid.dotted_string not in _KNOWN_EXTENSIONS:
            unknown.append(extension.oid.dotted_string)
    return _Extensions(is_authority, path_length, key_usage, usages, dns_names, addresses, tuple(unknown))


def _issued(child: _Parsed, issuer: _Parsed) -> bool:
    """Whether ``issuer``'s key signed ``child``."""
    try:
        child.certificate.verify_directly_issued_by(issuer.certificate)
    except Exception:  # wrong signature, unknown algorithm, unusable key: not proved in any case
        return False
    return True


class _Judge:
    """One validation: reads everything, tries the possible chains, keeps the one with fewest problems."""

    def __init__(
        self,
        received: Sequence[bytes],
        trust_anchors: Sequence[bytes],
        crls: Sequence[bytes],
        at: datetime,
        expected_name: str | None,
    ) -> None:
        self._at = at
        self._expected_name = expected_name
        self._problems: list[CertificateProblem] = []
        self._received = self._read(received, "received")
        self._anchors = self._read(trust_anchors, "trust anchor")
        self._anchor_ders = {anchor.der for anchor in self._anchors}
        self._crls, self._unread_crls = revocation.read_crls(crls)
        self._signatures: dict[tuple[bytes, bytes], bool] = {}
        self._crl_signatures: dict[tuple[int, bytes], bool] = {}
        if not received:
            self._problems.append(CertificateProblem("missing", "", None, "the gateway sent no certificate"))

    def _read(self, ders: Sequence[bytes], label: str) -> list[_Parsed]:
        parsed: list[_Parsed] = []
        known: set[bytes] = set()
        # The peer's certificates are limited; how many the user trusts is the user's business.
        limit = MAX_CERTIFICATES if label == "received" else len(ders)
        for number, der in enumerate(ders[:limit], 1):
            if der in known:
                continue
            known.add(der)
            try:
                parsed.append(_parse(der))
            except CryptoError as error:
                self._problems.append(CertificateProblem("malformed", f"{label} #{number}", None, str(error)))
        return parsed

    def report(self) -> CertificateReport:
        """Returns the judgement on the best chain."""
        if not self._received:
            return CertificateReport("", "", None, None, None, tuple(self._problems), ())
        leaf = self._leaf()
        best: tuple[list[CertificateProblem], list[_Parsed]] | None = None
        for count, path in enumerate(self._paths([leaf]), 1):
            problems = self._check(path)
            if best is None or len(problems) < len(best[0]):
                best = problems, path
            if not problems or count == MAX_PATHS:
                break
        problems, path = best if best is not None else ([], [leaf])
        return CertificateReport(
            subject=leaf.subject_text,
            issuer=leaf.issuer_text,
            serial=leaf.serial,
            not_before=leaf.not_before,
            not_after=leaf.not_after,
            problems=(*self._problems, *problems),
            chain=tuple(certificate.subject_text for certificate in path),
            crls=self._crl_notes(path),
            revocation_checked=self._leaf_checked(path),
            crl_urls=revocation.distribution_points(leaf.certificate),
        )

    def _crl_notes(self, path: list[_Parsed]) -> tuple[revocation.CrlNote, ...]:
        notes = [*self._unread_crls, *(note for _, note in self._judged_crls(path))]
        return tuple(sorted(notes, key=lambda note: note.number))

    def _leaf(self) -> _Parsed:
        issuers = {other.issuer for other in self._received if not other.self_issued}
        for certificate in self._received:
            if certificate.subject not in issuers:
                return certificate
        return self._received[0]

    def _paths(self, path: list[_Parsed]) -> Iterator[list[_Parsed]]:
        """Yields every chain from the gateway upwards; those that prove themselves come first."""
        last = path[-1]
        if self._is_anchor(last) or len(path) == MAX_CHAIN:
            yield path
            return
        used = {certificate.der for certificate in path}
        candidates = [
            candidate
            for candidate in (*self._anchors, *self._received)
            if candidate.subject == last.issuer and candidate.der not in used
        ]
        proved = [candidate for candidate in candidates if self._signed(last, candidate)]
        if not candidates:
            yield path
        for candidate in proved or candidates:
            yield from self._paths([*path, candidate])

    def _is_anchor(self, certificate: _Parsed) -> bool:
        return certificate.der in self._anchor_ders

    def _signed(self, child: _Parsed, issuer: _Parsed) -> bool:
        key = (child.der, issuer.der)
        if key not in self._signatures:
            self._signatures[key] = _issued(child, issuer)
        return self._signatures[key]

    def _check(self, path: list[_Parsed]) -> list[CertificateProblem]:
        problems: list[CertificateProblem] = []
        for position, certificate in enumerate(path):
            issuer = path[position + 1] if position + 1 < len(path) else None
            found = [
                *self._check_form(certificate),
                *self._check_time(certificate),
                *self._check_issuer(certificate, issuer, len(path)),
                *(self._check_authority(path, position) if position else self._check_gateway(certificate)),
                *self._check_revocation(path, position),
            ]
            problems += [
                CertificateProblem(kind, certificate.subject_text, position, detail) for kind, detail in found
            ]
        return problems

    def _check_form(self, certificate: _Parsed) -> Iterator[tuple[ProblemKind, str]]:
        if certificate.extensions_error is not None:
            yield "malformed", f"its extensions cannot be read: {certificate.extensions_error}"
        for oid in certificate.extensions.unknown_critical:
            # RFC 5280 §4.2: a critical extension that is not recognised rejects the certificate.
            yield "wrong-usage", f"critical extension {oid} is not known"

    def _check_time(self, certificate: _Parsed) -> Iterator[tuple[ProblemKind, str]]:
        if self._at < certificate.not_before:
            yield "not-yet-valid", f"valid from {certificate.not_before.isoformat()}"
        if self._at > certificate.not_after:
            yield "expired", f"valid until {certificate.not_after.isoformat()}"

    def _check_issuer(
        self, certificate: _Parsed, issuer: _Parsed | None, length: int
    ) -> Iterator[tuple[ProblemKind, str]]:
        if issuer is not None:
            if not self._signed(certificate, issuer):
                yield "signature-invalid", f"not signed with the key of {issuer.subject_text}"
            return
        if self._is_anchor(certificate):
            return
        if certificate.self_issued:
            if not self._signed(certificate, certificate):
                yield "signature-invalid", "its own signature does not fit"
            yield "untrusted", "self-signed and not among the trusted certificates"
        elif length == MAX_CHAIN:
            yield "untrusted", f"the chain is longer than {MAX_CHAIN} certificates"
        else:
            yield "untrusted", f"its issuer was neither sent nor is it trusted: {certificate.issuer_text}"

    def _check_gateway(self, certificate: _Parsed) -> Iterator[tuple[ProblemKind, str]]:
        extensions = certificate.extensions
        yield from _check_extended_usage(extensions)
        usage = extensions.key_usage
        # RFC 4945 §5.1.3.2: digitalSignature or nonRepudiation, when the extension is there.
        if usage is not None and not (usage.digital_signature or usage.content_commitment):
            yield "wrong-usage", "key usage without digitalSignature"
        try:
            certificate_public_key(certificate.certificate)
        except CryptoError as error:
            yield "malformed", str(error)
        if self._expected_name is not None and not _name_fits(certificate, self._expected_name):
            names = [*extensions.dns_names, *map(str, extensions.addresses)] or [*certificate.common_names]
            shown = ", ".join(name for name in names if name.isprintable())[:_MAX_NAME]
            yield (
                "name-mismatch",
                f"{self._expected_name} was dialled, the certificate is for: {shown or '-'}",
            )

    def _check_authority(self, path: list[_Parsed], position: int) -> Iterator[tuple[ProblemKind, str]]:
        certificate = path[position]
        extensions = certificate.extensions
        if extensions.is_authority is None and self._is_anchor(certificate):
            return  # an old root (X.509 version 1) is trusted because it is installed
        if not extensions.is_authority:
            yield "wrong-usage", "not a certification authority (basicConstraints)"
        if extensions.key_usage is not None and not extensions.key_usage.key_cert_sign:
            yield "wrong-usage", "key usage without keyCertSign"
        # RFC 5280 §4.2.1.9: self-issued certificates and the last one do not count.
        below = sum(not lower.self_issued for lower in path[1:position])
        if extensions.path_length is not None and below > extensions.path_length:
            yield "wrong-usage", f"allows {extensions.path_length} authorities below it, there are {below}"
        if not self._is_anchor(certificate):
            yield from _check_extended_usage(extensions)

    def _check_revocation(self, path: list[_Parsed], position: int) -> Iterator[tuple[ProblemKind, str]]:
        if position + 1 == len(path):
            return
        certificate, issuer = path[position], _as_issuer(path[position + 1])
        for crl in self._believed(path):
            if not crl.covers_one(authority=position > 0) or not self._crl_signed(crl, issuer):
                continue
            try:
                since = revocation.revoked_since(crl, certificate.serial)
            except CryptoError as error:
                yield "malformed", f"a revocation list of {issuer.text} cannot be read: {error}"
                continue
            if since is not None and since <= self._at:
                yield "revoked", f"revoked on {since.isoformat()}"
                return

    def _judged_crls(self, path: list[_Parsed]) -> list[tuple[revocation.ReadCrl, revocation.CrlNote]]:
        issuers = [_as_issuer(certificate) for certificate in path[1:]]
        return [(crl, revocation.judge_crl(crl, issuers, self._at, self._crl_signed)) for crl in self._crls]

    def _crl_signed(self, crl: revocation.ReadCrl, issuer: revocation.Issuer) -> bool:
        # A peer that sends a maze of chains must not make us hash a large list once for each.
        key = (crl.number, issuer.der)
        if key not in self._crl_signatures:
            self._crl_signatures[key] = revocation.signed_by(crl, issuer)
        return self._crl_signatures[key]

    def _believed(self, path: list[_Parsed]) -> list[revocation.ReadCrl]:
        return [crl for crl, note in self._judged_crls(path) if note.state == "good"]

    def _leaf_checked(self, path: list[_Parsed]) -> bool:
        """Whether a list of the leaf's issuer could be believed."""
        return len(path) > 1 and any(
            crl.covers_one(authority=False) and self._crl_signed(crl, _as_issuer(path[1]))
            for crl in self._believed(path)
        )


def _as_issuer(certificate: _Parsed) -> revocation.Issuer:
    usage = certificate.extensions.key_usage
    return revocation.Issuer(
        certificate.certificate,
        certificate.der,
        certificate.subject,
        usage is None or usage.crl_sign,  # lists signed with another key mean nothing
        certificate.subject_text,
    )


def _check_extended_usage(extensions: _Extensions) -> Iterator[tuple[ProblemKind, str]]:
    if extensions.usages is not None and not extensions.usages & ACCEPTED_USAGES:
        yield "wrong-usage", f"extended key usage only {', '.join(sorted(extensions.usages)) or '-'}"


def _name_fits(certificate: _Parsed, expected: str) -> bool:
    """Compares with the subject alternative names, or the common names if there are none (RFC 6125)."""
    extensions = certificate.extensions
    address = _address(expected)
    if address is not None and address in extensions.addresses:
        return True
    patterns = extensions.dns_names
    if not patterns and not extensions.addresses:
        patterns = certificate.common_names
    if address is not None:
        # Gateways known by address only often carry it as text; Windows compares text.
        return any(_address(pattern) == address for pattern in patterns)
    return any(_dns_fits(pattern, expected) for pattern in patterns)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _dns_fits(pattern: str, expected: str) -> bool:
    """Whether a name matches; ``*`` stands for exactly the left-most label, never for a top domain."""
    wanted, given = _labels(expected), _labels(pattern)
    if len(wanted) != len(given) or not all(wanted):
        return False
    if given[0] == "*" and len(given) >= 3:
        return wanted[1:] == given[1:]
    return wanted == given


def _labels(name: str) -> list[str]:
    name = name.rstrip(".")
    # What IDNA does not know (an underscore, a label too long) is compared as it is.
    with contextlib.suppress(UnicodeError):
        name = name.encode("idna").decode("ascii")
    return name.lower().split(".")
