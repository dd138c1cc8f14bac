"""The practice gateway on real loopback sockets."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from l2tp_doctor.practice.faults import FAULTS
from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
from l2tp_doctor.practice.settings import CertificateFlaw, GatewaySettings, with_certificates
from l2tp_doctor.protocol.dial import Connected, Dial, DialClosed, DialConfig, DialEvent, Failed
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1.policy import PathAddresses
from tests.practice.join import dial_config


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, driver: Driver, channel: Channel) -> None:
        self.driver = driver
        self.channel = channel
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport does not inherit from this class in Python 3.11.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.driver.received(Datagram(self.channel, data))

    def error_received(self, exc: Exception) -> None:
        self.driver.errors.append(type(exc))


class Driver:
    """A dial on two sockets, event driven."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.sockets: dict[Channel, _Socket] = {}
        self.events: list[DialEvent] = []
        self.errors: list[type[Exception]] = []
        self.changed = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None
        self.dial: Dial | None = None

    async def start(self, gateway: PracticeGateway, config: DialConfig) -> None:
        loop = asyncio.get_running_loop()
        ports = {Channel.IKE: gateway.ike_port, Channel.NAT_T: gateway.nat_t_port}
        for channel, port in ports.items():
            _, self.sockets[channel] = await loop.create_datagram_endpoint(
                partial(_Socket, self, channel), remote_addr=(self.host, port)
            )
        own = {channel: self._own_port(channel) for channel in ports}
        packed = bytes((127, 0, 0, 1)) if self.host == "127.0.0.1" else bytes(15) + b"\x01"
        paths = PathAddresses(
            packed,
            packed,
            own[Channel.IKE],
            ports[Channel.IKE],
            own[Channel.NAT_T],
            ports[Channel.NAT_T],
        )
        self.dial = Dial(replace(config, paths=paths), random.Random(1).randbytes)
        self.dial.start(loop.time())
        self._drain()

    def _own_port(self, channel: Channel) -> int:
        transport = self.sockets[channel].transport
        assert transport is not None
        return int(transport.get_extra_info("sockname")[1])

    def received(self, datagram: Datagram) -> None:
        assert self.dial is not None
        self.dial.receive(datagram, asyncio.get_running_loop().time())
        self._drain()

    def _on_timer(self) -> None:
        assert self.dial is not None
        self.dial.handle_timer(asyncio.get_running_loop().time())
        self._drain()

    def _drain(self) -> None:
        assert self.dial is not None
        loop = asyncio.get_running_loop()
        for datagram in self.dial.datagrams_to_send(loop.time()):
            socket = self.sockets.get(datagram.channel)
            if socket is not None and socket.transport is not None:
                socket.transport.sendto(datagram.data)
        while (event := self.dial.next_event()) is not None:
            self.events.append(event)
            self.changed.set()
        if self.timer is not None:
            self.timer.cancel()
        due = self.dial.get_timer()
        self.timer = None if due is None else loop.call_at(due, self._on_timer)

    async def wait_for(self, *kinds: type) -> None:
        async with asyncio.timeout(15):
            while not any(isinstance(event, kinds) for event in self.events):
                self.changed.clear()
                await self.changed.wait()

    async def close(self) -> None:
        assert self.dial is not None
        self.dial.close(asyncio.get_running_loop().time())
        self._drain()
        await self.wait_for(DialClosed)
        if self.timer is not None:
            self.timer.cancel()
        # The Delete messages are on loopback already; let the gateway read them.
        await asyncio.sleep(0.02)
        for socket in self.sockets.values():
            if socket.transport is not None:
                socket.transport.close()
        await asyncio.sleep(0)


def settings(fault: str | None = None) -> ServerSettings:
    gateway = GatewaySettings() if fault is None else FAULTS[fault].alter(GatewaySettings())
    return ServerSettings(gateway)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_healthy_dial_over_loopback(host: str) -> None:
    async def scenario() -> None:
        driver = Driver(host)
        try:
            gateway = PracticeGateway(replace(settings(), host=host))
            await gateway.__aenter__()
        except OSError:
            pytest.skip(f"{host} is not available here")
        try:
            await driver.start(gateway, dial_config())
            await driver.wait_for(Connected, Failed)
            assert gateway.status().links == 1
            await driver.close()
            assert gateway.status().empty
        finally:
            await gateway.__aexit__(None, None, None)
        assert any(isinstance(event, Connected) for event in driver.events)
        assert [event.clean for event in driver.events if isinstance(event, DialClosed)] == [True]

    asyncio.run(scenario())


def test_certificate_dial_and_delay_over_loopback() -> None:
    async def scenario() -> None:
        faulty = replace(with_certificates(GatewaySettings(), CertificateFlaw.NONE), delay=0.005)
        async with PracticeGateway(ServerSettings(faulty)) as gateway:
            assert gateway.certificates is not None
            driver = Driver()
            started = asyncio.get_running_loop().time()
            await driver.start(
                gateway, dial_config(authentication=3, credentials=gateway.certificates.client)
            )
            await driver.wait_for(Connected, Failed)
            assert asyncio.get_running_loop().time() - started > 13 * 0.01
            assert any(isinstance(event, Connected) for event in driver.events)
            await driver.close()

    asyncio.run(scenario())


def test_ike_service_down_is_port_unreachable() -> None:
    async def scenario() -> None:
        async with PracticeGateway(settings("ike-service-down")) as gateway:
            driver = Driver()
            await driver.start(gateway, dial_config())
            async with asyncio.timeout(5):
                while not driver.errors:
                    await asyncio.sleep(0.01)
            assert driver.errors[0] is ConnectionRefusedError
            await driver.close()

    asyncio.run(scenario())


def test_ports_can_be_chosen_and_are_free_again() -> None:
    async def scenario() -> None:
        async with PracticeGateway() as first:
            ports = (first.ike_port, first.nat_t_port)
            with pytest.raises(OSError):
                await PracticeGateway(ServerSettings(GatewaySettings(), ike_port=ports[0])).__aenter__()
        chosen = ServerSettings(GatewaySettings(), ike_port=ports[0], nat_t_port=ports[1])
        async with PracticeGateway(chosen) as again:
            assert (again.ike_port, again.nat_t_port) == ports

    asyncio.run(scenario())


def test_status_before_the_start_is_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        PracticeGateway().status()
