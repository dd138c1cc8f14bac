"""``reflect test``: the end that asks."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Literal

import click

from l2tp_doctor.cli.frame import LocalizedCommand, Number, no_color_option, session, write_line
from l2tp_doctor.cli.problems import Exit, UsageProblemError
from l2tp_doctor.cli.reflect import read_token
from l2tp_doctor.cli.target import parse_gateway

if TYPE_CHECKING:
    from l2tp_doctor.observations import Observation
    from l2tp_doctor.probes.reflect import ReflectMeasurement, ReflectRequest
    from l2tp_doctor.protocol.engine import TraceEvent

_PORT = Number(1, 65535, whole=True)
_CODES = {"passes": Exit.HEALTHY, "impaired": Exit.FAULTY, "undetermined": Exit.UNDETERMINED}


class Silent:
    """A listener: the whole test takes seconds, and its table says everything."""

    def on_trace(self, event: TraceEvent) -> None:
        """Ignores a message."""

    def on_observation(self, observation: Observation) -> None:
        """Ignores a fact."""

    def on_experiment(self, name: str, running: bool) -> None:
        """Ignores an experiment."""


def ask(request: ReflectRequest) -> ReflectMeasurement:
    """Asks a reflector.

    Raises:
        OSError: this machine cannot make the sockets.
    """
    from l2tp_doctor.cli.loop import run
    from l2tp_doctor.probes.reflect import reflect_test

    return run(reflect_test(request, Silent()))


def _show(measurement: ReflectMeasurement, request: ReflectRequest, as_json: bool) -> None:
    from l2tp_doctor.report import reflect as report
    from l2tp_doctor.report.drawing import glyphs_for

    if as_json:
        click.echo(report.encode(measurement), nl=False)
        return
    ports = {
        "udp500": request.ike_port,
        "udp4500": request.nat_t_port,
        "esp_udp": request.nat_t_port,
        "control": request.control_port or 0,
    }
    glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
    width = max(50, min(shutil.get_terminal_size((80, 24)).columns, 110))
    for line in report.lines(measurement, ports, session().words, glyphs, width):
        click.echo(line)


def _run(
    host: str,
    token_file: str,
    ike_port: int,
    nat_t_port: int,
    control_port: int | None,
    ipv4: bool,
    ipv6: bool,
    json: bool,
) -> int:
    if ipv4 and ipv6:
        raise UsageProblemError("check.two_families")
    if ike_port == nat_t_port:
        raise UsageProblemError("check.same_port", port=ike_port)
    family: Literal[4, 6] | None = 4 if ipv4 else 6 if ipv6 else None
    target = parse_gateway(host)
    token = read_token(token_file)
    from l2tp_doctor.probes.reflect import ReflectRequest

    request = ReflectRequest(target, token, ike_port, nat_t_port, control_port, family)
    words = session().words
    write_line(words("reflect.testing", host=target))
    try:
        measurement = ask(request)
    except asyncio.CancelledError:
        return Exit.INTERRUPTED
    except OSError as error:
        reason = error.strerror or type(error).__name__
        write_line(words("error.prefix", message=words("check.no_sockets", reason=reason)))
        return Exit.UNDETERMINED
    _show(measurement, request, json)
    return _CODES[measurement.verdict]


command = LocalizedCommand(
    name="reflect.test",
    help="reflect.test.help",
    callback=_run,
    params=[
        click.Argument(["host"]),
        click.Option(["--token-file"], required=True, metavar="FILE", help="reflect.help.token_file"),
        click.Option(["--ike-port"], metavar="PORT", type=_PORT, default=500, help="check.help.ike_port"),
        click.Option(
            ["--nat-t-port"], metavar="PORT", type=_PORT, default=4500, help="check.help.nat_t_port"
        ),
        click.Option(
            ["--control-port"], metavar="PORT", type=_PORT, help="reflect.test.help.control_port"
        ),
        click.Option(["-4", "ipv4"], is_flag=True, help="check.help.ipv4"),
        click.Option(["-6", "ipv6"], is_flag=True, help="check.help.ipv6"),
        click.Option(["--json"], is_flag=True, help="check.help.json"),
        no_color_option(),
    ],
)  # fmt: skip
"""The ``reflect test`` command."""
