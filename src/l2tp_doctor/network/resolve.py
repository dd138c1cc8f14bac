"""Turning the gateway's name into addresses."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Resolved:
    """Usable addresses in the resolver's order, or the reason there are none."""

    addresses: tuple[str, ...]
    error: str = ""


# EAI_NODATA is missing on some systems; it means the same as a name without address of our family.
_REASONS = {
    socket.EAI_NONAME: "not-found",
    socket.EAI_AGAIN: "temporary-failure",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no-address-of-family",
    getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME): "no-address-of-family",
}


async def resolve(host: str, family: Literal[4, 6] | None, timeout: float) -> Resolved:
    """Asks the system's resolver.

    Args:
        host: a name or literal address; may be internationalised.
        family: 4 or 6 to insist on one.
        timeout: seconds.
    """
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}[family]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, None, family=wanted, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return Resolved((), "timeout")
    except socket.gaierror as error:
        return Resolved((), _REASONS.get(error.errno, "temporary-failure"))
    except UnicodeError:
        return Resolved((), "not-found")  # a label no DNS name can have
    addresses = dict.fromkeys(str(item[4][0]) for item in found)
    return Resolved(tuple(addresses), "" if addresses else "no-address-of-family")
