"""The socket module as a process or system sees it that may or can do less."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any


class LimitedSockets:
    """Stands in for the ``socket`` module in one module; ``refuse`` decides which sockets cannot be made.

    Args:
        refuse: given family, kind and protocol, returns the error to raise, or ``None``.
    """

    def __init__(self, refuse: Callable[[int, int, int], OSError | None]) -> None:
        self._refuse = refuse

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    def socket(self, family: int = -1, kind: int = -1, protocol: int = -1) -> socket.socket:
        """Makes a socket, or raises as the system would."""
        error = self._refuse(family, kind, protocol)
        if error is not None:
            raise error
        return socket.socket(family, kind, protocol)
