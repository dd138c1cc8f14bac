"""How far packets of different kinds get: IKE beside ping and plain UDP, hop by hop.

Every packet gets a hop limit, and the router where it runs out says so (ICMP time exceeded).  A
filter that drops IKE shows as routers that answer ping and never IKE.

Which hop limit a UDP packet had is told by the port it was sent from, a socket for each hop: a router need
quote no more than the UDP header (RFC 792), and Linux hands out only what lies behind it.  If more was
quoted it has to be what we sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.hop_echo import EchoUnavailableError, HopEcho
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.path import GatewayPath, Recorder
from l2tp_doctor.network.udp import UdpEndpoint
from l2tp_doctor.protocol.engine import Channel, Datagram

MAX_HOPS = 20
# Linux routers send one address six ICMP errors at once and then one a second (icmp_ratelimit):
# one ping, one UDP and two IKE packets for each port are just what every router answers.
MAX_PACKETS = 64
CONTROL_PORT = 53
# Spread over time, so that neither a home router's queue nor a rate limit takes them for a flood.
_PACE = 0.006
_SETTLE = 0.42
_WHOLE = 2.45
_BEYOND_SILENCE = 2  # hops looked at behind the last router that answers, where the host never does
_BEYOND_PING = 12  # hops looked at with UDP where ping gets no further
_CONFIRMED = 2  # hops behind the last reached that are asked again, the host not counted

# A question a name server answers without asking others: the root's name servers, no recursion
# (RFC 1035 §4.1).  Anything else answers port unreachable, or nothing.
CONTROL_PAYLOAD = bytes.fromhex("4c44 0000 0001 0000 0000 0000 00 0002 0001")


class Flow(Enum):
    """The kinds of packets compared; the values are their names for people."""

    PING = "ping"
    UDP = "UDP 53"
    IKE_500 = "IKE 500"
    IKE_4500 = "IKE 4500"


CONTROLS = (Flow.PING, Flow.UDP)
_FLOWS = {Channel.IKE: Flow.IKE_500, Channel.NAT_T: Flow.IKE_4500}
_CHANNELS = {flow: channel for channel, flow in _FLOWS.items()}


@dataclass(frozen=True, slots=True)
class HopAnswer:
    """What came back for a packet with a hop limit.

    Attributes:
        flow: the packet's kind.
        hop: its hop limit.
        sender: who answered.
        what: ``time-exceeded``, ``reply``, or another ICMP error's name.
        again: it answered a later packet, sent side by side with the second IKE packets.
    """

    flow: Flow
    hop: int
    sender: str
    what: str = "time-exceeded"
    again: bool = False


@dataclass
class HopTrace:
    """All answers of one trace.

    Attributes:
        remote: the host's address.
        answers: in the order they came; one for each flow, hop and round at most.
    """

    remote: str
    answers: list[HopAnswer] = field(default_factory=list)

    def add(self, answer: HopAnswer) -> None:
        """Takes an answer unless it is a repetition."""
        key = (answer.flow, answer.hop, answer.again)
        if all((item.flow, item.hop, item.again) != key for item in self.answers):
            self.answers.append(answer)

    def from_host(self, answer: HopAnswer) -> bool:
        """Whether the host itself answered, and not as a router."""
        return answer.what != "time-exceeded" and bare(answer.sender) == bare(self.remote)

    def passed(self, flows: Iterable[Flow], *, again: bool = False) -> dict[int, str]:
        """Returns who was reached at each hop; a refusal on the way reaches nobody.

        Args:
            flows: packets of these kinds.
            again: count only the second round's answers.
        """
        wanted = set(flows)
        return {
            item.hop: item.sender
            for item in sorted(self.answers, key=lambda item: item.hop)
            if item.flow in wanted
            and (item.again or not again)
            and (item.what == "time-exceeded" or self.from_host(item))
        }

    @property
    def distance(self) -> int | None:
        """The smallest hop limit with which the host itself was reached."""
        return min((item.hop for item in self.answers if self.from_host(item)), default=None)

    def last(self, flows: Iterable[Flow]) -> int:
        """The last hop that packets of these kinds reached, 0 for none."""
        return max(self.passed(flows), default=0)


def bare(address: str) -> str:
    """Returns an address without its zone."""
    return address.split("%")[0]


@dataclass(frozen=True)
class HopProbe:
    """What to trace.

    Attributes:
        local: our address.
        remote: the gateway's.
        ports: the gateway's (IKE, NAT-T) ports.
        messages: the IKE datagram for each channel; nothing may remain of it at the gateway.
        recorder: hears of the IKE packets.
        on_reply: hears of every datagram that came back on an IKE channel, with its sender.
        on_notice: hears of every ICMP error for IKE other than time exceeded.
    """

    local: str
    remote: str
    ports: tuple[int, int]
    messages: dict[Channel, bytes]
    recorder: Recorder
    on_reply: Callable[[Datagram, Endpoint], None]
    on_notice: Callable[[Channel, IcmpNotice], None]


async def trace_hops(probe: HopProbe) -> HopTrace:
    """Sends all kinds of packets with rising hop limits; takes 2.5 s at most.

    Raises:
        OSError: a socket cannot be made.
    """
    tracer = _Tracer(probe)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WHOLE):
                await tracer.run()
    finally:
        tracer.close()
    return tracer.trace


class _Tracer:
    def __init__(self, probe: HopProbe) -> None:
        self.trace = HopTrace(probe.remote)
        self._probe = probe
        self._sent = 0
        self._again = False
        self._changed = asyncio.Event()
        self._paths: dict[tuple[int, bool], GatewayPath] = {}
        self._udp: dict[tuple[int, bool], UdpEndpoint] = {}
        self._echo: HopEcho | None = None
        with contextlib.suppress(EchoUnavailableError):
            self._echo = HopEcho(probe.local, probe.remote, self._echoed)
        self._echoed_again: set[int] = set()

    async def run(self) -> None:
        extent = await self._find_extent()
        if not extent:
            return  # nobody on the way answers anything: silence would prove nothing
        reached = self.trace.passed(CONTROLS)
        packets = [(flow, hop) for hop in range(1, extent + 1) for flow in _CHANNELS]
        packets += [(Flow.UDP, hop) for hop in range(1, extent + 1) if hop not in reached]
        await self._volley(packets)
        await self._second_round()

    # -- the rounds ---------------------------------------------------------------------------

    async def _find_extent(self) -> int:
        """Returns how many hops to look at: up to the host, or just behind the last router that answers."""
        if self._echo is not None:
            await self._volley([(Flow.PING, hop) for hop in range(1, MAX_HOPS + 1)], until_host=True)
        if self.trace.distance is None:
            first = self.trace.last(CONTROLS) + 1
            most = MAX_HOPS if self._echo is None else _BEYOND_PING
            hops = range(first, min(MAX_HOPS, first + most - 1) + 1)
            await self._volley([(Flow.UDP, hop) for hop in hops], until_host=True)
        if self.trace.distance is not None:
            return self.trace.distance
        last = self.trace.last(CONTROLS)
        return min(MAX_HOPS, last + _BEYOND_SILENCE) if last else 0

    async def _second_round(self) -> None:
        """Asks the first hops that IKE did not reach again, with the other kinds beside it."""
        self._again = True
        reached = self.trace.passed(CONTROLS)
        wanted: dict[int, set[Flow]] = {}
        for flow in _CHANNELS:
            beyond = sorted(hop for hop in reached if hop > self.trace.last([flow]))
            for hop in dict.fromkeys((*beyond[:_CONFIRMED], *beyond[-1:])):
                wanted.setdefault(hop, set()).add(flow)
        # UDP before ping: a router that answers only so many has then refused IKE by choice.
        await self._volley(
            [
                (flow, hop)
                for hop in sorted(wanted)
                for flow in (*sorted(wanted[hop], key=lambda item: item.value), Flow.UDP, Flow.PING)
            ]
        )

    async def _volley(self, packets: list[tuple[Flow, int]], *, until_host: bool = False) -> None:
        """Sends packets one after the other, then waits until all are answered or nothing more comes."""
        for flow, hop in packets:
            if until_host and self.trace.distance is not None:
                break
            self._send(flow, hop)
            await asyncio.sleep(_PACE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE):
                while not self._complete(packets):
                    self._changed.clear()
                    await self._changed.wait()

    def _complete(self, packets: list[tuple[Flow, int]]) -> bool:
        heard = {(item.flow, item.hop) for item in self.trace.answers if item.again == self._again}
        end = self.trace.distance or MAX_HOPS
        return all(packet in heard for packet in packets if packet[1] <= end)

    # -- packets ------------------------------------------------------------------------------

    def _send(self, flow: Flow, hop: int) -> None:
        if self._sent >= MAX_PACKETS or (flow is Flow.PING and self._echo is None):
            return
        self._sent += 1
        if flow is Flow.PING and self._echo is not None:
            if self._again:
                self._echoed_again.add(hop)
            self._echo.send(hop)
        elif flow is Flow.UDP:
            self._control_socket(hop).send(CONTROL_PAYLOAD, ttl=hop)
        else:
            channel = _CHANNELS[flow]
            self._path(hop).send(Datagram(channel, self._probe.messages[channel]), ttl=hop)

    def _add(self, flow: Flow, hop: int, sender: str, what: str, again: bool) -> None:
        if sender:
            self.trace.add(HopAnswer(flow, hop, sender, what, again))
            self._changed.set()

    def _echoed(self, hop: int, sender: str, what: str) -> None:
        # The first echo for a hop had its time; what comes now is for the second.
        self._add(Flow.PING, hop, sender, what, hop in self._echoed_again)

    def _control_socket(self, hop: int) -> UdpEndpoint:
        again = self._again
        key = (hop, again)
        if key not in self._udp:

            def heard(_payload: bytes, sender: Endpoint) -> None:
                if bare(sender.address) == bare(self._probe.remote):
                    self._add(Flow.UDP, hop, sender.address, "reply", again)

            def noticed(notice: IcmpNotice) -> None:
                if not notice.local and quotes(notice.quoted, CONTROL_PAYLOAD):
                    self._add(Flow.UDP, hop, notice.sender, notice.name, again)

            remote = Endpoint(self._probe.remote, CONTROL_PORT)
            self._udp[key] = UdpEndpoint(self._probe.local, remote, on_datagram=heard, on_notice=noticed)
        return self._udp[key]

    def _path(self, hop: int) -> GatewayPath:
        again = self._again
        key = (hop, again)
        if key not in self._paths:

            def heard(datagram: Datagram, sender: Endpoint) -> None:
                self._probe.on_reply(datagram, sender)
                if bare(sender.address) == bare(self._probe.remote):
                    self._add(_FLOWS[datagram.channel], hop, sender.address, "reply", again)

            def noticed(channel: Channel, notice: IcmpNotice) -> None:
                if notice.local or not quotes(notice.quoted, self._probe.messages[channel]):
                    return
                self._add(_FLOWS[channel], hop, notice.sender, notice.name, again)
                if notice.name != "time-exceeded":
                    self._probe.on_notice(channel, notice)

            self._paths[key] = GatewayPath(
                self._probe.local,
                self._probe.remote,
                self._probe.ports,
                recorder=self._probe.recorder,
                on_datagram=heard,
                on_notice=noticed,
            )
        return self._paths[key]

    def close(self) -> None:
        for path in self._paths.values():
            path.close()
        for endpoint in self._udp.values():
            endpoint.close()
        if self._echo is not None:
            self._echo.close()


def quotes(quoted: bytes, sent: bytes) -> bool:
    """Whether what a router quoted, if anything, is the beginning of what was sent.

    Routers pad short quotations with zeros and append extensions (RFC 4884 §4), so only the first 16
    octets count, an IKE header's two cookies, without the zeros at their end.
    """
    return sent.startswith(quoted[:16].rstrip(b"\0"))
