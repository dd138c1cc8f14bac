"""The reflector on real sockets, under asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from l2tp_doctor.network import raw_esp
from l2tp_doctor.network.reflect_ports import ReflectPort
from l2tp_doctor.protocol.engine import RandomSource, TraceSink, discard_trace
from l2tp_doctor.protocol.reflect.reflector import Packet, Reflector, ReflectorEvent
from l2tp_doctor.protocol.reflect.wire import MAX_SIZE, Lane
from l2tp_doctor.protocol.secret import Secret

MAX_CONNECTIONS = 16
"""TCP connections at once; further ones are closed at once."""
CONNECTION_SECONDS = 60.0
"""A connection may live so long: a test takes a tenth of it, and an idle one must not hold a place."""
FIRST_RECORD_SECONDS = 5.0
"""Within this a connection must have proved that it holds the token; strangers must not hold places."""
LENGTH_SIZE = 2
"""Each record on TCP begins with its length in so many bytes."""

EventHandler = Callable[[ReflectorEvent], None]


class PortError(OSError):
    """A port cannot be had.

    Attributes:
        port: which one.
        tcp: it is a TCP port.
    """

    def __init__(self, error: OSError, port: int, *, tcp: bool = False) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        self.port = port
        self.tcp = tcp


@dataclass(frozen=True, slots=True)
class ReflectSettings:
    """Where a reflector listens.

    Attributes:
        token: shared with the questioners.
        addresses: literal addresses to bind; wildcards for all of a family.
        ike_port: UDP port, 0 for a free one.
        nat_t_port: UDP port, 0 for a free one.
        control_port: TCP port, or ``None`` for none.
        random: source of all randomness.
        trace: hears of every message.
    """

    token: Secret
    addresses: tuple[str, ...] = ("0.0.0.0",)
    ike_port: int = 500
    nat_t_port: int = 4500
    control_port: int | None = None
    random: RandomSource = os.urandom
    trace: TraceSink = discard_trace


class ReflectServer:
    """A reflector as an asynchronous context manager.

    Attributes:
        ike_port: UDP port that plays 500, once entered.
        nat_t_port: UDP port that plays 4500.
        control_port: TCP port, or ``None``.
        no_esp_because: why native ESP cannot be received; empty when it can.
    """

    def __init__(self, settings: ReflectSettings, on_event: EventHandler = lambda _event: None) -> None:
        self._settings = settings
        self._on_event = on_event
        self._ports: list[ReflectPort] = []
        self._control: list[asyncio.Server] = []
        self._connections: set[asyncio.StreamWriter] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._engine: Reflector | None = None
        self.ike_port = 0
        self.nat_t_port = 0
        self.control_port: int | None = None
        self.no_esp_because = raw_esp.unavailable_because()

    async def __aenter__(self) -> ReflectServer:
        """Binds and serves.

        Raises:
            PortError: a port is taken or needs a privilege.
            OSError: an address is not ours.
        """
        try:
            await self._open()
        except BaseException:
            await self._shut()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes everything."""
        await self._shut()

    # -- opening and closing ------------------------------------------------------------------

    async def _open(self) -> None:
        settings = self._settings
        self._engine = Reflector(
            settings.token,
            settings.random,
            esp_listening=not self.no_esp_because,
            trace=settings.trace,
        )
        self._engine.start(asyncio.get_running_loop().time())
        for address in settings.addresses:
            # Where a free port was asked for, every address gets the same one.
            self.ike_port = self._bind(Lane.IKE, address, self.ike_port or settings.ike_port)
            self.nat_t_port = self._bind(Lane.NAT_T, address, self.nat_t_port or settings.nat_t_port)
            if not self.no_esp_because:
                self._bind(Lane.ESP, address, 0)
            if settings.control_port is not None:
                await self._listen(address, self.control_port or settings.control_port)

    def _bind(self, lane: Lane, address: str, port: int) -> int:
        try:
            made = ReflectPort(lane, address, port, self._arrived)
        except OSError as error:
            # A family this machine does not have is no loss while there is another address.
            if _absent_family(error, address) and len(self._settings.addresses) > 1:
                return port
            raise PortError(error, port) from error
        self._ports.append(made)
        return made.port

    async def _listen(self, address: str, port: int) -> None:
        try:
            server = await asyncio.start_server(self._serve, address, port)
        except OSError as error:
            if _absent_family(error, address) and len(self._settings.addresses) > 1:
                return
            raise PortError(error, port, tcp=True) from error
        self._control.append(server)
        self.control_port = int(server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for port in self._ports:
            port.close()
        self._ports.clear()
        for server in self._control:
            server.close()
        self._control.clear()
        for writer in tuple(self._connections):
            writer.transport.abort()
        await asyncio.sleep(0)  # transports close in the loop's next round

    # -- messages -----------------------------------------------------------------------------

    def _arrived(self, packet: Packet) -> None:
        for answer in self._pass(packet):
            port = next((port for port in self._ports if port.serves(answer)), None)
            if port is not None:
                port.send(answer)

    def _pass(self, packet: Packet) -> list[Packet]:
        if self._engine is None:
            return []
        now = asyncio.get_running_loop().time()
        self._engine.receive(packet, now)
        while (event := self._engine.next_event()) is not None:
            self._on_event(event)
        self._arm()
        return self._engine.datagrams_to_send(now)

    def _arm(self) -> None:
        if self._timer is not None or self._engine is None:
            return
        when = self._engine.get_timer()
        if when is not None:
            self._timer = asyncio.get_running_loop().call_at(when, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._engine is not None:
            self._engine.handle_timer(asyncio.get_running_loop().time())
            self._arm()

    # -- TCP ----------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            if len(self._connections) <= MAX_CONNECTIONS:
                async with asyncio.timeout(CONNECTION_SECONDS):
                    await self._records(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the questioner has gone, or stayed too long
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _records(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        if peer is None or own is None:
            return
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0]).packed
        patience = FIRST_RECORD_SECONDS
        while True:
            async with asyncio.timeout(patience):
                length = int.from_bytes(await reader.readexactly(LENGTH_SIZE), "big")
                if length > MAX_SIZE:
                    return
                data = await reader.readexactly(length)
            patience = CONNECTION_SECONDS
            packet = Packet(
                Lane.CONTROL, data, address, int(peer[1]), b"", int(own[1]), None, time.time()
            )  # fmt: skip
            answers = self._pass(packet)
            if not answers:
                return  # not authentic, or too fast: whoever it is gets no word and no connection
            for answer in answers:
                writer.write(len(answer.data).to_bytes(LENGTH_SIZE, "big") + answer.data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()


def _absent_family(error: OSError, address: str) -> bool:
    return address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
