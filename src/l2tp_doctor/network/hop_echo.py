"""ICMP echoes with a hop limit, and what routers and the host answer to them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.udp import family_of
from l2tp_doctor.protocol.ip import (
    IcmpEcho,
    build_icmp_echo,
    build_icmpv6_echo,
    parse_icmp_echo,
    parse_icmpv6_echo,
)
from l2tp_doctor.protocol.wire import WireError

_BATCH = 64
_MAX_PACKET = 2048
_REQUEST_TYPES = (8, 128)  # RFC 792, RFC 4443 §4.1
_HOP_BITS = 0x3F

EchoHandler = Callable[[int, str, str], None]
"""Called with the hop limit of the echo answered, who answered, and ``reply`` or the ICMP error's name."""


class EchoUnavailableError(OSError):
    """This process may not send ICMP echo."""


def _open(family: socket.AddressFamily) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    reasons: list[str] = []
    # The unprivileged kind first: the kernel then delivers what belongs to this socket only.
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except OSError as error:
            reasons.append(str(error.strerror or error))
    raise EchoUnavailableError("; ".join(reasons))


class HopEcho:
    """One ICMP socket with an error queue.

    The sequence number says which hop limit an echo had: it lies within the eight octets that
    every router has to quote (RFC 792).

    Args:
        local: our address.
        remote: the host's.
        heard: hears of each answer.

    Raises:
        EchoUnavailableError: ICMP echo cannot be sent from here.
    """

    def __init__(self, local: str, remote: str, heard: EchoHandler) -> None:
        family = family_of(remote)
        self._local, self._remote = local.split("%")[0], remote
        self._heard = heard
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._token = os.urandom(16)
        self._sent = 0
        self._socket = _open(family)
        try:
            self._socket.setblocking(False)
            self._socket.bind((local, 0))
            icmp_errors.enable(self._socket)
            if self._socket.type == socket.SOCK_DGRAM:
                # The kernel puts its own identifier into what such a socket sends.
                self._identifier = int(self._socket.getsockname()[1])
        except OSError:
            self._socket.close()
            raise
        self._option = (
            (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
            if family == socket.AF_INET6
            else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, hop: int) -> None:
        """Sends one echo that dies at router number ``hop`` (1 to 63)."""
        self._sent += 1
        sequence = (self._sent << 6 & 0xFFFF) | (hop & _HOP_BITS)
        echo = IcmpEcho(False, self._identifier, sequence, self._token)
        if self._socket.family == socket.AF_INET6:
            there = ipaddress.IPv6Address(self._remote.split("%")[0])
            message = build_icmpv6_echo(echo, ipaddress.IPv6Address(self._local), there)
        else:
            message = build_icmp_echo(echo)
        self._socket.setsockopt(*self._option, hop)
        for _attempt in range(2):
            try:
                self._socket.sendto(message, (self._remote, 0))
                return
            except OSError:
                self._read_errors()  # an error of an earlier echo comes up here; this one goes again

    def _readable(self) -> None:
        self._read_errors()
        for _ in range(_BATCH):
            if self._socket.fileno() < 0:
                return
            try:
                packet, sender = self._socket.recvfrom(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                continue
            address = str(sender[0])
            sequence = self._reply(packet, address)
            if sequence is not None:
                self._heard(sequence & _HOP_BITS, address, "reply")

    def _read_errors(self) -> None:
        for notice in icmp_errors.read_all(self._socket):
            hop = quoted_hop(notice.quoted, self._identifier)
            if hop is not None and not notice.local:
                self._heard(hop, notice.sender, notice.name)

    def _reply(self, packet: bytes, sender: str) -> int | None:
        """Returns the sequence number if this is the answer to an echo of ours."""
        if sender.split("%")[0] != self._remote.split("%")[0]:
            return None
        try:
            if self._socket.family == socket.AF_INET6:
                there = ipaddress.IPv6Address(sender.split("%")[0])
                echo = parse_icmpv6_echo(packet, there, ipaddress.IPv6Address(self._local))
            else:
                raw = self._socket.type == socket.SOCK_RAW and packet[:1] != b""
                echo = parse_icmp_echo(packet[(packet[0] & 0x0F) * 4 :] if raw else packet)
        except WireError:
            return None
        return echo.sequence if echo is not None and echo.reply and echo.data == self._token else None

    def close(self) -> None:
        """Closes the socket; nothing is called afterwards."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            with contextlib.suppress(OSError):
                self._socket.close()


def quoted_hop(quoted: bytes, identifier: int) -> int | None:
    """Returns the hop limit that a quoted echo of ours had, or ``None`` if it is not ours.

    Args:
        quoted: from the error queue: the echo, on raw IPv6 sockets behind its IPv6 header.
        identifier: ours; another process's echoes come up on a raw socket too.
    """
    if quoted[:1] and quoted[0] >> 4 == 6:
        quoted = quoted[40:]
    if len(quoted) < 8 or quoted[0] not in _REQUEST_TYPES:
        return None
    if int.from_bytes(quoted[4:6], "big") != identifier:
        return None
    return int.from_bytes(quoted[6:8], "big") & _HOP_BITS
