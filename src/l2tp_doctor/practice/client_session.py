"""The gateway's side of one client: IKE responder, ESP, L2TP tunnels, PPP servers and echo replies.

The counterpart of :mod:`l2tp_doctor.protocol.dial`, in the same six calls over datagrams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from l2tp_doctor.practice.packet_filter import Content, content_of
from l2tp_doctor.practice.settings import GatewaySettings
from l2tp_doctor.protocol.engine import (
    Datagram,
    Direction,
    RandomSource,
    RetransmissionPolicy,
    TraceEvent,
    TraceSink,
    discard_trace,
)
from l2tp_doctor.protocol.esp import EspError
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.endpoint import ClearCopySink, discard_clear_copy
from l2tp_doctor.protocol.ikev1.policy import PathAddresses
from l2tp_doctor.protocol.ikev1.responder import Ikev1Responder, State
from l2tp_doctor.protocol.ip import (
    ICMP,
    IcmpEcho,
    Ipv4Packet,
    build_icmp_echo,
    build_ipv4,
    parse_icmp_echo,
    parse_ipv4,
)
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.l2tp.engine import L2tpTunnel
from l2tp_doctor.protocol.l2tp.message import Destination, demultiplex
from l2tp_doctor.protocol.l2tp_ipsec import L2TP_PORT, EspPath
from l2tp_doctor.protocol.ppp import events as ppp
from l2tp_doctor.protocol.ppp.config import GatewayConfig, LinkConfig, gateway_config
from l2tp_doctor.protocol.ppp.link import PppLink
from l2tp_doctor.protocol.wire import WireError

LeaseAddress = Callable[[object], IPv4Address | None]
ReturnAddress = Callable[[object], None]

SessionEvent = ike.IkeEvent | l2tp.L2tpEvent | ppp.LinkEvent

MAX_EVENTS = 256
"""Events kept for an owner that does not take them."""


@dataclass(slots=True, eq=False)
class _Tunnel:
    """One L2TP tunnel with its call, and the way to the client."""

    engine: L2tpTunnel
    path: EspPath
    peer_port: int
    link: PppLink | None = None
    closed: bool = False
    end_at: float | None = None
    """When a closed tunnel is forgotten, or one that the client should have closed is closed by us."""
    link_up: bool = False


@dataclass(frozen=True, slots=True)
class Leases:
    """How a session gets and returns addresses; the key is whatever the session chooses."""

    take: LeaseAddress
    give_back: ReturnAddress


@dataclass(slots=True)
class SessionCounters:
    """What one session has seen."""

    esp_in: int = 0
    esp_refused: int = 0
    echoes: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, why: str) -> None:
        """Counts a dropped message."""
        self.dropped[why] = self.dropped.get(why, 0) + 1


class ClientSession:
    """Serves one client.  Six calls; the owner asks :attr:`over` after each of them.

    Args:
        settings: the gateway's.
        paths: addresses and ports from the gateway's side.
        leases: where addresses come from.
        random: source of all randomness.
        trace: hears every message.
        clear_copies: gets the clear text of everything encrypted.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        paths: PathAddresses,
        leases: Leases,
        random: RandomSource,
        trace: TraceSink = discard_trace,
        clear_copies: ClearCopySink = discard_clear_copy,
    ) -> None:
        self._settings = settings
        self._paths = paths
        self._leases = leases
        self._random = random
        self._trace = trace
        self._clear_copies = clear_copies
        self._responder = Ikev1Responder(
            settings.ike, paths, settings.credentials, random, trace, clear_copies
        )
        self._paths_by_spi: dict[int, EspPath] = {}
        self._confirmed = False
        self._tunnels: list[_Tunnel] = []
        self._outgoing: deque[Datagram] = deque()
        self._events: deque[SessionEvent] = deque(maxlen=MAX_EVENTS)
        self._forget_at: float | None = None
        self._over = False
        self.authentic_messages = 0
        """Messages only the client can have made; a change says that the newest came from it."""
        self.counters = SessionCounters()

    # -- the six calls ------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Waits for the client, for a while."""
        self._responder.start(now)
        self._forget_at = now + self._settings.limits.half_open_time

    def receive(self, data: Datagram, now: float) -> None:
        """Takes one datagram of this client.  Never raises for its content."""
        content = content_of(data)
        if content is Content.ESP:
            self._receive_esp(data, now)
        elif content is Content.ISAKMP:
            self._responder.receive(data, now)
        self._pump(now)

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Returns and forgets the datagrams waiting to be sent."""
        del now
        waiting = list(self._outgoing)
        self._outgoing.clear()
        return waiting

    def get_timer(self) -> float | None:
        """Returns when any layer wants to be called."""
        times = [self._responder.get_timer(), self._forget_at]
        for tunnel in self._tunnels:
            times += [tunnel.engine.get_timer(), tunnel.end_at]
            if tunnel.link is not None:
                times.append(tunnel.link.get_timer())
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Does what is due in every layer."""
        timer = self._responder.get_timer()
        if timer is not None and timer <= now:
            self._responder.handle_timer(now)
        for tunnel in tuple(self._tunnels):
            self._handle_tunnel_timer(tunnel, now)
        if self._forget_at is not None and now >= self._forget_at:
            self._end()
        self._pump(now)

    def next_event(self) -> SessionEvent | None:
        """Returns the oldest event not yet taken, or ``None``."""
        return self._events.popleft() if self._events else None

    def close(self, now: float) -> None:
        """Ends everything from the gateway's side: tunnels first, then the SAs, without waiting."""
        for tunnel in self._tunnels:
            tunnel.engine.close(now)
        self._pump(now)
        self._responder.close(now)
        self._outgoing.extend(self._responder.datagrams_to_send(now))
        self._end()

    def forget(self) -> None:
        """Ends everything without a word to the client, and gives its addresses back."""
        self._end()

    # -- what the owner may ask ---------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nothing is left to serve; the owner forgets the session."""
        return self._over

    @property
    def cookie(self) -> bytes:
        """The initiator's cookie; zeros until a first message was accepted."""
        return self._responder.cookie

    @property
    def started(self) -> bool:
        """Whether the client's first message was accepted."""
        return self._responder.state is not State.IDLE

    @property
    def established(self) -> bool:
        """Whether the ISAKMP SA is up."""
        return self._responder.state is State.ESTABLISHED

    @property
    def spis(self) -> tuple[int, ...]:
        """The SPIs the client writes into its ESP packets."""
        return tuple(self._paths_by_spi)

    @property
    def tunnels_up(self) -> int:
        """L2TP tunnels that are not closed."""
        return sum(not tunnel.closed for tunnel in self._tunnels)

    @property
    def links_up(self) -> int:
        """PPP links with an address."""
        return sum(tunnel.link_up for tunnel in self._tunnels)

    # -- ESP ----------------------------------------------------------------------------------

    def _receive_esp(self, data: Datagram, now: float) -> None:
        path = self._paths_by_spi.get(int.from_bytes(data.data[:4], "big"))
        if path is None:
            self._drop(now, "esp", len(data.data), "unknown-spi")
            return
        try:
            arrived = path.open(data.data)
        except (EspError, WireError) as error:
            self.counters.esp_refused += 1
            self._drop(
                now, "esp", len(data.data), error.reason if isinstance(error, EspError) else "malformed"
            )
            return
        self.counters.esp_in += 1
        self.authentic_messages += 1
        if not self._confirmed:
            # The client sends ESP only after message 2 of Quick Mode reached it.
            self._confirmed = True
            self._responder.confirm_quick_mode(now)
        if arrived is None:
            return
        self._clear_copies(data.data, arrived.clear)
        if arrived.datagram.destination_port != L2TP_PORT:
            self._drop(now, "l2tp", len(data.data), "unknown-port")
            return
        self._receive_l2tp(arrived.datagram.payload, path, arrived.datagram.source_port, now)

    def _receive_l2tp(self, payload: bytes, path: EspPath, port: int, now: float) -> None:
        destination = demultiplex(payload)
        tunnel = None if destination is None else self._tunnel_for(destination, path, port, now)
        if tunnel is None:
            self._drop(now, "l2tp", len(payload), "malformed" if destination is None else "unknown-tunnel")
            return
        # A client that has keyed anew goes on in the same tunnel through its new SA.
        tunnel.path, tunnel.peer_port = path, port
        tunnel.engine.receive(payload, now)

    def _tunnel_for(self, destination: Destination, path: EspPath, port: int, now: float) -> _Tunnel | None:
        if destination.tunnel_id:
            return self._find(lambda tunnel: tunnel.engine.local_tunnel_id == destination.tunnel_id)
        assigned = destination.assigned_tunnel_id
        known = self._find(
            lambda tunnel: bool(assigned) and tunnel.engine.peer_tunnel_id == assigned and not tunnel.closed
        )
        if known is not None or not destination.is_sccrq:
            return known
        return self._new_tunnel(path, port, now)

    def _find(self, wanted: Callable[[_Tunnel], bool]) -> _Tunnel | None:
        return next((tunnel for tunnel in self._tunnels if wanted(tunnel)), None)

    # -- tunnels ------------------------------------------------------------------------------

    def _new_tunnel(self, path: EspPath, port: int, now: float) -> _Tunnel | None:
        if self._settings.tunnel.faults.silent or len(self._tunnels) >= self._settings.limits.tunnels:
            return None
        config = self._settings.tunnel
        config = replace(config, retransmission=self._patience(config.retransmission))
        taken = {tunnel.engine.local_tunnel_id for tunnel in self._tunnels}
        engine = L2tpTunnel(config, self._random, self._trace)
        while engine.local_tunnel_id in taken:
            engine = L2tpTunnel(config, self._random, self._trace)
        engine.start(now)
        tunnel = _Tunnel(engine, path, port)
        self._tunnels.append(tunnel)
        return tunnel

    def _patience(self, policy: RetransmissionPolicy) -> RetransmissionPolicy:
        rtt = self._responder.confirmation.rtt
        return policy if rtt is None else replace(policy, initial=policy.first_interval(rtt))

    def _handle_tunnel_timer(self, tunnel: _Tunnel, now: float) -> None:
        for engine in (tunnel.engine, tunnel.link):
            timer = engine.get_timer() if engine is not None else None
            if engine is not None and timer is not None and timer <= now:
                engine.handle_timer(now)
        if tunnel.end_at is None or now < tunnel.end_at:
            return
        tunnel.end_at = None
        if tunnel.closed:
            self._tunnels.remove(tunnel)
        else:
            tunnel.engine.close(now)

    def _on_l2tp(self, tunnel: _Tunnel, event: l2tp.L2tpEvent, now: float) -> None:
        if isinstance(event, l2tp.SessionEstablished):
            self._start_ppp(tunnel, now)
        elif isinstance(event, l2tp.CdnReceived):
            self._end_link(tunnel)
            tunnel.end_at = now + self._settings.limits.teardown_time
        elif isinstance(event, l2tp.Closed):
            self._end_link(tunnel)
            tunnel.closed = True
            tunnel.end_at = now + self._settings.limits.tunnel_linger

    def _end_link(self, tunnel: _Tunnel) -> None:
        tunnel.link = None
        tunnel.link_up = False
        self._leases.give_back(tunnel)

    # -- PPP ----------------------------------------------------------------------------------

    def _start_ppp(self, tunnel: _Tunnel, now: float) -> None:
        settings = self._settings.ppp
        gateway = GatewayConfig(
            self._settings.users.get,
            name="practice-gateway",
            local_address=settings.local_address,
            address=lambda: self._leases.take(tunnel),
            dns=settings.dns,
            forced_failure=settings.forced_failure,
            pool_exhausted=settings.pool_exhausted,
        )
        config: LinkConfig = gateway_config(
            gateway, settings.auth, ipv6=settings.ipv6, eap_methods=settings.eap_methods
        )
        rtt = tunnel.engine.smoothed_rtt
        policy = settings.retransmission
        policy = policy if rtt is None else replace(policy, initial=policy.first_interval(rtt))
        tunnel.link = PppLink(replace(config, retransmission=policy, rtt=rtt), self._random, self._trace)
        tunnel.link.start(now)

    def _on_ppp(self, tunnel: _Tunnel, event: ppp.LinkEvent, now: float) -> None:
        if isinstance(event, ppp.IpcpOpened):
            tunnel.link_up = True
        elif isinstance(event, ppp.LinkTerminated):
            tunnel.link_up = False
            self._leases.give_back(tunnel)
            if event.by_peer:
                tunnel.end_at = now + self._settings.limits.teardown_time
            else:
                tunnel.engine.close(now)
        elif isinstance(event, ppp.LinkSilent | ppp.IpcpFailed):
            tunnel.end_at = now + self._settings.limits.teardown_time

    def _on_ip(self, tunnel: _Tunnel, packet: bytes) -> None:
        if tunnel.link is None or not self._settings.ppp.answer_icmp:
            return
        try:
            received = parse_ipv4(packet)
            if received.destination != self._settings.ppp.local_address or received.protocol != ICMP:
                return
            echo = parse_icmp_echo(received.payload)
        except WireError:
            self.counters.drop("ip")
            return
        if echo.reply or received.is_fragment:
            return
        self.counters.echoes += 1
        answer = build_icmp_echo(IcmpEcho(True, echo.identifier, echo.sequence, echo.data))
        tunnel.link.send_ip(build_ipv4(Ipv4Packet(received.destination, received.source, ICMP, answer)))

    # -- IKE ----------------------------------------------------------------------------------

    def _on_ike(self, event: ike.IkeEvent, now: float) -> None:
        if isinstance(event, ike.MainModeEstablished):
            self.authentic_messages += 1
            self._forget_at = now + self._settings.limits.idle_time
        elif isinstance(event, ike.QuickModeAnswered):
            self.authentic_messages += 1
            self._confirmed = False
            path = EspPath(
                event.inbound,
                event.outbound,
                self._paths.local,
                self._paths.remote,
                udp_encapsulated=event.udp_encapsulated,
                random=self._random,
            )
            self._paths_by_spi[path.spi] = path
        elif isinstance(event, ike.NotifyReceived):
            self.authentic_messages += event.authentic
        elif isinstance(event, ike.DeleteReceived) and event.authentic:
            self.authentic_messages += 1
            if event.protocol == "isakmp":
                self._end()
            elif self.tunnels_up == 0:
                self._forget_at = now + self._settings.limits.deleted_time

    def _end(self) -> None:
        for tunnel in self._tunnels:
            self._leases.give_back(tunnel)
        self._tunnels.clear()
        self._forget_at = None
        self._over = True

    # -- carrying bytes between the layers ----------------------------------------------------

    def _pump(self, now: float) -> None:
        moved = True
        while moved:
            moved = False
            for tunnel in tuple(self._tunnels):
                moved = self._pump_link(tunnel, now) or moved
                moved = self._pump_tunnel(tunnel, now) or moved
            moved = self._pump_ike(now) or moved
        self._watch(now)

    def _watch(self, now: float) -> None:
        """Starts or stops the time after which a session without tunnels is forgotten."""
        if self._over or not self.established:
            return
        if self.tunnels_up:
            self._forget_at = None
        elif self._forget_at is None:
            self._forget_at = now + self._settings.limits.idle_time

    def _pump_ike(self, now: float) -> bool:
        self._outgoing.extend(self._responder.datagrams_to_send(now))
        event = self._responder.next_event()
        if event is None:
            return False
        self._events.append(event)
        self._on_ike(event, now)
        return True

    def _pump_tunnel(self, tunnel: _Tunnel, now: float) -> bool:
        for payload in tunnel.engine.datagrams_to_send(now):
            self._seal(tunnel, payload, now)
        event = tunnel.engine.next_event()
        if event is None:
            return False
        if isinstance(event, l2tp.PppFrame):
            if tunnel.link is not None:
                tunnel.link.receive(event.frame, now)
            return True
        self._events.append(event)
        self._on_l2tp(tunnel, event, now)
        return True

    def _pump_link(self, tunnel: _Tunnel, now: float) -> bool:
        link = tunnel.link
        if link is None:
            return False
        frames = link.datagrams_to_send(now)
        for frame in frames:
            tunnel.engine.send_ppp(frame)
        event = link.next_event()
        if event is None:
            return bool(frames)
        if isinstance(event, ppp.IpPacket):
            self._on_ip(tunnel, event.packet)
            return True
        self._events.append(event)
        self._on_ppp(tunnel, event, now)
        return True

    def _seal(self, tunnel: _Tunnel, payload: bytes, now: float) -> None:
        try:
            datagram, clear = tunnel.path.seal(payload, L2TP_PORT, tunnel.peer_port)
        except EspError as error:
            self._trace(TraceEvent(now, Direction.NOTE, "esp", f"not sent: {error.reason}"))
            return
        self._clear_copies(datagram.data, clear)
        self._outgoing.append(datagram)

    def _drop(self, now: float, layer: str, size: int, trigger: str) -> None:
        self.counters.drop(trigger)
        self._trace(TraceEvent(now, Direction.IN, layer, f"dropped: {trigger}", size, trigger=trigger))
