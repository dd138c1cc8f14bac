"""Reads certificates, keys and revocation lists from files."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING

from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.protocol.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from l2tp_doctor.probes.interface import ClientCertificate


MAX_CRL_FILE = 64
"""Megabytes: the largest lists of public authorities have a few dozen; more is some other file."""

_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PEM_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_DER_SEQUENCE = b"\x30"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageProblemError("certificate.unreadable", path=path, reason=reason) from None


def read_certificates(path: Path) -> tuple[bytes, ...]:
    """Returns the certificates of a PEM file as DER, in the file's order.

    Raises:
        UsageProblemError: the file cannot be read or holds none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise UsageProblemError("certificate.not_pem", path=path) from None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def read_crls(path: Path) -> tuple[bytes, ...]:
    """Returns the revocation lists of a file as DER: one in DER, or any number in PEM.

    Whether each can be read and believed is found out when it is used.

    Raises:
        UsageProblemError: the file cannot be read or holds none.
    """
    data = _read(path)
    if len(data) > MAX_CRL_FILE * 1_000_000:
        raise UsageProblemError("certificate.crl_too_large", path=path, limit=MAX_CRL_FILE)
    if data[:1] == _DER_SEQUENCE:
        return (data,)
    try:
        found = tuple(base64.b64decode(body, validate=False) for body in _PEM_CRL.findall(data))
    except binascii.Error:
        found = ()
    if not found:
        raise UsageProblemError("certificate.no_crl", path=path)
    return found


def _read_key(path: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise UsageProblemError("certificate.key_encrypted", path=path) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageProblemError("certificate.key_not_pem", path=path) from None


def read_client_certificate(
    certificate: Path, key: Path | None, *, lenient: bool = False
) -> ClientCertificate | None:
    """Returns a client certificate with its key.

    Args:
        certificate: file with the certificate; its key may stand there too.
        key: file with the key, or ``None``.
        lenient: a readable file that lacks one or the other is no mistake of the caller's but what a dial is
            to show: without a certificate ``None`` is returned, without a key a certificate that has none.

    Raises:
        UsageProblemError: a file cannot be used, or the two do not belong together.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    from l2tp_doctor.probes.interface import ClientCertificate

    if lenient and _PEM_CERTIFICATE not in _read(certificate):
        return None
    chain = read_certificates(certificate)
    combined = key is None
    key = key if key is not None else certificate
    if _PEM_KEY.search(_read(key)) is None:
        if lenient:
            return ClientCertificate(chain, None)
        raise UsageProblemError("check.cert_without_key" if combined else "certificate.key_not_pem", path=key)
    private = _read_key(key)
    public = x509.load_der_x509_certificate(chain[0]).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise UsageProblemError("certificate.key_mismatch", private=key, cert=certificate)
    encoded = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return ClientCertificate(chain, Secret(encoded))
