"""What the gateway's certificate says for itself, as observations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import PeerCertificates

if TYPE_CHECKING:
    from l2tp_doctor.protocol.certificates import CertificateProblem, CertificateReport


def _judged(
    request: CheckRequest, chain: Sequence[bytes], crls: Sequence[bytes]
) -> tuple[CertificateReport, list[CertificateProblem]]:
    from l2tp_doctor.protocol.certificates import validate_chain

    report = validate_chain(chain, request.trust_anchors, crls, datetime.now(UTC), request.host)
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


def judge(run: Run, received: PeerCertificates) -> None:
    """Validates the chain the gateway sent, as a Windows client would, and notes every problem."""
    report, problems = _judged(run.request, received.chain, received.crls)
    if report.subject:
        run.observe("certificate.subject", report.subject, "dial")
    for problem in problems:
        run.observe("certificate.problem", problem.kind, "dial")
    if not problems and not run.request.trust_anchors:
        reason = "no CA certificate was given to judge the gateway's by"
        run.observe("certificate.problem", None, "dial", reason=reason)
    times = {problem.kind for problem in problems} & {"expired", "not-yet-valid"}
    wrong = [problem for problem in problems if problem.kind in times]
    if wrong and len(times) == 1 and len(wrong) == len(report.chain):
        run.observe("clock.skew_suspected", True, "dial")


def judge_own(run: Run) -> None:
    """Notes whether the client's own certificate is outside its validity now."""
    if run.request.certificate is None:
        return
    from cryptography import x509

    own = x509.load_der_x509_certificate(run.request.certificate.chain[0])
    now = datetime.now(UTC)
    if now > own.not_valid_after_utc:
        run.observe("certificate.client_problem", "expired", "credentials")
    elif now < own.not_valid_before_utc:
        run.observe("certificate.client_problem", "not-yet-valid", "credentials")
