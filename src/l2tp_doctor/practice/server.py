"""The practice gateway on two real UDP ports of this machine, under asyncio."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import cast

from l2tp_doctor.practice.certificates import PracticeCertificates, make_certificates
from l2tp_doctor.practice.gateway import ClientEvent, GatewayStatus, Packet, Peer, PracticeGatewayEngine
from l2tp_doctor.practice.settings import GatewaySettings
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, TraceSink, discard_trace

MAX_DELAYED = 4096
"""Datagrams an artificial delay may hold at once; more are lost, as in a router's queue."""
MAX_KEPT_EVENTS = 1024
"""Events :attr:`PracticeGateway.events` keeps."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a practice gateway listens, and what it is.

    Attributes:
        gateway: policies, users and faults.
        host: a literal address of this machine; loopback keeps the gateway private.
        ike_port: UDP port in place of 500; 0 takes a free one.
        nat_t_port: UDP port in place of 4500; 0 takes a free one.
        random: source of all randomness.
        chance: source of the packet filter's randomness; ``None`` uses ``random``.
        trace: hears every message.
    """

    gateway: GatewaySettings
    host: str = "127.0.0.1"
    ike_port: int = 0
    nat_t_port: int = 0
    random: RandomSource = os.urandom
    chance: RandomSource | None = None
    trace: TraceSink = discard_trace


class _Port(asyncio.DatagramProtocol):
    """One UDP port; hands datagrams up and remembers its transport."""

    def __init__(self, owner: PracticeGateway, channel: Channel) -> None:
        self._owner = owner
        self._channel = channel
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport is no subclass of DatagramTransport.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._owner.datagram_received(Datagram(self._channel, data), addr)

    def error_received(self, exc: Exception) -> None:
        """A client has closed its port; its session ends by itself."""


class PracticeGateway:
    """A practice gateway as an asynchronous context manager.

    There is no native ESP: loopback clients use NAT-T, which the product forces there.
    """

    def __init__(self, settings: ServerSettings | None = None) -> None:
        self._settings = settings or ServerSettings(GatewaySettings())
        self._address = ipaddress.ip_address(self._settings.host)
        self._engine: PracticeGatewayEngine | None = None
        self._ports: dict[Channel, _Port] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._delayed: set[asyncio.TimerHandle] = set()
        self.ike_port = 0
        """UDP port that plays 500, once entered."""
        self.nat_t_port = 0
        """UDP port that plays 4500."""
        self.certificates: PracticeCertificates | None = None
        """What a client needs to trust this gateway, where it authenticates with certificates."""
        self.events: list[ClientEvent] = []
        """What clients' layers said, newest last; the oldest are forgotten."""

    async def __aenter__(self) -> PracticeGateway:
        """Binds and serves.

        Raises:
            OSError: a port cannot be bound.
        """
        try:
            await self._open()
        except BaseException:
            self._shut()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tells clients that it is over, and closes the ports."""
        loop = asyncio.get_running_loop()
        if self._engine is not None:
            self._engine.close(loop.time())
            for packet in self._engine.datagrams_to_send(loop.time()):
                self._send_now(packet)
        self._shut()
        # Transports close in the loop's next round; without it the sockets would outlive the context.
        await asyncio.sleep(0)

    def status(self) -> GatewayStatus:
        """Returns what the gateway holds just now.

        Raises:
            RuntimeError: it was never entered (a mistake of the caller).
        """
        if self._engine is None:
            raise RuntimeError("the gateway has not been started")
        return self._engine.status()

    # -- opening and closing ------------------------------------------------------------------

    async def _open(self) -> None:
        settings = self._settings.gateway
        self.ike_port = await self._bind(Channel.IKE, self._settings.ike_port)
        self.nat_t_port = await self._bind(Channel.NAT_T, self._settings.nat_t_port)
        if settings.certificate is not None:
            self.certificates = make_certificates(
                settings.certificate,
                (self._settings.host, "localhost"),
                datetime.now(UTC),
                long_chain=settings.long_certificate_chain,
            )
            settings = replace(settings, credentials=self.certificates.gateway)
        self._engine = PracticeGatewayEngine(
            settings,
            self._address.packed,
            (self.ike_port, self.nat_t_port),
            self._settings.random,
            self._settings.chance,
            self._settings.trace,
        )
        self._engine.start(asyncio.get_running_loop().time())
        if not settings.ike_socket:
            self._unbind(Channel.IKE)
        if not settings.nat_t_socket:
            self._unbind(Channel.NAT_T)

    async def _bind(self, channel: Channel, port: int) -> int:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(
            lambda: _Port(self, channel), local_addr=(self._settings.host, port)
        )
        self._ports[channel] = protocol
        if protocol.transport is None:
            raise RuntimeError("the event loop gave no datagram transport")
        return int(protocol.transport.get_extra_info("sockname")[1])

    def _unbind(self, channel: Channel) -> None:
        port = self._ports.pop(channel, None)
        if port is not None and port.transport is not None:
            port.transport.close()

    def _shut(self) -> None:
        for handle in (*self._delayed, self._timer):
            if handle is not None:
                handle.cancel()
        self._delayed.clear()
        self._timer = None
        for channel in tuple(self._ports):
            self._unbind(channel)

    # -- datagrams ----------------------------------------------------------------------------

    def datagram_received(self, datagram: Datagram, source: tuple[str, int]) -> None:
        """Takes a datagram from a port; called by the event loop."""
        peer = Peer(ipaddress.ip_address(source[0].partition("%")[0]).packed, source[1])
        self._later(Packet(peer, datagram), incoming=True)

    def _later(self, packet: Packet, *, incoming: bool) -> None:
        delay = self._settings.gateway.delay
        if delay <= 0:
            self._pass_on(packet, incoming=incoming)
            return
        if len(self._delayed) >= MAX_DELAYED:
            return

        def due() -> None:
            self._delayed.discard(handle)
            self._pass_on(packet, incoming=incoming)

        handle = asyncio.get_running_loop().call_later(delay, due)
        self._delayed.add(handle)

    def _pass_on(self, packet: Packet, *, incoming: bool) -> None:
        if not incoming:
            self._send_now(packet)
        elif self._engine is not None:
            self._engine.receive(packet, asyncio.get_running_loop().time())
            self._drain(self._engine)

    def _drain(self, engine: PracticeGatewayEngine) -> None:
        loop = asyncio.get_running_loop()
        for packet in engine.datagrams_to_send(loop.time()):
            self._later(packet, incoming=False)
        while (event := engine.next_event()) is not None:
            self.events.append(event)
        del self.events[:-MAX_KEPT_EVENTS]
        if self._timer is not None:
            self._timer.cancel()
        due = engine.get_timer()
        self._timer = None if due is None else loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._engine is not None:
            self._engine.handle_timer(asyncio.get_running_loop().time())
            self._drain(self._engine)

    def _send_now(self, packet: Packet) -> None:
        port = self._ports.get(packet.datagram.channel)
        if port is None or port.transport is None or port.transport.is_closing():
            return
        address = str(ipaddress.ip_address(packet.peer.address))
        port.transport.sendto(packet.datagram.data, (address, packet.peer.port))
