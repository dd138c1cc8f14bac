"""One UDP socket towards one gateway port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice

# Datagrams taken in one go before other work gets its turn; a flood must not starve the timers.
_BATCH = 64
_MAX_DATAGRAM = 65535

DatagramHandler = Callable[[bytes, Endpoint], None]
NoticeHandler = Callable[[IcmpNotice], None]


class PortTakenError(OSError):
    """The source port asked for is in use, or needs a privilege this process lacks."""


def local_address_towards(remote: Endpoint, family: socket.AddressFamily) -> str:
    """Returns the address this machine would send from.

    Raises:
        OSError: there is no route.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((remote.address, remote.port or 9))
        return str(probe.getsockname()[0])


def family_of(address: str) -> socket.AddressFamily:
    """Returns the family of a literal address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class UdpEndpoint:
    """A bound, unconnected UDP socket, so that answers from a wrong address are seen too.

    Args:
        local_address: address to bind to.
        remote: where :meth:`send` sends.
        source_port: 0 takes any.
        on_datagram: called with payload and sender.
        on_notice: called with each ICMP error for what we sent.

    Raises:
        PortTakenError: the source port cannot be had.
        OSError: the socket cannot be made.
    """

    def __init__(
        self,
        local_address: str,
        remote: Endpoint,
        *,
        source_port: int = 0,
        on_datagram: DatagramHandler,
        on_notice: NoticeHandler,
    ) -> None:
        self.remote = remote
        self._on_datagram = on_datagram
        self._on_notice = on_notice
        self._socket = socket.socket(family_of(remote.address), socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._bind(local_address, source_port)
            icmp_errors.enable(self._socket)
        except OSError:
            self._socket.close()
            raise
        name = self._socket.getsockname()
        self.local = Endpoint(str(name[0]), int(name[1]))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _bind(self, local_address: str, source_port: int) -> None:
        try:
            self._socket.bind((local_address, source_port))
        except OSError as error:
            if source_port:
                raise PortTakenError(error.errno, f"UDP port {source_port}: {error.strerror}") from error
            raise

    def send(self, payload: bytes, *, ttl: int | None = None) -> IcmpNotice | None:
        """Sends one datagram; returns what the system said against it, if anything.

        An error of an earlier datagram may come up here; it goes to ``on_notice`` and this one is
        sent again.
        """
        if self._socket.fileno() < 0:
            return None  # closed: a timer that fires late has nothing to say about the network
        for _attempt in range(2):
            try:
                self._send_once(payload, ttl)
            except BlockingIOError:
                return None  # the buffer is full; UDP may lose datagrams, and retransmission copes
            except OSError as error:
                pending = self._earlier_errors(error)
                for notice in pending:
                    self._on_notice(notice)
                if not pending:
                    return icmp_errors.from_exception(error) or IcmpNotice("other", "", local=True)
            else:
                return None
        return None

    def _earlier_errors(self, error: OSError) -> list[IcmpNotice]:
        """Returns what the network said against earlier datagrams, which made this one fail."""
        if icmp_errors.available():
            return list(icmp_errors.read_all(self._socket))
        # A closed port is always news of an earlier datagram: this one has not been sent yet.
        notice = icmp_errors.from_exception(error)
        return [notice] if notice is not None and not notice.local else []

    def _send_once(self, payload: bytes, ttl: int | None) -> None:
        if ttl is None:
            self._socket.sendto(payload, (self.remote.address, self.remote.port))
            return
        level, option = (
            (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
            if self._socket.family == socket.AF_INET6
            else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        before = self._socket.getsockopt(level, option)
        self._socket.setsockopt(level, option, ttl)
        try:
            self._socket.sendto(payload, (self.remote.address, self.remote.port))
        finally:
            self._socket.setsockopt(level, option, before)

    def _readable(self) -> None:
        for notice in icmp_errors.read_all(self._socket):
            self._on_notice(notice)
        for _ in range(_BATCH):
            if self._socket.fileno() < 0:
                return  # whoever took the last one has closed us
            try:
                payload, sender = self._socket.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                refused = icmp_errors.from_exception(error)
                # On Linux the error queue has told it already, with more detail.
                if refused is not None and not icmp_errors.available():
                    self._on_notice(refused)
                continue
            self._on_datagram(payload, Endpoint(str(sender[0]), int(sender[1])))

    def close(self) -> None:
        """Closes the socket; nothing is called afterwards."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def __enter__(self) -> UdpEndpoint:
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            self.close()
