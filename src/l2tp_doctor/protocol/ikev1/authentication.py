"""Proving oneself and verifying the other at the end of phase 1 (RFC 2409 §5.1, §5.4)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence

from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.crypto import CryptoError
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1 import keys as derivation
from l2tp_doctor.protocol.ikev1.endpoint import MessageRefusedError, first_of
from l2tp_doctor.protocol.ikev1.keys import Phase1Keys, Phase1Secrets
from l2tp_doctor.protocol.ikev1.policy import Credentials, Phase1Transform
from l2tp_doctor.protocol.ikev1.sa import payload_body
from l2tp_doctor.protocol.isakmp.constants import (
    AuthenticationMethod,
    CertificateEncoding,
    IdentificationType,
)
from l2tp_doctor.protocol.isakmp.describe import describe_identity
from l2tp_doctor.protocol.isakmp.payloads import (
    Certificate,
    CertificateRequest,
    HashPayload,
    Identification,
    Payload,
    Signature,
)

ANY_CA = CertificateRequest(CertificateEncoding.X509_SIGNATURE, b"")
"""RFC 2408 §3.10: an empty authority field asks for a certificate of any CA."""


def certificate_identity(credentials: Credentials) -> Identification:
    """Returns the ID payload of a certificate's owner: its subject (RFC 2407 §4.6.2.10).

    Raises:
        OwnCredentialsError: the certificate cannot be read.
    """
    # Certificate code is only loaded where certificates are used.
    from l2tp_doctor.protocol.certificates import identity_of

    try:
        subject = identity_of(credentials.certificates[0])
    except CryptoError as error:
        raise OwnCredentialsError(str(error)) from error
    return Identification(IdentificationType.DER_ASN1_DN, 0, 0, subject)


class OwnCredentialsError(MessageRefusedError):
    """Our own certificate or private key cannot be used; the peer has done nothing wrong."""

    def __init__(self, detail: str) -> None:
        super().__init__("no-credentials", detail)


def holds_proof(payloads: Sequence[Payload], *, identity: bool = True) -> bool:
    """Whether a decrypted message has what an authentication needs: ID (if so asked) and HASH or SIG."""
    kinds = {type(payload) for payload in payloads}
    return bool(kinds & {HashPayload, Signature}) and (Identification in kinds or not identity)


class Authenticator:
    """The keys of one phase 1 and the proofs made with them.

    Raises:
        ValueError: the credentials the transform's method needs are missing (check
            :meth:`Credentials.kind_missing_for` first).
    """

    def __init__(self, transform: Phase1Transform, credentials: Credentials, secrets: Phase1Secrets) -> None:
        self._credentials = credentials
        self._secrets = secrets
        self._uses_psk = transform.authentication == AuthenticationMethod.PRE_SHARED_KEY
        if self._uses_psk:
            if credentials.psk is None:
                raise ValueError("no pre-shared key")
            skeyid = derivation.skeyid_for_psk(transform.hash, credentials.psk, secrets)
        else:
            skeyid = derivation.skeyid_for_signatures(transform.hash, secrets)
        self.keys: Phase1Keys = derivation.derive_phase1(transform.hash, skeyid, secrets)

    # -- our proof ----------------------------------------------------------------------------

    def initiator_proof(self, identity: Identification, *, request_certificate: bool = True) -> list[Payload]:
        """ID, HASH_I — or ID, CERT…, SIG_I, CERTREQ."""
        value = derivation.hash_i(self.keys, self._secrets, payload_body(identity))
        return self._proof(identity, value, request_certificate=request_certificate)

    def responder_proof(self, identity: Identification) -> list[Payload]:
        """ID, HASH_R — or ID, CERT…, SIG_R."""
        value = derivation.hash_r(self.keys, self._secrets, payload_body(identity))
        return self._proof(identity, value, request_certificate=False)

    def _proof(self, identity: Identification, value: bytes, *, request_certificate: bool) -> list[Payload]:
        if self._uses_psk:
            return [identity, HashPayload(value)]
        if self._credentials.private_key is None:
            raise ValueError("no private key")
        try:
            signature = crypto.rsa_sign(self._credentials.private_key.reveal(), value)
        except CryptoError as error:
            raise OwnCredentialsError(str(error)) from error
        certificates: list[Payload] = [
            Certificate(CertificateEncoding.X509_SIGNATURE, der) for der in self._credentials.certificates
        ]
        asked: list[Payload] = [ANY_CA] if request_certificate else []
        return [identity, *certificates, Signature(signature), *asked]

    # -- the other's --------------------------------------------------------------------------

    def verify_responder(self, payloads: Sequence[Payload]) -> Iterator[events.IkeEvent]:
        """Yields what the responder's ID, HASH or CERT and SIG say, ``AuthenticationFailed`` last."""
        return self._verify(payloads, initiator=False)

    def verify_initiator(self, payloads: Sequence[Payload]) -> Iterator[events.IkeEvent]:
        """As :meth:`verify_responder`, for the initiator's proof."""
        return self._verify(payloads, initiator=True)

    def _verify(self, payloads: Sequence[Payload], *, initiator: bool) -> Iterator[events.IkeEvent]:
        identity = first_of(payloads, Identification)
        if identity is None:
            yield events.AuthenticationFailed("incomplete")
            return
        yield events.PeerIdentity(identity.id_type, describe_identity(identity.id_type, identity.data))
        make = derivation.hash_i if initiator else derivation.hash_r
        expected = make(self.keys, self._secrets, payload_body(identity))
        if self._uses_psk:
            yield from self._verify_hash(payloads, expected)
        else:
            yield from self._verify_signature(payloads, expected)

    def _verify_hash(self, payloads: Sequence[Payload], expected: bytes) -> Iterator[events.IkeEvent]:
        received = first_of(payloads, HashPayload)
        if received is None:
            yield events.AuthenticationFailed("incomplete")
        elif not hmac.compare_digest(received.data, expected):
            yield events.AuthenticationFailed("hash")

    def _verify_signature(self, payloads: Sequence[Payload], expected: bytes) -> Iterator[events.IkeEvent]:
        signature = first_of(payloads, Signature)
        certificates = [payload for payload in payloads if isinstance(payload, Certificate)]
        chain = tuple(
            payload.data for payload in certificates if payload.encoding == CertificateEncoding.X509_SIGNATURE
        )
        crls = tuple(payload.data for payload in certificates if payload.encoding == CertificateEncoding.CRL)
        yield events.PeerCertificates(chain, crls)
        if signature is None:
            yield events.AuthenticationFailed("incomplete")
        elif not chain:
            yield events.AuthenticationFailed("certificate-missing")
        elif not _signed_by(chain[0], signature.data, expected):
            yield events.AuthenticationFailed("signature")


def _signed_by(certificate: bytes, signature: bytes, expected: bytes) -> bool:
    try:
        return crypto.rsa_verify(certificate, signature, expected)
    except CryptoError:
        return False
