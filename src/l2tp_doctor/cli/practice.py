"""``practice``: a gateway inside this machine, healthy or with a chosen fault."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, Number, session, write_line
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
    from l2tp_doctor.practice.settings import GatewaySettings

_PORT = Number(0, 65535, whole=True)


ADDRESS = "127.0.0.1"


def _list_faults() -> None:
    from l2tp_doctor.practice.faults import FAULTS

    words = session().words
    width = max(len(name) for name in FAULTS)
    for name, fault in FAULTS.items():
        click.echo(f"{name:<{width}}  {words(fault.text_key)}")


def settings_with(names: tuple[str, ...]) -> GatewaySettings:
    """Returns the settings of a gateway with these faults.

    Raises:
        UsageProblemError: there is no fault of such a name.
    """
    from l2tp_doctor.practice.faults import FAULTS
    from l2tp_doctor.practice.settings import GatewaySettings

    settings = GatewaySettings()
    for name in names:
        if name not in FAULTS:
            raise UsageProblemError("practice.fault_unknown", name=name, known=", ".join(FAULTS))
        settings = FAULTS[name].alter(settings)
    return settings


def _announce(gateway: PracticeGateway, faults: tuple[str, ...]) -> None:
    from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER

    words = session().words
    ports = {"ike_port": gateway.ike_port, "nat_t_port": gateway.nat_t_port}
    click.echo(words("practice.running", address=ADDRESS, **ports))
    click.echo(words("practice.faults", faults=", ".join(faults)) if faults else words("practice.no_fault"))
    click.echo(words("practice.credentials"))
    click.echo(
        f"  PRACTICE_PSK={PRACTICE_PSK} PRACTICE_PASSWORD={PRACTICE_PASSWORD} \\\n"
        f"  l2tp-doctor check {ADDRESS} --ike-port {gateway.ike_port}"
        f" --nat-t-port {gateway.nat_t_port} \\\n"
        f"  --psk-env PRACTICE_PSK --user {PRACTICE_USER} --password-env PRACTICE_PASSWORD"
    )
    sys.stdout.flush()  # a script that started us waits for these lines


async def _serve(server: ServerSettings, faults: tuple[str, ...], seconds: float | None) -> None:
    from l2tp_doctor.practice.server import PracticeGateway

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Where the loop has no signal handlers (Windows), Ctrl-C cancels this coroutine instead.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
    async with PracticeGateway(server) as gateway:
        _announce(gateway, faults)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


def _practice(
    fault: tuple[str, ...], list_faults: bool, ike_port: int, nat_t_port: int, seconds: float | None
) -> int:
    if list_faults:
        _list_faults()
        return Exit.HEALTHY
    words = session().words
    settings = settings_with(fault)
    from l2tp_doctor.cli.loop import run
    from l2tp_doctor.practice.server import ServerSettings

    server = ServerSettings(settings, host=ADDRESS, ike_port=ike_port, nat_t_port=nat_t_port)
    try:
        run(_serve(server, fault, seconds))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        write_line(words("error.prefix", message=words("practice.bind", reason=reason)))
        return Exit.UNDETERMINED
    click.echo(words("practice.stopped"))
    return Exit.HEALTHY


command = LocalizedCommand(
    name="practice",
    help="practice.help",
    callback=_practice,
    params=[
        click.Option(["--fault"], multiple=True, metavar="FAULT", help="practice.help.fault"),
        click.Option(["--list-faults"], is_flag=True, help="practice.help.list"),
        click.Option(["--ike-port"], metavar="PORT", type=_PORT, default=0, help="practice.help.ike_port"),
        click.Option(
            ["--nat-t-port"], metavar="PORT", type=_PORT, default=0, help="practice.help.nat_t_port"
        ),
        click.Option(
            ["--seconds"], metavar="SECONDS", type=Number(1, 86400, whole=False),
            help="practice.help.seconds",
        ),
    ],
)  # fmt: skip
"""The ``practice`` command."""
