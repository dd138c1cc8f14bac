"""``check``: dials a gateway and says whether it works and, if not, why."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from l2tp_doctor.cli import interrupts
from l2tp_doctor.cli.frame import LocalizedCommand, Number, OneOf, no_color_option, say, session, write_line
from l2tp_doctor.cli.problems import Exit, UsageProblemError
from l2tp_doctor.cli.target import parse_gateway

if TYPE_CHECKING:
    from l2tp_doctor.cli.check_sources import Sources
    from l2tp_doctor.diagnosis import Combined
    from l2tp_doctor.probes.interface import CheckRequest, Measurement
    from l2tp_doctor.report.json import CheckResult
    from l2tp_doctor.report.words import Words

MAX_BUDGET = 60


@dataclass(frozen=True, slots=True)
class Output:
    """What to show and to write.

    Attributes:
        json: one JSON object on standard output in place of the text.
        verbose: every packet decoded.
        why: every observation.
        pcap: file for the packets, or ``None``.
        pcap_decrypted: file for the packets in clear, or ``None``.
    """

    json: bool = False
    verbose: bool = False
    why: bool = False
    pcap: Path | None = None
    pcap_decrypted: Path | None = None

    def check(self) -> None:
        """Makes sure that the files can be written, before anything is dialled."""
        from l2tp_doctor.cli.files import check_writable

        paths = [path for path in (self.pcap, self.pcap_decrypted) if path is not None]
        if len(paths) == 2 and paths[0].absolute() == paths[1].absolute():
            raise UsageProblemError("check.same_file", path=paths[0])
        for path in paths:
            check_writable(path)


def _family(host: str, ipv4: bool, ipv6: bool) -> Literal[4, 6] | None:
    if ipv4 and ipv6:
        raise UsageProblemError("check.two_families")
    wanted: Literal[4, 6] | None = 4 if ipv4 else 6 if ipv6 else None
    try:
        literal = ip_address(host.partition("%")[0]).version
    except ValueError:
        return wanted
    if wanted is not None and literal != wanted:
        raise UsageProblemError("check.family_mismatch", host=host, family=wanted)
    return wanted


def _check_profile(name: str) -> None:
    from l2tp_doctor.knowledge import profile_names

    known = profile_names()
    if name not in known:
        raise UsageProblemError("check.profile_unknown", name=name, known=", ".join(known))


def _say_note(key: str, values: dict[str, object]) -> None:
    say(key, **values)


def _prompt(what: str) -> str:
    import getpass

    return getpass.getpass(session().words(f"secret.prompt.{what}") + " ")


def _secrets(given: dict[str, Any], user: str | None) -> dict[str, Any]:
    from l2tp_doctor.cli.secrets import Sources, encode_psk, read_text
    from l2tp_doctor.protocol.secret import Secret

    if given["psk_file"] == "-" and given["password_file"] == "-" and not sys.stdin.isatty():
        raise UsageProblemError("check.stdin_twice")
    prompt = _prompt if sys.stdin is not None and sys.stdin.isatty() else None
    sources = {
        what: Sources(what, given[f"{what}_file"], given[f"{what}_env"], given[f"{what}_keyring"])
        for what in ("psk", "password")
    }
    if user is None and sources["password"].given():
        raise UsageProblemError("check.password_without_user")
    key = read_text(sources["psk"], _say_note, prompt=prompt)
    password = read_text(sources["password"], _say_note, prompt=prompt)
    if user is not None and password is None and prompt is not None and sys.stderr.isatty():
        password = prompt("password")
    return {
        "psk": encode_psk(key, given["psk_encoding"], _say_note) if key is not None else None,
        "password": Secret(password.encode()) if password is not None else None,
    }


def _certificates(given: dict[str, Any]) -> dict[str, Any]:
    certificate, key, method = given["cert"], given["key"], given["auth"]
    if key is not None and certificate is None:
        raise UsageProblemError("check.cert_without_key")
    if method == "psk" and certificate is not None:
        raise UsageProblemError("check.cert_with_psk")
    found: dict[str, Any] = {"authentication": method, "ntp": _clock(given["ntp"])}
    if certificate is None and not given["ca"] and not given["crl"]:
        return found
    from l2tp_doctor.cli.certificates import read_certificates, read_client_certificate, read_crls

    if certificate is not None:
        # A profile that is set to certificates is dialled without one as well: to see what that does.
        found["certificate"] = read_client_certificate(certificate, key, lenient=method == "certificate")
    found["trust_anchors"] = tuple(item for path in given["ca"] for item in read_certificates(path))
    found["crls"] = tuple(item for path in given["crl"] for item in read_crls(path))
    return found


def _clock(host: str | None) -> str | None:
    return parse_gateway(host) if host is not None else None


def build_request(given: dict[str, Any]) -> CheckRequest:
    """Turns the options into a request.

    Raises:
        UsageProblemError: whatever cannot be used, before anything is sent.
    """
    host = parse_gateway(given["gateway"])
    family = _family(host, given["ipv4"], given["ipv6"])
    if given["ike_port"] == given["nat_t_port"]:
        raise UsageProblemError("check.same_port", port=given["ike_port"])
    _check_profile(given["profile"])
    user = given["user"]
    if user is not None and not user:
        raise UsageProblemError("check.user_empty")
    credentials = {**_secrets(given, user), **_certificates(given)}

    from l2tp_doctor.probes.interface import CheckRequest

    return CheckRequest(
        host=host,
        profile=given["profile"],
        ike_port=given["ike_port"],
        nat_t_port=given["nat_t_port"],
        username=user,
        family=family,
        nat_t=given["nat_t"],
        aggressive=given["aggressive"],
        budget=float(given["budget"]),
        **credentials,
    )


def perform(request: CheckRequest, output: Output, sources: Sources | None = None) -> int:
    """Dials, diagnoses and reports; returns the exit code."""
    with interrupts.held():
        return _perform(request, output, sources)


def _perform(request: CheckRequest, output: Output, sources: Sources | None) -> int:
    words = session().words
    write_line(
        words("check.dialling", host=request.host, profile=request.profile, budget=f"{request.budget:g}")
    )
    from l2tp_doctor.cli.running import GuardedListener, run_measurement
    from l2tp_doctor.cli.screen import Screen
    from l2tp_doctor.diagnosis import diagnose

    screen = Screen(words, color=session().color)
    ports = {"udp500": request.ike_port, "udp4500": request.nat_t_port}
    epoch = time.time()
    with screen.progress(request.host, ports) as progress:
        listener = GuardedListener(progress)
        try:
            run = run_measurement(request, listener, lambda: write_line(words("check.tearing_down")))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            write_line(words("error.prefix", message=words("check.no_sockets", reason=reason)))
            return Exit.UNDETERMINED
        measurement = run.measurement
        if measurement is None:
            return Exit.TERMINATED if run.terminated else Exit.INTERRUPTED
        stopped = _ask_reflector(sources, request, measurement)
        combined = _combine(measurement, epoch, sources)
        diagnosis = diagnose(combined.observations, stage=measurement.stage)
        if listener.failure is None:
            progress.finish(connected=diagnosis.verdict == "healthy")
    _save(output, measurement, epoch, words)
    from l2tp_doctor.report.json import check_result, encode

    result = check_result(measurement, diagnosis, observations=combined.observations, started_at=epoch)
    if output.json:
        click.echo(encode(result), nl=False)
    else:
        screen.report(measurement, diagnosis, ports, combined, verbose=output.verbose, why=output.why)
    if not measurement.interrupted:
        _remember(result, output)
    if listener.failure is not None and session().traceback:
        raise listener.failure
    if measurement.interrupted or stopped:
        return Exit.TERMINATED if run.terminated else Exit.INTERRUPTED
    return {"healthy": Exit.HEALTHY, "faulty": Exit.FAULTY}.get(diagnosis.verdict, Exit.UNDETERMINED)


def _remember(result: CheckResult, output: Output) -> None:
    """Keeps the report for ``guide --last``; where that cannot be, the check is no worse for it."""
    from l2tp_doctor.cli.last_check import remember

    failure = remember(result)
    if failure is not None and output.verbose:
        say("check.not_remembered", reason=failure.strerror or type(failure).__name__)


def _ask_reflector(sources: Sources | None, request: CheckRequest, measurement: Measurement) -> bool:
    """Asks the reflector, if there is one; returns whether the user cut it short."""
    if sources is None or sources.reflector is None or measurement.interrupted:
        return False
    from asyncio import CancelledError

    from l2tp_doctor.cli.check_sources import ask_reflector

    words = session().words
    write_line(words("reflect.testing", host=sources.reflector.host))
    try:
        found = ask_reflector(sources, request, measurement)
    except (CancelledError, KeyboardInterrupt):
        return True
    except OSError as error:
        reason = error.strerror or type(error).__name__
        write_line(words("note.prefix", message=words("check.no_sockets", reason=reason)))
        return False
    if found is None:
        write_line(words("note.prefix", message=words("check.reflect_no_time")))
    elif found.verdict == "undetermined":
        write_line(words("note.prefix", message=words("reflect.verdict.undetermined")))
    return False


def _combine(measurement: Measurement, epoch: float, sources: Sources | None) -> Combined:
    from l2tp_doctor.diagnosis import SourceLog, combine

    others = sources.logs() if sources is not None else []
    return combine([SourceLog(measurement.observations, epoch), *others])


def _save(output: Output, measurement: Measurement, epoch: float, words: Words) -> None:
    """Writes the captures; a full disk costs the file, not the verdict."""
    from l2tp_doctor import __version__

    for path, decrypted in ((output.pcap, False), (output.pcap_decrypted, True)):
        if path is None:
            continue
        from l2tp_doctor.cli.files import write_atomically
        from l2tp_doctor.report.pcapng import pcapng

        application = f"l2tp-doctor {__version__}"
        content = pcapng(measurement.packets, epoch=epoch, application=application, decrypted=decrypted)
        try:
            write_atomically(path, content)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            message = words("error.output", path=path, reason=reason)
            write_line(words("error.prefix", message=message))
        else:
            write_line(words("check.saved", path=path, count=len(measurement.packets)))


def _refuse(key: str) -> Any:
    def callback(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise UsageProblemError(key)

    return callback


def _option(*names: str, **attributes: Any) -> click.Option:
    stem = max(names, key=len).lstrip("-").replace("-", "_")
    attributes.setdefault("help", f"check.help.{stem}")
    return click.Option(list(names), **attributes)


_REFLECT = ("reflect", "reflect_token_file", "reflect_control_port")
_PORT = Number(1, 65535, whole=True)
_FILE = click.Path(path_type=Path)

_OPTIONS = [
    _option("--profile", metavar="NAME", default="windows-11"),
    _option("--psk-file", metavar="FILE"),
    _option("--psk-env", metavar="VARIABLE"),
    _option("--psk-keyring", metavar="SERVICE/USER"),
    _option("--psk-encoding", type=OneOf(("utf-8", "cp932", "utf-16le")), default="utf-8"),
    _option("--user", metavar="NAME"),
    _option("--password-file", metavar="FILE"),
    _option("--password-env", metavar="VARIABLE"),
    _option("--password-keyring", metavar="SERVICE/USER"),
    _option("--cert", metavar="PEM", type=_FILE),
    _option("--key", metavar="PEM", type=_FILE),
    _option("--ca", metavar="PEM", type=_FILE, multiple=True),
    _option("--crl", metavar="FILE", type=_FILE, multiple=True),
    _option("--auth", type=OneOf(("auto", "psk", "certificate")), default="auto"),
    _option("--ntp", metavar="HOST"),
    _option("--ike-port", metavar="PORT", type=_PORT, default=500),
    _option("--nat-t-port", metavar="PORT", type=_PORT, default=4500),
    click.Option(["-4", "ipv4"], is_flag=True, help="check.help.ipv4"),
    click.Option(["-6", "ipv6"], is_flag=True, help="check.help.ipv6"),
    _option("--nat-t", type=OneOf(("auto", "forced", "native")), default="auto"),
    _option("--aggressive", is_flag=True),
    _option("--budget", metavar="SECONDS", type=Number(1, MAX_BUDGET, whole=False), default=MAX_BUDGET),
    _option("--with", metavar="[PLACE=]FILE", multiple=True),
    _option("--reflect", metavar="HOST"),
    _option("--reflect-token-file", metavar="FILE"),
    _option("--reflect-control-port", metavar="PORT", type=_PORT),
    _option("--json", is_flag=True),
    _option("--verbose", is_flag=True),
    _option("--why", is_flag=True),
    _option("--pcap", metavar="FILE", type=_FILE),
    _option("--pcap-decrypted", metavar="FILE", type=_FILE),
    click.Option(["--psk"], hidden=True, expose_value=False, callback=_refuse("secret.psk_refused")),
    click.Option(
        ["--password"], hidden=True, expose_value=False, callback=_refuse("secret.password_refused")
    ),
    no_color_option(),
]


def _check(**given: Any) -> int:
    output = Output(given["json"], given["verbose"], given["why"], given["pcap"], given["pcap_decrypted"])
    output.check()
    request = build_request(given)
    if not given["with"] and not any(given[name] is not None for name in _REFLECT):
        return perform(request, output)
    from l2tp_doctor.cli.check_sources import read_sources

    return perform(request, output, read_sources(given, request))


command = LocalizedCommand(
    name="check",
    help="check.help",
    callback=_check,
    params=[click.Argument(["gateway"]), *_OPTIONS],
)
"""The ``check`` command."""
