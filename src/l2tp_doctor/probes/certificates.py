"""What the gateway's certificate and our own say for themselves, as observations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import CertificateRequested, PeerCertificates

if TYPE_CHECKING:
    from cryptography import x509

    from l2tp_doctor.protocol.certificates import CertificateProblem, CertificateReport

# What Windows asks of a client's certificate; no extended key usage at all will do too.
CLIENT_USAGES = frozenset(
    {
        "1.3.6.1.5.5.7.3.2",  # client authentication
        "1.3.6.1.5.5.7.3.17",  # ipsecIKE (RFC 4945 §5.1.3.12)
        "1.3.6.1.5.5.8.2.2",  # IP security IKE intermediate (Microsoft)
        "2.5.29.37.0",  # anyExtendedKeyUsage
    }
)


def _judged(
    request: CheckRequest, chain: Sequence[bytes], crls: Sequence[bytes]
) -> tuple[CertificateReport, list[CertificateProblem]]:
    from l2tp_doctor.protocol.certificates import validate_chain

    report = validate_chain(
        chain, request.trust_anchors, (*request.crls, *crls), datetime.now(UTC), request.host
    )
    # A malformed extra certificate that no chain uses harms nobody (its position is unknown).
    problems = [
        problem for problem in report.problems
        if problem.position is not None or problem.kind == "missing" or not report.chain
    ]  # fmt: skip
    if not request.trust_anchors:
        # Nobody said whom to trust; the client's own store may well know the authority.
        problems = [problem for problem in problems if problem.kind != "untrusted"]
    return report, problems


def acceptable(request: CheckRequest, chain: Sequence[bytes], crls: Sequence[bytes]) -> bool:
    """Whether a Windows client would go on after seeing these certificates (DER) and CRLs."""
    return not _judged(request, chain, crls)[1]


def judge(run: Run, received: PeerCertificates) -> bool:
    """Validates the chain the gateway sent, as a Windows client would, and notes every problem.

    Returns:
        Whether one of them is a matter of time, so that clocks are worth comparing.
    """
    report, problems = _judged(run.request, received.chain, received.crls)
    if report.subject:
        run.observe("certificate.subject", report.subject, "dial")
    for problem in problems:
        run.observe("certificate.problem", problem.kind, "dial")
    if not problems and not run.request.trust_anchors:
        reason = "no CA certificate was given to judge the gateway's by"
        run.observe("certificate.problem", None, "dial", reason=reason)
    _note_revocation(run, report)
    times = {problem.kind for problem in problems} & {"expired", "not-yet-valid"}
    wrong = [problem for problem in problems if problem.kind in times]
    if wrong and len(times) == 1 and len(wrong) == len(report.chain):
        run.observe("clock.skew_suspected", True, "dial")
    return bool(times)


def _note_revocation(run: Run, report: CertificateReport) -> None:
    """Notes which revocation lists could be used, and what they say of the gateway's own certificate."""
    if not report.chain:
        return
    given = len(run.request.crls)
    for note in report.crls:
        if note.number <= given and note.state != "good":
            run.observe("certificate.crl_problem", note.state, "dial")
    if report.crl_urls:
        run.observe("certificate.crl_urls", report.crl_urls, "dial")
    if any(problem.kind == "revoked" and not problem.position for problem in report.problems):
        run.observe("certificate.revocation", "revoked", "dial")
    elif report.revocation_checked:
        run.observe("certificate.revocation", "good", "dial")
    else:
        reason = (
            "none of the revocation lists could be used" if given else "no revocation list was given (--crl)"
        )
        if report.crl_urls:
            reason += f"; the issuer's is at {report.crl_urls[0]}"
        run.observe("certificate.revocation", None, "dial", reason=reason)


def requested(run: Run, event: CertificateRequested) -> None:
    """Notes whether the gateway asks for a certificate, of whom, and whether ours is of one of these."""
    run.observe("ike.main.certificate_requested", bool(event.authorities), "dial")
    if not event.authorities:
        return
    from l2tp_doctor.protocol.names import name_text

    names = tuple(name_text(name) for name in event.authorities)
    run.observe("ike.main.certificate_authorities", names, "dial")
    own = own_chain(run.request)
    if own:
        issuers = {b"", *(certificate.issuer.public_bytes() for certificate in own)}
        fits = not issuers.isdisjoint(event.authorities)
        run.observe("certificate.client_issuer_requested", fits, "dial")


def own_chain(request: CheckRequest) -> list[x509.Certificate]:
    """Returns the client's certificate and those that follow it; nothing when there is none."""
    if request.certificate is None:
        return []
    from cryptography import x509

    return [x509.load_der_x509_certificate(der) for der in request.certificate.chain]


def judge_own(run: Run) -> bool:
    """Notes what is wrong with the client's own certificate.

    Returns:
        Whether that is a matter of time.
    """
    own = own_chain(run.request)[:1]
    if not own:
        return False
    problem = time_problem(own[0], datetime.now(UTC))
    if problem:
        run.observe("certificate.client_problem", problem, "credentials")
    elif not _usable_by_client(own[0]):
        run.observe("certificate.client_problem", "wrong-usage", "credentials")
    return bool(problem)


def time_problem(certificate: x509.Certificate, at: datetime) -> str:
    """Returns ``expired``, ``not-yet-valid`` or nothing, for a time with a time zone."""
    if at > certificate.not_valid_after_utc:
        return "expired"
    return "not-yet-valid" if at < certificate.not_valid_before_utc else ""


def _usable_by_client(certificate: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False  # its extensions cannot be read
    return not CLIENT_USAGES.isdisjoint(usage.dotted_string for usage in usages)
