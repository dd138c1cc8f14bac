"""All sockets of one dial or experiment, as the three channels the engines know."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from l2tp_doctor.network.capture import CapturedPacket, Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.raw_esp import RawEsp
from l2tp_doctor.network.udp import PortTakenError, UdpEndpoint
from l2tp_doctor.protocol.engine import Channel, Datagram, Direction

# A whole run with all experiments takes some hundred datagrams.  More than this is a flood, whose
# tail proves nothing and must not fill the memory.
MAX_PACKETS = 20_000
MAX_RECORDED = 32 * 1024 * 1024


class Recorder:
    """Keeps every datagram of a run with its time, and the clear text of encrypted ones.

    Args:
        started: the loop time that counts as 0.

    Attributes:
        left_out: datagrams beyond :data:`MAX_PACKETS` or :data:`MAX_RECORDED`, which are not kept.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.left_out = 0
        self._room = MAX_RECORDED
        self._packets: list[CapturedPacket] = []
        self._clear: dict[bytes, bytes] = {}

    def add(
        self,
        now: float,
        direction: Direction,
        channel: Channel,
        ends: tuple[Endpoint, Endpoint],
        payload: bytes,
    ) -> None:
        """Records a datagram from ``ends[0]`` to ``ends[1]``."""
        if len(self._packets) >= MAX_PACKETS or len(payload) > self._room:
            self.left_out += 1
            return
        self._room -= len(payload)
        self._packets.append(
            CapturedPacket(now - self.started, direction, channel, ends[0], ends[1], payload)
        )

    def clear_copy(self, wire: bytes, clear: bytes) -> None:
        """Takes the clear text of a datagram seen on the wire."""
        if len(self._clear) < MAX_PACKETS:
            self._clear[wire] = clear

    def packets(self) -> tuple[CapturedPacket, ...]:
        """Returns everything recorded so far, in order, with clear texts where known."""
        return tuple(
            CapturedPacket(
                packet.at, packet.direction, packet.channel, packet.source, packet.destination,
                packet.payload, self._clear.get(packet.payload),
            )
            for packet in self._packets
        )  # fmt: skip


DatagramSink = Callable[[Datagram, Endpoint], None]
NoticeSink = Callable[[Channel, IcmpNotice], None]


class GatewayPath:
    """UDP to the gateway's IKE port, to its NAT-T port, and native ESP where possible.

    Args:
        local: our address towards the gateway.
        remote: the gateway's address.
        ports: the gateway's (IKE, NAT-T) ports.
        source_ports: ours; 0 takes any.  A wish that cannot be had falls back to any.
        native_esp: open a raw socket for protocol 50.
        recorder: hears of every datagram.
        on_datagram: hears of every datagram received.
        on_notice: hears of every ICMP error.

    Raises:
        OSError: a socket cannot be made.
    """

    def __init__(
        self,
        local: str,
        remote: str,
        ports: tuple[int, int],
        *,
        source_ports: tuple[int, int] = (0, 0),
        native_esp: bool = False,
        recorder: Recorder,
        on_datagram: DatagramSink,
        on_notice: NoticeSink,
    ) -> None:
        self._remote = remote
        self._recorder = recorder
        self._on_datagram = on_datagram
        self._on_notice = on_notice
        self._loop = asyncio.get_running_loop()
        self._udp: dict[Channel, UdpEndpoint] = {}
        self._esp: RawEsp | None = None
        self._esp_ends = (Endpoint(local, 0), Endpoint(remote, 0))
        try:
            for channel, port, source in zip((Channel.IKE, Channel.NAT_T), ports, source_ports, strict=True):
                self._udp[channel] = self._open(channel, local, Endpoint(remote, port), source)
            if native_esp:
                self._esp = RawEsp(local, remote, self._esp_arrived, self._esp_noticed)
        except OSError:
            self.close()
            raise

    def _open(self, channel: Channel, local: str, remote: Endpoint, source_port: int) -> UdpEndpoint:
        def arrived(payload: bytes, sender: Endpoint) -> None:
            self._arrived(channel, payload, sender)

        def noticed(notice: IcmpNotice) -> None:
            self._on_notice(channel, notice)

        for port in dict.fromkeys((source_port, 0)):
            try:
                return UdpEndpoint(local, remote, source_port=port, on_datagram=arrived, on_notice=noticed)
            except PortTakenError:
                continue  # Windows' own IKE service, another VPN client, or no privilege: any port will do
        raise OSError("no source port could be had")

    @property
    def local_ports(self) -> tuple[int, int]:
        """Our (IKE, NAT-T) source ports."""
        return self._udp[Channel.IKE].local.port, self._udp[Channel.NAT_T].local.port

    @property
    def local_packed(self) -> bytes:
        """Our address in network order."""
        return packed(self._esp_ends[0].address)

    @property
    def remote_packed(self) -> bytes:
        """The gateway's address in network order."""
        return packed(self._remote)

    def send(self, datagram: Datagram, *, ttl: int | None = None) -> None:
        """Sends a datagram on its channel; what the system says against it goes to ``on_notice``."""
        now = self._loop.time()
        if datagram.channel is Channel.ESP:
            if self._esp is not None:  # without a raw socket nothing leaves, and a capture must not say so
                self._recorder.add(now, Direction.OUT, Channel.ESP, self._esp_ends, datagram.data)
                self._esp.send(datagram.data)
            return
        endpoint = self._udp[datagram.channel]
        ends = (endpoint.local, endpoint.remote)
        self._recorder.add(now, Direction.OUT, datagram.channel, ends, datagram.data)
        complaint = endpoint.send(datagram.data, ttl=ttl)
        if complaint is not None:
            self._on_notice(datagram.channel, complaint)

    def _arrived(self, channel: Channel, payload: bytes, sender: Endpoint) -> None:
        ends = (sender, self._udp[channel].local)
        self._recorder.add(self._loop.time(), Direction.IN, channel, ends, payload)
        self._on_datagram(Datagram(channel, payload), sender)

    def _esp_arrived(self, packet: bytes, sender: Endpoint) -> None:
        if sender.address != self._remote:
            return  # the raw socket hears every ESP packet of this machine
        self._recorder.add(self._loop.time(), Direction.IN, Channel.ESP, (sender, self._esp_ends[0]), packet)
        self._on_datagram(Datagram(Channel.ESP, packet), sender)

    def _esp_noticed(self, notice: IcmpNotice) -> None:
        self._on_notice(Channel.ESP, notice)

    def close(self) -> None:
        """Closes every socket."""
        for endpoint in self._udp.values():
            endpoint.close()
        if self._esp is not None:
            self._esp.close()


def packed(address: str) -> bytes:
    """Returns a literal address in network order, without a zone."""
    return ipaddress.ip_address(address.split("%")[0]).packed
