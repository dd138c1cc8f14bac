"""Native ESP: IP protocol 50 through a raw socket, where the process may open one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.udp import family_of

IPPROTO_ESP = 50
_BATCH = 64
_MAX_PACKET = 65535


def unavailable_because() -> str:
    """Returns why native ESP cannot be spoken here, or an empty string when it can."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_ESP):
            return ""
    except PermissionError:
        return "no permission for raw sockets (CAP_NET_RAW or administrator)"
    except OSError as error:
        return f"raw sockets for protocol 50 are not available: {error.strerror or error}"


class RawEsp:
    """Sends and receives ESP packets between two addresses.

    Raises:
        OSError: see :func:`unavailable_because`.
    """

    def __init__(self, local: str, remote: str, on_packet: Callable[[bytes, Endpoint], None]) -> None:
        self._remote = remote
        self._on_packet = on_packet
        family = family_of(remote)
        self._has_header = family == socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_RAW, IPPROTO_ESP)
        try:
            self._socket.setblocking(False)
            self._socket.bind((local, 0))
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, packet: bytes) -> None:
        """Sends one ESP packet; what the system refuses is lost, as on any path."""
        try:
            self._socket.sendto(packet, (self._remote, 0))
        except OSError:
            return

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                packet, sender = self._socket.recvfrom(_MAX_PACKET)
            except OSError:
                return
            # Linux, macOS and Windows all put the IPv4 header in front; IPv6 raw sockets never do.
            if self._has_header and packet:
                packet = packet[(packet[0] & 0x0F) * 4 :]
            self._on_packet(packet, Endpoint(str(sender[0]), 0))

    def close(self) -> None:
        """Closes the socket."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
