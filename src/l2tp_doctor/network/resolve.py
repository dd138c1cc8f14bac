"""Turning the gateway's name into addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Resolved:
    """Usable addresses in the resolver's order, or the reason there are none."""

    addresses: tuple[str, ...]
    error: str = ""


# EAI_NODATA means the same as a name without address of our family.  It and EAI_ADDRFAMILY are
# missing on some systems and equal EAI_NONAME on others, whose row is last so that it wins there.
_REASONS = {
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no-address-of-family",
    getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME): "no-address-of-family",
    socket.EAI_AGAIN: "temporary-failure",
    socket.EAI_NONAME: "not-found",
}


async def resolve(host: str, family: Literal[4, 6] | None, timeout: float) -> Resolved:
    """Asks the system's resolver.

    Args:
        host: a name or literal address; may be internationalised.
        family: 4 or 6 to insist on one.
        timeout: seconds.
    """
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}[family]
    try:
        async with asyncio.timeout(timeout):
            found = await _ask(host, wanted)
    except TimeoutError:
        return Resolved((), "timeout")
    except socket.gaierror as error:
        return Resolved((), _REASONS.get(error.errno, "temporary-failure"))
    except UnicodeError:
        return Resolved((), "not-found")  # a label no DNS name can have
    addresses = dict.fromkeys(str(item[4][0]) for item in found)
    return Resolved(tuple(addresses), "" if addresses else "no-address-of-family")


async def _ask(host: str, family: socket.AddressFamily) -> list[Any]:
    """Runs ``getaddrinfo`` in a thread that nobody waits for.

    It cannot be interrupted and may take a minute with dead name servers; the event loop's own
    executor would make the whole program wait for it at the end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def deliver(found: list[Any] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found or [])

    def work() -> None:
        found: list[Any] | None = None
        failure: Exception | None = None
        try:
            found = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except Exception as error:  # it belongs to whoever awaits the answer
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
            loop.call_soon_threadsafe(deliver, found, failure)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    return await answer
