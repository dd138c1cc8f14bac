"""L2TP datagrams in transport-mode ESP, native or in UDP 4500 (RFC 3193, RFC 3948)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource
from l2tp_doctor.protocol.esp import DUMMY_NEXT_HEADER, EspError, EspInbound, EspOutbound
from l2tp_doctor.protocol.ip import (
    UDP,
    IpAddress,
    Ipv4Packet,
    Ipv6Packet,
    UdpDatagram,
    build_ipv4,
    build_ipv6,
    build_udp,
    parse_udp,
)
from l2tp_doctor.protocol.wire import WireError

L2TP_PORT = 1701


@dataclass(frozen=True, slots=True)
class Arrived:
    """An L2TP datagram that came out of ESP, and the IP packet it would have been in clear."""

    datagram: UdpDatagram
    clear: bytes


class EspPath:
    """One pair of ESP SAs that carries UDP between two fixed addresses.

    Args:
        inbound: opens what the peer sends.
        outbound: seals what we send.
        local: our address, as the peer's policy knows it.
        remote: the peer's.
        udp_encapsulated: whether ESP travels in UDP 4500.
        random: source of IVs.
    """

    def __init__(
        self,
        inbound: EspInbound,
        outbound: EspOutbound,
        local: bytes,
        remote: bytes,
        *,
        udp_encapsulated: bool,
        random: RandomSource,
    ) -> None:
        self._inbound = [inbound]
        self._outbound = outbound
        self._local = ipaddress.ip_address(local)
        self._remote = ipaddress.ip_address(remote)
        self._random = random
        self.heard_under = inbound.sa.spi
        """The SPI of the last authentic packet."""
        self.channel = Channel.NAT_T if udp_encapsulated else Channel.ESP

    @property
    def spi(self) -> int:
        """The SPI the peer writes into its packets to us."""
        return self._inbound[0].sa.spi

    def expect(self, inbound: EspInbound) -> None:
        """Accepts what comes under a newer SA too, as well as what still comes under an older one."""
        if inbound not in self._inbound:
            self._inbound.insert(0, inbound)

    def replace(self, inbound: EspInbound, outbound: EspOutbound) -> None:
        """Sends under a newer pair from now on, and accepts what comes under it."""
        self.expect(inbound)
        self._outbound = outbound

    def addressed(self, packet: bytes) -> bool:
        """Whether an ESP packet names an SA of ours."""
        return any(packet[:4] == inbound.sa.spi.to_bytes(4, "big") for inbound in self._inbound)

    def deleted(self, spis: Sequence[bytes]) -> bool:
        """Whether the peer's Delete names the SA we send under."""
        return self._outbound.sa.spi.to_bytes(4, "big") in spis

    def seal(self, payload: bytes, source_port: int, destination_port: int) -> tuple[Datagram, bytes]:
        """Returns the ESP datagram for a UDP payload, and the IP packet in clear.

        Raises:
            EspError: the sequence numbers are used up.
        """
        udp = build_udp(UdpDatagram(source_port, destination_port, payload), self._local, self._remote)
        sealed = self._outbound.seal(udp, UDP, self._random)
        return Datagram(self.channel, sealed), ip_packet(self._local, self._remote, udp)

    def open(self, packet: bytes) -> Arrived | None:
        """Returns what an ESP packet carried; ``None`` for a dummy packet.

        Raises:
            EspError: it is not authentic, a replay, or of another SA.
            WireError: what it carried is no UDP.
        """
        payload, next_header = self._open(packet)
        if next_header == DUMMY_NEXT_HEADER:
            return None
        if next_header != UDP:
            raise WireError(0, "next header", f"{next_header} is not UDP")
        return Arrived(parse_udp(payload), ip_packet(self._remote, self._local, payload))

    def _open(self, packet: bytes) -> tuple[bytes, int]:
        failure: EspError | None = None
        for inbound in self._inbound:
            try:
                opened = inbound.open(packet)
                self.heard_under = inbound.sa.spi
                return opened
            except EspError as error:
                # An older pair's complaint says more than "wrong key" only when it is a replay.
                failure = error if failure is None or error.reason == "replay" else failure
        raise failure or EspError("wrong-spi", "there is no SA")


def ip_packet(source: IpAddress, destination: IpAddress, udp: bytes) -> bytes:
    """Returns a UDP datagram behind the IP header it would have without ESP."""
    if isinstance(source, ipaddress.IPv4Address) and isinstance(destination, ipaddress.IPv4Address):
        return build_ipv4(Ipv4Packet(source, destination, UDP, udp))
    if isinstance(source, ipaddress.IPv6Address) and isinstance(destination, ipaddress.IPv6Address):
        return build_ipv6(Ipv6Packet(source, destination, UDP, udp))
    raise ValueError("source and destination are of different IP versions")
