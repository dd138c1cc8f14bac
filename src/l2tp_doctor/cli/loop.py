"""The event loop every command runs in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_CTRL_C_POLL = 0.2


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs ``main`` to its end, in a loop that can watch sockets of our own on every system.

    Windows' default loop cannot (it has no ``add_reader``); its other one can, but sleeps through
    Ctrl-C until something else wakes it.
    """
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        if sys.platform == "win32":
            _stay_awake(runner.get_loop())
        return runner.run(main)


def _stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_later(_CTRL_C_POLL, _stay_awake, loop)
