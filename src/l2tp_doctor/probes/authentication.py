"""Experiments on who refuses whom: the key in place of the certificate, and what other clocks show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from l2tp_doctor.knowledge.profile import AUTH_PSK
from l2tp_doctor.network import sntp
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.resolve import resolve
from l2tp_doctor.network.udp import family_of, local_address_towards
from l2tp_doctor.probes import certificates, offers
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.probes.phase1_flow import phase1_flow
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import IkeEvent, Step
from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.sntp import NTP_PORT

if TYPE_CHECKING:
    from cryptography import x509

RESOLVE_TIMEOUT = 3.0
# Two exchanges of the key's dial, each with the patience of an experiment.
KEY_TIMEOUT = 6.0
_DAY = 86_400.0
NO_ANSWER = "nothing there answers NTP"
NOT_SYNCHRONISED = "its NTP service says that it follows no source itself"

Wrong = Literal["own", "gateway", "either", "none"]


@dataclass(slots=True)
class _KeyDial:
    """How far Main Mode with the pre-shared key came."""

    message_4: bool = False
    established: bool = False
    refusal: str = ""


async def key_instead(run: Run) -> None:
    """Does the gateway take the pre-shared key where it refuses the certificate?

    Up to message 4 that needs no key: strongSwan and others refuse message 3 when they have none for us.
    """
    with run.experiment("key"):
        found = await _dial_with_key(run)
        run.observe("experiment.key.reply_4", found.message_4, "key")
        if run.request.psk is not None:
            run.observe("experiment.key.established", found.established, "key")
            if found.refusal:
                run.observe("experiment.key.refusal", found.refusal, "key")
        else:
            reason = "no pre-shared key was given (--psk-file)"
            run.observe("experiment.key.established", None, "key", reason=reason)


async def _dial_with_key(run: Run) -> _KeyDial:
    found, finished = _KeyDial(), asyncio.Event()

    def on_event(event: IkeEvent) -> None:
        if isinstance(event, ike.ReplyReceived):
            found.message_4 = found.message_4 or event.step is Step.MAIN_3
        elif isinstance(event, ike.MainModeEstablished):
            found.established = True
        elif isinstance(event, ike.NotifyReceived):
            found.refusal = found.refusal or event.name
        elif isinstance(event, ike.Undecryptable):
            found.refusal = found.refusal or "undecryptable"
        over = (
            ike.MainModeEstablished
            | ike.CredentialNeeded
            | ike.GaveUp
            | ike.NotifyReceived
            | ike.DeleteReceived
            | ike.AuthenticationFailed
            | ike.ExchangeFailed
        )
        if isinstance(event, over):
            finished.set()

    offered = next(iter(run.profile.main_mode_batches(AUTH_PSK)))
    policy = offers.experiment_policy(run.profile, tuple(offers.phase1_transform(item) for item in offered))
    policy = replace(policy, stop_after=None)
    credentials = Credentials(run.request.psk)
    with phase1_flow(run, "key", policy, credentials, on_event), contextlib.suppress(TimeoutError):
        await asyncio.wait_for(finished.wait(), KEY_TIMEOUT)
    return found


async def compare_clocks(run: Run, chain: Callable[[], Sequence[bytes]]) -> None:
    """Is a certificate out of its time, or a clock?  Asks the gateway, and the clock that is to be trusted.

    Args:
        run: the measurement.
        chain: tells the certificates (DER) the gateway has sent by then.
    """
    with run.experiment("clock"):
        gateway, reference = await asyncio.gather(_gateway_clock(run), _reference_clock(run))
        wrong = wrong_clock(run.request, chain(), gateway, reference, datetime.now(UTC))
        if wrong is not None:
            run.observe("clock.wrong", wrong, "clock")


def _days(reading: sntp.ClockReading) -> float:
    """To the minute: what decides over certificates is days, or the hours of a wrong time zone."""
    return round(reading.offset / _DAY, 3) + 0.0  # never -0.0


async def _gateway_clock(run: Run) -> sntp.ClockReading | None:
    reading = await sntp.ask(run.local, run.remote)
    if reading is None:
        run.observe("clock.gateway_days_ahead", None, "clock", reason=NO_ANSWER)
    else:
        run.observe("clock.gateway_days_ahead", _days(reading), "clock")
        run.observe("clock.gateway_synchronised", reading.synchronised, "clock")
    return reading


async def _reference_clock(run: Run) -> float | None:
    """Returns the trusted clock's offset; a clock that follows no source itself is none."""
    host = run.request.ntp
    if host is None:
        return None
    found = await resolve(host, None, RESOLVE_TIMEOUT)
    reading, reason = None, f"{host} does not resolve"
    if found.addresses:
        address = found.addresses[0]
        try:
            local = local_address_towards(Endpoint(address, NTP_PORT), family_of(address))
            reading, reason = await sntp.ask(local, address), NO_ANSWER
        except OSError as error:
            reason = error.strerror or type(error).__name__
    if reading is not None and reading.synchronised:
        run.observe("clock.reference_days_ahead", _days(reading), "clock")
        return reading.offset
    reason = reason if reading is None else NOT_SYNCHRONISED
    run.observe("clock.reference_days_ahead", None, "clock", reason=reason)
    return None


def wrong_clock(
    request: CheckRequest,
    chain: Sequence[bytes],
    gateway: sntp.ClockReading | None,
    reference: float | None,
    now: datetime,
) -> Wrong | None:
    """Says whose clock makes a certificate look out of its time.

    Args:
        request: with our own certificate.
        chain: the gateway's certificates (DER).
        gateway: what the gateway's clock shows.
        reference: seconds the trusted clock is ahead of ours, ``None`` when there is none.
        now: what our clock shows.

    Returns:
        ``own``, ``gateway``; ``either`` when the two differ and nobody knows which is right; ``none`` when no
        clock explains anything; ``None`` when there was nothing to compare with.
    """
    own = certificates.own_chain(request)[:1]
    every = [*own, *_readable(chain)]

    def troubles(offset: float, among: Sequence[x509.Certificate]) -> int:
        at = now + timedelta(seconds=offset)
        return sum(bool(certificates.time_problem(item, at)) for item in among)

    def explained(offset: float) -> bool:
        """Whether what is out of its time by our clock is in time by that one."""
        return troubles(0.0, every) > 0 and troubles(offset, every) == 0

    def refused_by_gateway(truth: float) -> bool:
        """Whether our certificate is out of its time by the gateway's clock only."""
        return gateway is not None and troubles(gateway.offset, own) > troubles(truth, own)

    if reference is not None:
        if explained(reference):
            return "own"
        return "gateway" if refused_by_gateway(reference) else "none"
    if gateway is None:
        return None
    if refused_by_gateway(0.0):
        return "either"
    # That the other clock would make things right proves something only of a clock that somebody keeps.
    if not gateway.synchronised:
        return None
    return "either" if explained(gateway.offset) else "none"


def _readable(chain: Sequence[bytes]) -> list[x509.Certificate]:
    from cryptography import x509

    found = []
    for der in chain:
        with contextlib.suppress(ValueError):
            found.append(x509.load_der_x509_certificate(der))
    return found
