"""The reflector's sockets: they tell what arrived in fragments and answer from the address it arrived at."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import sys
import time
from collections.abc import Callable

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.path import packed
from l2tp_doctor.network.raw_esp import IPPROTO_ESP
from l2tp_doctor.network.udp import family_of
from l2tp_doctor.protocol.reflect.reflector import Packet
from l2tp_doctor.protocol.reflect.wire import Lane

# linux/in.h, linux/in6.h; the socket module does not name all of them.
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
_IP_RECVFRAGSIZE, _IPV6_RECVFRAGSIZE = 25, 77
_PKTINFO4, _PKTINFO6 = struct.Struct("=i4s4s"), struct.Struct("=16si")
_BATCH = 64
_MAX_PACKET = 65535
_CONTROL_SIZE = 256

PacketHandler = Callable[[Packet], None]


def linux() -> bool:
    """Whether this system tells of fragments and of the address a packet arrived at."""
    return sys.platform.startswith("linux")


class ReflectPort:
    """One bound UDP socket, or one raw socket for protocol 50.

    Args:
        lane: IKE, NAT_T or ESP.
        address: local literal address; a wildcard takes every address of its family.
        port: UDP port, 0 for a free one; ignored for ESP.
        on_packet: hears of everything that arrives.

    Attributes:
        port: the port bound.
        address: the address bound.

    Raises:
        OSError: the port is taken, or the socket needs a privilege this process lacks.
    """

    def __init__(self, lane: Lane, address: str, port: int, on_packet: PacketHandler) -> None:
        self.lane = lane
        self.address = address
        self._on_packet = on_packet
        self._family = family_of(address)
        raw = lane is Lane.ESP
        kind, protocol = (socket.SOCK_RAW, IPPROTO_ESP) if raw else (socket.SOCK_DGRAM, 0)
        self._has_header = raw and self._family == socket.AF_INET
        self._socket = socket.socket(self._family, kind, protocol)
        try:
            self._socket.setblocking(False)
            self._tells_fragments = self._prepare()
            self._socket.bind((address, 0 if raw else port))
        except OSError:
            self._socket.close()
            raise
        self.port = 0 if raw else int(self._socket.getsockname()[1])
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _prepare(self) -> bool:
        """Sets the options; returns whether fragments will be told."""
        if self._family == socket.AF_INET6 and self.lane is not Lane.ESP:  # a raw socket never has both
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not linux():
            return False
        # Answers larger than the path MTU shall be fragmented on the way, as the questions were.
        icmp_errors.enable(self._socket)
        if self._family == socket.AF_INET6:
            level, wanted, fragments = socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, _IPV6_RECVFRAGSIZE
        else:
            level, wanted, fragments = socket.IPPROTO_IP, _IP_PKTINFO, _IP_RECVFRAGSIZE
        self._socket.setsockopt(level, wanted, 1)
        try:
            self._socket.setsockopt(level, fragments, 1)
        except OSError:
            return False  # a kernel before 4.10
        return True

    def _readable(self) -> None:
        for _notice in icmp_errors.read_all(self._socket):
            pass  # a questioner that has gone; its errors must not stay in the queue
        for _ in range(_BATCH):
            if self._socket.fileno() < 0:
                return
            try:
                data, ancillary, sender = self._receive()
            except BlockingIOError:
                return
            except OSError:
                continue
            if self._has_header and data:
                data = data[(data[0] & 0x0F) * 4 :]
            self._on_packet(self._packet(data, ancillary, sender))

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]], tuple[str, int]]:
        if not linux():  # recvmsg does not exist on Windows
            data, sender = self._socket.recvfrom(_MAX_PACKET)
            return data, [], sender
        data, ancillary, _flags, sender = self._socket.recvmsg(_MAX_PACKET, _CONTROL_SIZE)
        return data, ancillary, sender

    def _packet(
        self, data: bytes, ancillary: list[tuple[int, int, bytes]], sender: tuple[str, int]
    ) -> Packet:
        local, fragmented = b"", False if self._tells_fragments else None
        for level, kind, value in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(value) >= _PKTINFO4.size:
                local = value[8:12]
            elif (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO) and len(value) >= _PKTINFO6.size:
                local = value[:16]
            elif kind in (_IP_RECVFRAGSIZE, _IPV6_RECVFRAGSIZE):
                # Sent for reassembled packets only (ipv6: with 0 for a whole one).
                fragmented = int.from_bytes(value[:4], sys.byteorder) > 0
        port = 0 if self.lane is Lane.ESP else int(sender[1])
        return Packet(
            self.lane, data, packed(str(sender[0])), port, local, self.port, fragmented, time.time()
        )  # fmt: skip

    def serves(self, packet: Packet) -> bool:
        """Whether an answer to ``packet`` leaves from here."""
        lane = Lane.NAT_T if packet.lane is Lane.ESP_UDP else packet.lane
        same_family = (len(packet.address) == 16) == (self._family == socket.AF_INET6)
        wildcard = self.address in ("0.0.0.0", "::")
        at_home = wildcard or not packet.local or packed(self.address) == packet.local
        return lane is self.lane and same_family and at_home

    def send(self, packet: Packet) -> None:
        """Sends an answer; what the system refuses is lost, as on any path."""
        address = socket.inet_ntop(self._family, packet.address)
        with contextlib.suppress(OSError):
            self._send(packet, (address, packet.port))

    def _send(self, packet: Packet, destination: tuple[str, int]) -> None:
        ancillary = self._source(packet.local) if linux() else []
        for _attempt in range(2):
            try:
                if ancillary:
                    self._socket.sendmsg([packet.data], ancillary, 0, destination)
                else:
                    self._socket.sendto(packet.data, destination)
            except OSError as error:
                # An ICMP error for an earlier answer comes up here; this one has not been sent yet.
                if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
                    raise
            else:
                return

    def _source(self, local: bytes) -> list[tuple[int, int, bytes]]:
        """Returns what makes the answer leave from the address that was asked."""
        if len(local) == 4:
            return [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO4.pack(0, local, bytes(4)))]
        if len(local) == 16 and local[:2] != b"\xfe\x80":  # a link-local one would need its interface
            return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, _PKTINFO6.pack(local, 0))]
        return []

    def close(self) -> None:
        """Closes the socket."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
