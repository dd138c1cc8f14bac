"""Signs of life from an address that have nothing to do with IKE: ping, TCP, a closed UDP port."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Sequence

from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.udp import UdpEndpoint, family_of
from l2tp_doctor.protocol.ip import (
    IcmpEcho,
    build_icmp_echo,
    build_icmpv6_echo,
    parse_icmp_echo,
    parse_icmpv6_echo,
)
from l2tp_doctor.protocol.wire import WireError

# Ports that VPN gateways and the routers before them commonly have open or refuse:
# HTTPS and SSTP, HTTP, SSH, PPTP, DNS, SoftEther's own, RDP.
CONTROL_PORTS = (443, 80, 22, 1723, 53, 992, 5555, 3389)

# traceroute's first destination port: nobody listens there, so a live host answers port unreachable.
CLOSED_UDP_PORT = 33434


class PingUnavailableError(OSError):
    """This process may not send ICMP echo."""


def _ping_socket(family: socket.AddressFamily) -> tuple[socket.socket, bool]:
    """Returns an ICMP socket and whether it is a raw one."""
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    reasons: list[str] = []
    # The unprivileged kind first (Linux with ping_group_range, macOS), then the raw one.
    for kind, raw in ((socket.SOCK_DGRAM, False), (socket.SOCK_RAW, True)):
        try:
            return socket.socket(family, kind, protocol), raw
        except OSError as error:
            reasons.append(str(error.strerror or error))
    raise PingUnavailableError("; ".join(reasons))


async def ping(local: str, remote: str, *, attempts: int = 3, interval: float = 0.4) -> float | None:
    """Sends ICMP echoes and returns the round-trip time of the first answered, or ``None``.

    Raises:
        PingUnavailableError: ICMP echo cannot be sent from here.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[int] = loop.create_future()

    def heard(sequence: int) -> None:
        if not answered.done():
            answered.set_result(sequence)

    sent: dict[int, float] = {}
    with _pinging(local, remote, heard) as send:
        try:
            for sequence in range(1, attempts + 1):
                sent[sequence] = loop.time()
                send(sequence)
                with contextlib.suppress(TimeoutError):
                    number = await asyncio.wait_for(asyncio.shield(answered), interval)
                    return loop.time() - sent.get(number, sent[sequence])
            return None
        finally:
            answered.cancel()


async def ping_series(local: str, remote: str, *, count: int, interval: float, settling: float) -> int:
    """Sends ICMP echoes at a steady pace and returns how many were answered.

    Args:
        local: our address.
        remote: whom to ask.
        count: how many.
        interval: seconds between two.
        settling: seconds to wait for answers after the last.

    Raises:
        PingUnavailableError: ICMP echo cannot be sent from here.
    """
    numbers: set[int] = set()
    complete = asyncio.Event()

    def heard(sequence: int) -> None:
        numbers.add(sequence)
        if len(numbers) == count:
            complete.set()

    with _pinging(local, remote, heard) as send:
        for sequence in range(1, count + 1):
            send(sequence)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(complete.wait(), interval if sequence < count else settling)
    return len(numbers)


@contextlib.contextmanager
def _pinging(local: str, remote: str, heard: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Gives what sends the echo of a sequence number; ``heard`` takes the numbers of the answers."""
    family = family_of(remote)
    sock, raw = _ping_socket(family)
    loop = asyncio.get_running_loop()
    identifier = int.from_bytes(os.urandom(2), "big")
    token = os.urandom(16)

    def readable() -> None:
        with contextlib.suppress(OSError):
            packet, sender = sock.recvfrom(2048)
            if str(sender[0]).split("%")[0] != remote.split("%")[0]:
                return
            echo = _parse(packet, family, raw, remote, local)
            # Unprivileged sockets get an identifier from the kernel, so the token decides.
            if echo is not None and echo.reply and echo.data == token:
                heard(echo.sequence)

    def send(sequence: int) -> None:
        with contextlib.suppress(OSError):
            sock.sendto(_echo(identifier, sequence, token, family, local, remote), (remote, 0))

    with sock:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.bind((local, 0))
        loop.add_reader(sock.fileno(), readable)
        try:
            yield send
        finally:
            loop.remove_reader(sock.fileno())


def _echo(
    identifier: int, sequence: int, token: bytes, family: socket.AddressFamily, local: str, remote: str
) -> bytes:
    echo = IcmpEcho(False, identifier, sequence, token)
    if family == socket.AF_INET:
        return build_icmp_echo(echo)
    source = ipaddress.IPv6Address(local.split("%")[0])
    return build_icmpv6_echo(echo, source, ipaddress.IPv6Address(remote.split("%")[0]))


def _parse(
    packet: bytes, family: socket.AddressFamily, raw: bool, remote: str, local: str
) -> IcmpEcho | None:
    try:
        if family == socket.AF_INET:
            # macOS hands out the IP header on unprivileged sockets too; an ICMP reply starts with 0.
            if packet[:1] and packet[0] >> 4 == 4 and (raw or len(packet) >= 28):
                packet = packet[(packet[0] & 0x0F) * 4 :]
            return parse_icmp_echo(packet)
        return parse_icmpv6_echo(
            packet,
            ipaddress.IPv6Address(remote.split("%")[0]),
            ipaddress.IPv6Address(local.split("%")[0]),
        )
    except WireError:
        return None


async def control_port(
    local: str, remote: str, *, ports: Sequence[int] = CONTROL_PORTS, timeout: float = 1.5
) -> str | None:
    """Returns the first port that shows a live host, e.g. ``tcp/443`` (open or refused); or ``None``."""
    tasks = [asyncio.create_task(_tcp_alive(remote, port)) for port in ports]
    tasks.append(asyncio.create_task(_udp_alive(local, remote, timeout)))
    try:
        async with asyncio.timeout(timeout):
            for finished in asyncio.as_completed(tasks):
                name = await finished
                if name is not None:
                    return name
    except TimeoutError:
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return None


async def _tcp_alive(remote: str, port: int) -> str | None:
    try:
        _reader, writer = await asyncio.open_connection(remote, port)
    except ConnectionRefusedError:
        return f"tcp/{port}"
    except OSError:
        return None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return f"tcp/{port}"


async def _udp_alive(local: str, remote: str, timeout: float) -> str | None:
    alive: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def heard(notice: IcmpNotice) -> None:
        # Only the host itself says that a port is closed; a router's complaint proves nothing about it.
        if notice.name == "port-unreachable" and notice.sender in ("", remote) and not alive.done():
            alive.set_result(f"udp/{CLOSED_UDP_PORT}")

    def ignore(_payload: bytes, _sender: Endpoint) -> None:
        """Nobody is expected to answer there."""

    remote_end = Endpoint(remote, CLOSED_UDP_PORT)
    with UdpEndpoint(local, remote_end, on_datagram=ignore, on_notice=heard) as endpoint:
        for _ in range(3):
            endpoint.send(b"l2tp-doctor: is anybody there?")
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(alive), timeout / 3)
    return None
