"""The record of every datagram, in clear as well where it was encrypted."""

from __future__ import annotations

from dataclasses import dataclass

from l2tp_doctor.protocol.engine import Channel, Direction


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and port; port 0 for protocols without ports."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One datagram as it crossed the socket.

    Attributes:
        at: seconds since the run began.
        direction: OUT from this machine, IN to it.
        channel: UDP 500, UDP 4500 or IP protocol 50.
        source: who sent it.
        destination: to whom.
        payload: the UDP payload, or what follows the IP header for ESP.
        decrypted: the inner message in clear, or ``None`` where nothing was encrypted
            or it could not be decrypted: an ISAKMP message with its encryption flag cleared, or
            the IPv4/IPv6 packet (UDP 1701) that ESP carried.
    """

    at: float
    direction: Direction
    channel: Channel
    source: Endpoint
    destination: Endpoint
    payload: bytes
    decrypted: bytes | None = None
