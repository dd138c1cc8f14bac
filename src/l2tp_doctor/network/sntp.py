"""Asks an NTP server how far its clock is from ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass

from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.udp import UdpEndpoint
from l2tp_doctor.protocol.sntp import NTP_PORT, decode_reply, encode_request
from l2tp_doctor.protocol.wire import WireError

# A third question still fits into the time that an unanswered message 5 is waited for.
WAITS = (0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What a server's clock shows.

    Attributes:
        offset: seconds it is ahead of ours; negative when it is behind.
        synchronised: it says that it follows a source.
    """

    offset: float
    synchronised: bool


async def ask(local: str, remote: str, *, port: int = NTP_PORT) -> ClockReading | None:
    """Returns how another clock compares with ours; ``None`` when nothing there tells the time.

    Args:
        local: address to ask from.
        remote: address of the server.
        port: its UDP port.

    Raises:
        OSError: a socket cannot be made.
    """
    answered: asyncio.Future[ClockReading | None] = asyncio.get_running_loop().create_future()
    tokens: dict[bytes, float] = {}

    def arrived(data: bytes, sender: Endpoint) -> None:
        for token, sent in tokens.items():
            with contextlib.suppress(WireError):
                reply = decode_reply(data, token)
                if sender.address.split("%")[0] == remote.split("%")[0] and not answered.done():
                    # Half of the round trip is the answer's way back.
                    way_back = (time.monotonic() - sent) / 2
                    offset = reply.time + way_back - time.time()
                    answered.set_result(ClockReading(offset, reply.synchronised))
                return

    def noticed(notice: IcmpNotice) -> None:
        if notice.name == "port-unreachable" and not answered.done():
            answered.set_result(None)

    with UdpEndpoint(local, Endpoint(remote, port), on_datagram=arrived, on_notice=noticed) as socket:
        for wait in WAITS:
            token = os.urandom(8)
            tokens[token] = time.monotonic()
            socket.send(encode_request(token))
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(answered), wait)
    return None
