"""The path test: asks a reflector on every channel and turns what it learns into observations."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import time
from dataclasses import dataclass, field
from typing import Literal

from l2tp_doctor.network import icmp_errors, raw_esp
from l2tp_doctor.network.capture import CapturedPacket, Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.path import GatewayPath, Recorder
from l2tp_doctor.network.reflect_server import LENGTH_SIZE
from l2tp_doctor.network.resolve import resolve
from l2tp_doctor.network.udp import family_of, local_address_towards
from l2tp_doctor.observations import Observation, ObservationLog, Value
from l2tp_doctor.probes.interface import Listener
from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, TraceEvent
from l2tp_doctor.protocol.reflect.questioner import (
    FRAGMENTING,
    SIZES,
    Cell,
    Finished,
    Questioner,
    QuestionerSettings,
    State,
)
from l2tp_doctor.protocol.reflect.reflector import Packet
from l2tp_doctor.protocol.reflect.wire import MAX_SIZE, Lane
from l2tp_doctor.protocol.secret import Secret

RESOLVE_TIMEOUT = 5.0
CONNECT_TIMEOUT = 3.0
NO_ANSWER = "no answer on any channel: what arrived cannot be known"
NO_RETURN = "no UDP channel brings even a small answer back"
_CHANNELS = {
    Lane.IKE: Channel.IKE,
    Lane.NAT_T: Channel.NAT_T,
    Lane.ESP_UDP: Channel.NAT_T,
    Lane.ESP: Channel.ESP,
}
_ARRIVING = {Channel.IKE: Lane.IKE, Channel.NAT_T: Lane.NAT_T, Channel.ESP: Lane.ESP}
_PORT_NAMES = {Channel.IKE: "udp500", Channel.NAT_T: "udp4500", Channel.ESP: "esp"}
VPN_LANES = (Lane.IKE, Lane.NAT_T, Lane.ESP_UDP, Lane.ESP)


@dataclass(frozen=True, slots=True)
class ReflectRequest:
    """Whom to ask, and how.

    Attributes:
        host: name or literal address of the reflector.
        token: shared with it.
        ike_port: its UDP port in place of 500.
        nat_t_port: its UDP port in place of 4500.
        control_port: its TCP port, or ``None``.
        family: 4 or 6 to insist on one.
        sizes: the ladder in bytes of UDP payload or ESP packet.
        budget: hard limit in seconds.
        gateway: address of the gateway whose path is in question; empty when there is none.
    """

    host: str
    token: Secret
    ike_port: int = 500
    nat_t_port: int = 4500
    control_port: int | None = None
    family: Literal[4, 6] | None = None
    sizes: tuple[int, ...] = SIZES
    budget: float = 45.0
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class SizeResult:
    """One size on one channel: questions sent, of them arrived by the reflector's count, and answered."""

    size: int
    sent: int
    arrived: int
    returned: int
    fragmented: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """One channel.

    Attributes:
        name: ``udp500``, ``udp4500``, ``esp_udp``, ``esp`` or ``control``.
        arrived: a question arrived; ``None`` when that cannot be known.
        returned: an answer came back; ``None`` when nothing was asked.
        reason: why something is ``None``.
        rtt: shortest round-trip time in seconds.
        source: address and port we sent from.
        source_seen: what the reflector saw of it; empty without an answer on this channel.
        sizes: in order of size.
    """

    name: str
    arrived: bool | None
    returned: bool | None
    reason: str = ""
    rtt: float | None = None
    source: str = ""
    source_seen: str = ""
    sizes: tuple[SizeResult, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether every size went both ways unchanged (or the channel could not be tested at all)."""
        if self.returned is None:
            return True
        return bool(self.arrived) and all(size.returned and not size.changed for size in self.sizes)


@dataclass(frozen=True, slots=True)
class ReflectMeasurement:
    """Everything a path test found out.

    Attributes:
        verdict: ``passes``; ``impaired`` when anything is lost or altered; ``undetermined`` without any
            answer, as outbound and inbound loss look the same then.
    """

    host: str
    address: str | None
    verdict: Literal["passes", "impaired", "undetermined"]
    channels: tuple[ChannelResult, ...]
    observations: tuple[Observation, ...]
    trace: tuple[TraceEvent, ...] = field(repr=False)
    packets: tuple[CapturedPacket, ...] = field(repr=False)
    elapsed: float = 0.0


async def reflect_test(
    request: ReflectRequest, listener: Listener, random: RandomSource = os.urandom
) -> ReflectMeasurement:
    """Runs the whole test.

    Raises:
        OSError: this machine cannot make the sockets.
    """
    return await _Test(request, listener, random).measure()


class _Control:
    """The optional TCP connection; it only ever helps, so every failure of it is silent."""

    def __init__(self, test: _Test, address: str, port: int) -> None:
        self._test = test
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run(address, port))

    def send(self, data: bytes) -> None:
        self._waiting.put_nowait(data)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, address: str, port: int) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_connection(address, port)
            try:
                await self._talk(reader, writer)
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            data = await self._waiting.get()
            writer.write(len(data).to_bytes(LENGTH_SIZE, "big") + data)
            await writer.drain()
            length = int.from_bytes(await reader.readexactly(LENGTH_SIZE), "big")
            if length > MAX_SIZE:
                return
            self._test.arrived(Packet(Lane.CONTROL, await reader.readexactly(length)))


class _Test:
    def __init__(self, request: ReflectRequest, listener: Listener, random: RandomSource) -> None:
        self._request = request
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._log = ObservationLog(listener.on_observation)
        self._trace: list[TraceEvent] = []
        self._recorder = Recorder(self._started)
        self._no_esp = raw_esp.unavailable_because()
        lanes = [lane for lane in VPN_LANES if lane is not Lane.ESP or not self._no_esp]
        if request.control_port is not None:
            lanes.append(Lane.CONTROL)
        settings = QuestionerSettings(lanes=tuple(lanes), sizes=request.sizes)
        self._engine = Questioner(request.token, random, time.time(), settings, self._note)
        self._path: GatewayPath | None = None
        self._control: _Control | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._source = f"reflect:{request.host}"
        self._remote = ""
        self._local = ""

    @property
    def _now(self) -> float:
        return self._loop.time() - self._started

    def _observe(self, name: str, value: Value, *, reason: str = "") -> None:
        self._log.add(name, value, at=round(self._now, 6), source=self._source, reason=reason)

    def _note(self, event: TraceEvent) -> None:
        self._trace.append(event)
        self._listener.on_trace(event)

    # -- running ------------------------------------------------------------------------------

    async def measure(self) -> ReflectMeasurement:
        if await self._resolve() and self._route():
            try:
                self._open()
                self._engine.start(self._now)
                self._pump()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._request.budget):
                        await asyncio.shield(self._finished)
            finally:
                await self._close()
            self._conclude()
        channels = self._channels() if self._path is not None else ()
        return ReflectMeasurement(
            self._request.host,
            self._remote or None,
            self._verdict(channels),
            channels,
            tuple(self._log),
            tuple(self._trace),
            self._recorder.packets(),
            self._now,
        )

    async def _resolve(self) -> bool:
        found = await resolve(self._request.host, self._request.family, RESOLVE_TIMEOUT)
        self._observe("resolve.ok", bool(found.addresses))
        if not found.addresses:
            self._observe("resolve.error", found.error)
            return False
        self._observe("resolve.addresses", found.addresses)
        self._remote = found.addresses[0]
        return True

    def _route(self) -> bool:
        try:
            remote = Endpoint(self._remote, self._request.ike_port)
            self._local = local_address_towards(remote, family_of(self._remote))
        except OSError as error:
            notice = icmp_errors.from_exception(error)
            self._observe("route.error", notice.name if notice is not None else "other")
            return False
        return True

    def _open(self) -> None:
        request = self._request
        standard = (request.ike_port, request.nat_t_port) == (500, 4500)
        self._path = GatewayPath(
            self._local,
            self._remote,
            (request.ike_port, request.nat_t_port),
            # As Windows does where it can be had; a NAT or filter may treat other ports differently.
            source_ports=(500, 4500) if standard else (0, 0),
            native_esp=not self._no_esp,
            recorder=self._recorder,
            on_datagram=self._datagram,
            on_notice=self._noticed,
        )
        if request.control_port is not None:
            self._control = _Control(self, self._remote, request.control_port)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._control is not None:
            await self._control.close()
        if self._path is not None:
            self._path.close()

    def _datagram(self, datagram: Datagram, _sender: Endpoint) -> None:
        # Whoever sent it: an answer proves itself, also one whose source a NAT has changed.
        self.arrived(Packet(_ARRIVING[datagram.channel], datagram.data))

    def arrived(self, packet: Packet) -> None:
        """Takes a message from any channel."""
        self._engine.receive(packet, self._now)
        self._pump()

    def _noticed(self, channel: Channel, notice: IcmpNotice) -> None:
        name = "route.error" if notice.local else f"{_PORT_NAMES[channel]}.icmp"
        latest = self._log.latest(name)
        if latest is None or latest.value != notice.name:
            self._observe(name, notice.name)
            if notice.sender and not notice.local:
                self._observe(f"{_PORT_NAMES[channel]}.icmp_from", notice.sender)

    def _pump(self) -> None:
        for packet in self._engine.datagrams_to_send(self._now):
            self._send(packet)
        while (event := self._engine.next_event()) is not None:
            if isinstance(event, Finished) and not self._finished.done():
                self._finished.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        when = self._engine.get_timer()
        over = when is None or self._engine.state is State.DONE
        self._timer = None if over or when is None else self._loop.call_at(self._started + when, self._due)

    def _send(self, packet: Packet) -> None:
        if packet.lane is Lane.CONTROL:
            if self._control is not None:
                self._control.send(packet.data)
        elif self._path is not None:
            self._path.send(Datagram(_CHANNELS[packet.lane], packet.data))

    def _due(self) -> None:
        self._timer = None
        self._engine.handle_timer(self._now)
        self._pump()

    # -- results ------------------------------------------------------------------------------

    def _sources(self) -> dict[Lane, str]:
        if self._path is None:
            return {}
        ike, nat_t = self._path.local_ports
        return {
            Lane.IKE: _ends(self._local, ike),
            Lane.NAT_T: _ends(self._local, nat_t),
            Lane.ESP_UDP: _ends(self._local, nat_t),
            Lane.ESP: _ends(self._local, 0),
        }

    def _untested(self, lane: Lane) -> str:
        """Returns why a lane says nothing about the path; empty when it does."""
        if lane is Lane.ESP and self._no_esp:
            return self._no_esp
        if lane is Lane.ESP and self._engine.findings.esp_listening is False:
            return "the reflector may not receive native ESP (it needs root or CAP_NET_RAW)"
        return ""

    def _channels(self) -> tuple[ChannelResult, ...]:
        lanes = [*VPN_LANES, *([Lane.CONTROL] if self._request.control_port is not None else [])]
        return tuple(self._channel(lane) for lane in lanes)

    def _channel(self, lane: Lane) -> ChannelResult:
        findings = self._engine.findings
        reason = self._untested(lane)
        if reason:
            return ChannelResult(lane.value, None, None, reason)
        cells = findings.of(lane)
        report = findings.reports.get(lane)
        seen = _ends(str(ipaddress.ip_address(report.address)), report.port) if report is not None else ""
        return ChannelResult(
            lane.value,
            any(cell.arrived for cell in cells) if findings.answered else None,
            any(cell.returned for cell in cells),
            "" if findings.answered else NO_ANSWER,
            min((cell.rtt for cell in cells if cell.rtt is not None), default=None),
            self._sources().get(lane, ""),
            seen,
            tuple(
                SizeResult(
                    cell.size, cell.sent, cell.arrived, cell.returned, cell.fragmented, cell.changed
                )
                for cell in cells
            ),
        )  # fmt: skip

    def _verdict(self, channels: tuple[ChannelResult, ...]) -> Literal["passes", "impaired", "undetermined"]:
        findings = self._engine.findings
        if not findings.answered:
            return "undetermined"
        vpn = [channel for channel in channels if channel.name != Lane.CONTROL.value]
        intact = all(channel.intact for channel in vpn) and not findings.answer_changed
        return "passes" if intact else "impaired"

    def _conclude(self) -> None:
        findings = self._engine.findings
        self._observe("reflect.answered", findings.answered)
        if self._request.gateway:
            self._observe("reflect.near_gateway", same_network(self._remote, self._request.gateway))
        for channel in self._channels():
            if channel.name == Lane.CONTROL.value:
                self._observe("reflect.control.answered", channel.returned)
                continue
            self._observe(f"reflect.{channel.name}.arrived", channel.arrived, reason=channel.reason)
            reason = channel.reason if channel.returned is None else ""
            self._observe(f"reflect.{channel.name}.returned", channel.returned, reason=reason)
        if findings.answered:
            self._conclude_sizes()
            self._conclude_nat()
            self._observe(
                "reflect.payload_changed",
                findings.answer_changed or any(cell.changed for cell in findings.cells.values()),
            )
            rtts = [cell.rtt for cell in findings.cells.values() if cell.rtt is not None]
            self._observe("reflect.rtt", round(min(rtts), 6))

    def _conclude_sizes(self) -> None:
        findings = self._engine.findings
        large = [
            cell
            for lane in (Lane.IKE, Lane.NAT_T, Lane.ESP_UDP)
            for cell in findings.of(lane)
            if cell.size >= FRAGMENTING
        ]
        if large:
            self._observe("reflect.fragments.arrived", all(cell.arrived for cell in large))
            # Where small answers do not return either, that large ones do not says nothing about size.
            heard = [cell for cell in large if any(other.returned for other in findings.of(cell.lane))]
            returned = all(cell.returned for cell in heard) if heard else None
            self._observe("reflect.fragments.returned", returned, reason="" if heard else NO_RETURN)
            if any(cell.arrived for cell in large):
                self._observe("reflect.fragments.seen", any(cell.fragmented for cell in large))
        asked = [findings.of(lane) for lane in VPN_LANES]
        ladders = [cells for cells in asked if any(cell.arrived for cell in cells)]
        if ladders:
            arrived = min(_largest([(cell, cell.arrived) for cell in cells]) for cells in ladders)
            self._observe("reflect.largest_arrived", arrived)
            heard_ladders = [cells for cells in ladders if any(cell.returned for cell in cells)]
            sizes = [_largest([(cell, cell.returned) for cell in cells]) for cells in heard_ladders]
            self._observe("reflect.largest_returned", min(sizes, default=0))

    def _conclude_nat(self) -> None:
        reports = self._engine.findings.reports
        report = next((reports[lane] for lane in VPN_LANES if lane in reports), None)
        if report is None:
            return
        seen, own = str(ipaddress.ip_address(report.address)), self._local.partition("%")[0]
        self._observe("reflect.nat.address_seen", seen)
        self._observe("reflect.nat.address_rewritten", seen != str(ipaddress.ip_address(own)))
        sources = self._sources()
        ports = [
            sources[lane] != _ends(self._local, reports[lane].port)
            for lane in (Lane.IKE, Lane.NAT_T, Lane.ESP_UDP)
            if lane in reports
        ]
        if ports:
            self._observe("reflect.nat.source_port_rewritten", any(ports))


def same_network(one: str, other: str) -> bool:
    """Returns whether two addresses are so close that nearly the whole path to them is the same.

    The size is a guess: hosts behind one firewall usually share a /24, or a /64 of IPv6 (RFC 4291 §2.5.4).
    """
    first = ipaddress.ip_address(one.partition("%")[0])
    second = ipaddress.ip_address(other.partition("%")[0])
    if first.version != second.version:
        return False
    prefix = 24 if first.version == 4 else 64
    return second in ipaddress.ip_network(f"{first}/{prefix}", strict=False)


def _largest(cells: list[tuple[Cell, int]]) -> int:
    """Returns the size up to which every size made it; 0 when the smallest did not."""
    largest = 0
    for cell, count in cells:
        if not count:
            break
        largest = cell.size
    return largest


def _ends(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
