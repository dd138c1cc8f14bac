"""``practice``: a gateway inside this machine, healthy or with a chosen fault."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, Number, session
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.practice import PracticeGateway

_PORT = Number(0, 65535, whole=True)


def _list_faults() -> None:
    from l2tp_doctor.practice import FAULTS

    language = session().language
    width = max(len(name) for name in FAULTS)
    for name, fault in FAULTS.items():
        click.echo(f"{name:<{width}}  {fault.description.get(language)}")


def _announce(gateway: PracticeGateway, fault: str | None) -> None:
    from l2tp_doctor.practice import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER

    words = session().words
    ports = {"ike_port": gateway.ike_port, "nat_t_port": gateway.nat_t_port}
    click.echo(words("practice.running", address="127.0.0.1", **ports))
    click.echo(words("practice.faults", faults=fault) if fault else words("practice.no_fault"))
    click.echo(words("practice.credentials"))
    click.echo(f"  export PRACTICE_PSK={PRACTICE_PSK} PRACTICE_PASSWORD={PRACTICE_PASSWORD}")
    click.echo(
        f"  l2tp-doctor check 127.0.0.1 --ike-port {gateway.ike_port} --nat-t-port {gateway.nat_t_port}"
        f" --psk-env PRACTICE_PSK --user {PRACTICE_USER} --password-env PRACTICE_PASSWORD"
    )


async def _serve(fault: str | None, ports: tuple[int, int], seconds: float | None) -> None:
    from l2tp_doctor.practice import practice_gateway

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Without signal handlers (Windows) the runner cancels this coroutine instead.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
    async with practice_gateway(fault, ike_port=ports[0], nat_t_port=ports[1]) as gateway:
        _announce(gateway, fault)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(stop.wait(), seconds)
