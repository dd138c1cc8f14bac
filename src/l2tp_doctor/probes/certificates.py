"""What the gateway's certificate says for itself, as observations."""

from __future__ import annotations

from datetime import UTC, datetime

from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import PeerCertificates


def judge(run: Run, received: PeerCertificates) -> None:
    """Validates the chain the gateway sent, as a Windows client would, and notes every problem."""
    from l2tp_doctor.protocol.certificates import validate_chain

    report = validate_chain(
        received.chain, run.request.trust_anchors, received.crls, datetime.now(UTC), run.request.host
    )
    if report.subject:
        run.observe("certificate.subject", report.subject, "dial")
    # A malformed extra certificate that no chain uses harms nobody (its position is unknown).
    problems = [
        problem for problem in report.problems
        if problem.position is not None or problem.kind == "missing" or not report.chain
    ]  # fmt: skip
    for problem in problems:
        run.observe("certificate.problem", problem.kind, "dial")
    times = {problem.kind for problem in problems} & {"expired", "not-yet-valid"}
    wrong = [problem for problem in problems if problem.kind in times]
    if wrong and len(times) == 1 and len(wrong) == len(report.chain):
        run.observe("clock.skew_suspected", True, "dial")
