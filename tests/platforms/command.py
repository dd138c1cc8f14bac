"""The real command as a process, and a practice gateway beside it in a thread of this one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from l2tp_doctor.practice.gateway import GatewayStatus
from l2tp_doctor.practice.server import PracticeGateway
from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER
from tests.probes.common import gateway

ROOT = Path(__file__).parents[2]
Result = TypeVar("Result")

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "COV"))},
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "error",
    "PRACTICE_PSK": PRACTICE_PSK,
    "PRACTICE_PASSWORD": PRACTICE_PASSWORD,
}
COMMAND = (sys.executable, "-m", "l2tp_doctor")
USER = ("--user", PRACTICE_USER, "--password-env", "PRACTICE_PASSWORD")
CREDENTIALS = ("--psk-env", "PRACTICE_PSK", *USER)
LIMIT = 40.0


class Served:
    """A practice gateway that runs until the context ends."""

    def __init__(self, server: PracticeGateway, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self._loop = loop

    @property
    def ports(self) -> tuple[str, ...]:
        """The options that dial its ports."""
        return ("--ike-port", str(self.server.ike_port), "--nat-t-port", str(self.server.nat_t_port))

    def target(self, *options: str) -> tuple[str, ...]:
        """The arguments of a check that knows everything it needs."""
        return ("check", "127.0.0.1", *self.ports, *(options or CREDENTIALS))

    def ask(self, question: Callable[[PracticeGateway], Result]) -> Result:
        """Asks the gateway something in its own thread."""

        async def answer() -> Result:
            return question(self.server)

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(5)

    def wait_until(self, condition: Callable[[GatewayStatus], bool], timeout: float = 5.0) -> bool:
        """Whether the gateway's status comes to fulfil a condition in time."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if condition(self.ask(lambda server: server.status())):
                return True
            time.sleep(0.01)
        return False


@contextmanager
def serve(fault: str | None = None, **changes: Any) -> Iterator[Served]:
    """Runs a practice gateway, healthy or with a fault."""
    started: list[Served] = []
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        async with gateway(fault, **changes) as server:
            started.append(Served(server, asyncio.get_running_loop()))
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        if not ready.wait(10):
            raise RuntimeError("the practice gateway did not start")
        yield started[0]
    finally:
        stop.set()
        thread.join(10)


def run(
    *arguments: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    lang: str = "en",
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command to its end."""
    return subprocess.run(
        [*command, "--lang", lang, *arguments], input=stdin, capture_output=True, timeout=LIMIT,
        env={**ENVIRONMENT, **(environment or {})}, cwd=ROOT,
    )  # fmt: skip


def start(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Starts the command with its output in pipes."""
    return subprocess.Popen(
        [*COMMAND, "--lang", "en", *arguments],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip


def text(result: subprocess.CompletedProcess[bytes]) -> str:
    """Everything it said."""
    return result.stdout.decode() + result.stderr.decode()
