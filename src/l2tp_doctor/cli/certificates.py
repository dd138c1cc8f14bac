"""Reads certificates and keys in PEM form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.protocol.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from l2tp_doctor.probes.interface import ClientCertificate


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


def _read_key(path: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise UsageProblemError("certificate.key_encrypted", path=path) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageProblemError("certificate.key_not_pem", path=path) from None


def read_client_certificate(certificate: Path, key: Path) -> ClientCertificate:
    """Returns a client certificate with its key.

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

    chain = read_certificates(certificate)
    private = _read_key(key)
    public = x509.load_der_x509_certificate(chain[0]).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise UsageProblemError("certificate.key_mismatch", private=key, cert=certificate)
    encoded = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return ClientCertificate(chain, Secret(encoded))
