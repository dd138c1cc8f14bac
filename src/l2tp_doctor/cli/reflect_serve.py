"""``reflect serve``: the end that answers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import sys
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, Number, say, session, write_line
from l2tp_doctor.cli.problems import Exit, UsageProblemError
from l2tp_doctor.cli.reflect import read_token

if TYPE_CHECKING:
    from l2tp_doctor.network.reflect_server import PortError, ReflectServer, ReflectSettings
    from l2tp_doctor.protocol.reflect.reflector import ReflectorEvent

_PORT = Number(0, 65535, whole=True)
_EVERYWHERE = ("0.0.0.0", "::")
_MAX_LINES = 1000
"""Lines shown about sessions and clocks; only holders of the token cause any, yet no log may fill a disk."""

_MAX_STRANGERS = 20
"""Addresses with a wrong token that are named: anybody can make up more."""


class _Narrator:
    """Says who is testing, and once for each address whose clock or token is wrong."""

    def __init__(self) -> None:
        self._told: set[bytes] = set()
        self._lines = 0
        self._strangers = 0

    def __call__(self, event: ReflectorEvent) -> None:
        """Takes an event."""
        from l2tp_doctor.protocol.reflect.reflector import ClockDiffers, SessionBegan, WrongToken

        if self._lines >= _MAX_LINES:
            return
        address = str(ipaddress.ip_address(event.address))
        if isinstance(event, SessionBegan):
            click.echo(session().words("reflect.serve.session", address=address))
            sys.stdout.flush()
        elif event.address in self._told or self._strangers >= _MAX_STRANGERS:
            return
        elif isinstance(event, ClockDiffers):
            self._told.add(event.address)
            say("reflect.serve.clock", address=address, seconds=round(abs(event.seconds)))
        elif isinstance(event, WrongToken):
            self._told.add(event.address)
            self._strangers += 1
            say("reflect.serve.wrong_token", address=address)
        self._lines += 1


def _announce(server: ReflectServer) -> None:
    words = session().words
    click.echo(words("reflect.serve.running", ike_port=server.ike_port, nat_t_port=server.nat_t_port))
    if server.control_port is not None:
        click.echo(words("reflect.serve.control", port=server.control_port))
    if server.no_esp_because:
        say("reflect.serve.no_esp", reason=server.no_esp_because)
    sys.stdout.flush()  # a script that started us waits for these lines


async def _serve(settings: ReflectSettings, seconds: float | None) -> None:
    from l2tp_doctor.network.reflect_server import ReflectServer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Where the loop has no signal handlers (Windows), Ctrl-C cancels this coroutine instead.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
    async with ReflectServer(settings, _Narrator()) as server:
        _announce(server)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


def _explain(error: PortError) -> str:
    """Returns why a port cannot be had, with who holds it."""
    from l2tp_doctor.network.port_owner import udp_port_owner

    words = session().words
    if error.errno in (errno.EACCES, errno.EPERM):
        return words("reflect.serve.privilege", port=error.port)
    if error.errno != errno.EADDRINUSE and getattr(error, "winerror", None) != 10048:
        return words("reflect.serve.bind", reason=error.strerror)
    if error.tcp:
        return words("reflect.serve.tcp_taken", port=error.port)
    owner = udp_port_owner(error.port)
    if owner:
        return words("reflect.serve.taken_by", port=error.port, owner=owner)
    return words("reflect.serve.taken", port=error.port)


def _addresses(bind: str | None) -> tuple[str, ...]:
    if bind is None:
        return _EVERYWHERE
    try:
        return (str(ipaddress.ip_address(bind)),)
    except ValueError:
        raise UsageProblemError("reflect.bad_address", address=bind) from None


def _run(
    token_file: str,
    bind: str | None,
    ike_port: int,
    nat_t_port: int,
    control_port: int | None,
    seconds: float | None,
) -> int:
    addresses = _addresses(bind)
    if ike_port == nat_t_port != 0:
        raise UsageProblemError("check.same_port", port=ike_port)
    token = read_token(token_file)
    from l2tp_doctor.cli.loop import run
    from l2tp_doctor.network.reflect_server import PortError, ReflectSettings

    settings = ReflectSettings(token, addresses, ike_port, nat_t_port, control_port)
    words = session().words
    try:
        run(_serve(settings, seconds))
    except PortError as error:
        write_line(words("error.prefix", message=_explain(error)))
        return Exit.UNDETERMINED
    click.echo(words("reflect.serve.stopped"))
    return Exit.HEALTHY


command = LocalizedCommand(
    name="reflect.serve",
    help="reflect.serve.help",
    callback=_run,
    params=[
        click.Option(["--token-file"], required=True, metavar="FILE", help="reflect.help.token_file"),
        click.Option(["--bind"], metavar="ADDRESS", help="reflect.serve.help.bind"),
        click.Option(["--ike-port"], metavar="PORT", type=_PORT, default=500, help="check.help.ike_port"),
        click.Option(
            ["--nat-t-port"], metavar="PORT", type=_PORT, default=4500, help="check.help.nat_t_port"
        ),
        click.Option(
            ["--control-port"], metavar="PORT", type=_PORT, help="reflect.serve.help.control_port"
        ),
        click.Option(
            ["--seconds"], metavar="SECONDS", type=Number(1, 86400, whole=False),
            help="practice.help.seconds",
        ),
    ],
)  # fmt: skip
"""The ``reflect serve`` command."""
