"""ICMP errors for our own datagrams, as far as the operating system hands them out.

Linux keeps them in a socket's error queue with sender, type and code (``ip(7)``, IP_RECVERR).
Elsewhere a socket only says that something was refused; what is missing then is said so.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

# linux/in.h, linux/in6.h, linux/errqueue.h; the socket module does not name all of them.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_DONT = 0
_MSG_ERRQUEUE = 0x2000
_ORIGIN_LOCAL = 1
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_CONTROL_SIZE = 512
_QUOTED_SIZE = 2048

# (IP version, type, code) -> name; RFC 792, RFC 1812 §5.2.7.1, RFC 4443.
_NAMES: dict[tuple[int, int, int], str] = {
    (4, 3, 0): "network-unreachable",
    (4, 3, 1): "host-unreachable",
    (4, 3, 2): "protocol-unreachable",
    (4, 3, 3): "port-unreachable",
    (4, 3, 4): "fragmentation-needed",
    (4, 3, 6): "network-unreachable",
    (4, 3, 7): "host-unreachable",
    (4, 3, 9): "admin-prohibited",
    (4, 3, 10): "admin-prohibited",
    (4, 3, 13): "admin-prohibited",
    (4, 11, 0): "time-exceeded",
    (4, 11, 1): "reassembly-time-exceeded",
    (6, 1, 0): "network-unreachable",
    (6, 1, 1): "admin-prohibited",
    (6, 1, 3): "host-unreachable",
    (6, 1, 4): "port-unreachable",
    (6, 1, 5): "admin-prohibited",
    (6, 1, 6): "admin-prohibited",
    (6, 2, 0): "fragmentation-needed",
    (6, 3, 0): "time-exceeded",
    (6, 3, 1): "reassembly-time-exceeded",
    (6, 4, 1): "protocol-unreachable",
}

_ERRNO_NAMES: dict[int, str] = {
    errno.ECONNREFUSED: "port-unreachable",
    errno.ECONNRESET: "port-unreachable",
    errno.EHOSTUNREACH: "host-unreachable",
    errno.ENETUNREACH: "network-unreachable",
    errno.EMSGSIZE: "fragmentation-needed",
}


@dataclass(frozen=True, slots=True)
class IcmpNotice:
    """An error for a datagram we sent.

    Attributes:
        name: what it says, in the vocabulary of ``udp500.icmp``.
        sender: address of who said it; empty when the system does not tell.
        local: our own machine said it (no route, too large), not the network.
        mtu: the next hop's MTU for fragmentation-needed, else 0.
        quoted: as much of our datagram's payload as came back.
    """

    name: str
    sender: str
    local: bool = False
    mtu: int = 0
    quoted: bytes = b""


def available() -> bool:
    """Whether this system hands out ICMP errors with their sender."""
    return sys.platform.startswith("linux")


def enable(sock: socket.socket) -> None:
    """Asks for the error queue, and lets datagrams be fragmented on the way as Windows does.

    Does nothing on systems without an error queue.
    """
    if not available():
        return
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)


def read_all(sock: socket.socket) -> Iterator[IcmpNotice]:
    """Yields every error waiting in the socket's queue; nothing where there is no queue."""
    if not available():
        return
    while True:
        try:
            quoted, ancillary, _flags, _address = sock.recvmsg(_QUOTED_SIZE, _CONTROL_SIZE, _MSG_ERRQUEUE)
        except OSError:
            return
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                notice = _notice(data, quoted, 6 if level == socket.IPPROTO_IPV6 else 4)
                if notice is not None:
                    yield notice


def _notice(data: bytes, quoted: bytes, version: int) -> IcmpNotice | None:
    if len(data) < _EXTENDED_ERROR.size:
        return None
    number, origin, kind, code, _pad, info, _data = _EXTENDED_ERROR.unpack_from(data)
    if origin == _ORIGIN_LOCAL:
        return IcmpNotice(_ERRNO_NAMES.get(number, "other"), "", local=True, mtu=info, quoted=quoted)
    name = _NAMES.get((version, kind, code), "other")
    mtu = info if name == "fragmentation-needed" else 0
    return IcmpNotice(name, _offender(data[_EXTENDED_ERROR.size :], version), mtu=mtu, quoted=quoted)


def _offender(sockaddr: bytes, version: int) -> str:
    """Reads the sockaddr behind the error: family, port, then the address."""
    with contextlib.suppress(ValueError):
        if version == 4 and len(sockaddr) >= 8:
            return str(ipaddress.IPv4Address(sockaddr[4:8]))
        if version == 6 and len(sockaddr) >= 24:
            return str(ipaddress.IPv6Address(sockaddr[8:24]))
    return ""


def from_exception(error: OSError) -> IcmpNotice | None:
    """Returns what an exception of ``sendto`` or ``recvfrom`` says, if it stands for an ICMP error.

    Windows reports a port unreachable as WSAECONNRESET on the next receive.
    """
    name = _ERRNO_NAMES.get(error.errno or 0)
    if name is None and getattr(error, "winerror", None) == 10054:
        name = "port-unreachable"
    return None if name is None else IcmpNotice(name, "", local=name != "port-unreachable")
