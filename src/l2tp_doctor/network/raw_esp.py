"""Native ESP: IP protocol 50 through a raw socket, where the process may open one."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.udp import family_of

IPPROTO_ESP = 50
_BATCH = 64
_MAX_PACKET = 65535
# SPI and sequence number (RFC 4303 §2): a router quotes at least these 8 octets (RFC 792), and the socket
# hears the errors for every ESP packet of this machine.
_QUOTED = 8
_REMEMBERED = 256


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

    Args:
        local: our address.
        remote: the gateway's.
        on_packet: called with each packet behind its IP header, and its sender.
        on_notice: called with each ICMP error for what we sent.

    Raises:
        OSError: see :func:`unavailable_because`.
    """

    def __init__(
        self,
        local: str,
        remote: str,
        on_packet: Callable[[bytes, Endpoint], None],
        on_notice: Callable[[IcmpNotice], None],
    ) -> None:
        self._remote = remote
        self._on_packet = on_packet
        self._on_notice = on_notice
        self._sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        family = family_of(remote)
        self._has_header = family == socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_RAW, IPPROTO_ESP)
        try:
            self._socket.setblocking(False)
            self._socket.bind((local, 0))
            icmp_errors.enable(self._socket)
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, packet: bytes) -> None:
        """Sends one ESP packet; what the system refuses is lost, as on any path.

        An error of an earlier packet may come up here; it goes to ``on_notice`` and this one is sent again.
        """
        self._sent.append(packet[:_QUOTED])
        for _attempt in range(2):
            try:
                self._socket.sendto(packet, (self._remote, 0))
            except OSError:
                if self._socket.fileno() < 0 or not self._tell_errors():
                    return
            else:
                return

    def _tell_errors(self) -> bool:
        """Hands on what waits in the error queue; returns whether there was anything."""
        told = False
        for notice in icmp_errors.read_all(self._socket):
            told = True
            if not notice.local and any(head in notice.quoted for head in self._sent):
                self._on_notice(notice)
        return told

    def _readable(self) -> None:
        self._tell_errors()
        for _ in range(_BATCH):
            if self._socket.fileno() < 0:
                return  # whoever took the last one has closed us
            try:
                packet, sender = self._socket.recvfrom(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                continue  # the error queue has told it already
            # Linux, macOS and Windows all put the IPv4 header in front; IPv6 raw sockets never do.
            if self._has_header and packet:
                packet = packet[(packet[0] & 0x0F) * 4 :]
            self._on_packet(packet, Endpoint(str(sender[0]), 0))

    def close(self) -> None:
        """Closes the socket."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
