"""The practice gateway as one engine: many clients behind two UDP ports, without a socket.

A datagram belongs to the session whose initiator cookie or ESP SPI it carries.  First
messages open sessions; what a gateway says without keeping anything (refused proposals,
IKEv2) is said from here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from l2tp_doctor.practice import ikev2
from l2tp_doctor.practice.address_pool import AddressPool
from l2tp_doctor.practice.client_session import ClientSession, Leases, SessionEvent
from l2tp_doctor.practice.packet_filter import Content, PacketFilter, Way, content_of
from l2tp_doctor.practice.settings import GatewaySettings, Ikev1Behaviour, Ikev2Behaviour
from l2tp_doctor.protocol import nat_t
from l2tp_doctor.protocol.engine import (
    Channel,
    Datagram,
    Direction,
    RandomSource,
    TraceEvent,
    TraceSink,
    discard_trace,
)
from l2tp_doctor.protocol.ikev1.endpoint import ClearCopySink, discard_clear_copy
from l2tp_doctor.protocol.ikev1.policy import PathAddresses
from l2tp_doctor.protocol.isakmp.constants import ExchangeType, NotifyType, ProtocolId
from l2tp_doctor.protocol.isakmp.message import Header, decode_header, encode_message
from l2tp_doctor.protocol.isakmp.payloads import Notify
from l2tp_doctor.protocol.wire import WireError

NO_COOKIE = bytes(8)
_FIRST_EXCHANGES = (ExchangeType.IDENTITY_PROTECTION, ExchangeType.AGGRESSIVE)
MAX_EVENTS = 1024
"""Events kept for an owner that does not take them."""
MAX_OUTGOING = 4096
"""Datagrams kept for an owner that does not take them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a datagram came from or goes to: address in network order, and port (0 for native ESP)."""

    address: bytes
    port: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A datagram with the peer's end of it."""

    peer: Peer
    datagram: Datagram


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """What one session's layers said."""

    peer: Peer
    event: SessionEvent


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """What a gateway holds and has counted.

    Attributes:
        sessions: ISAKMP SAs up.
        half_open: exchanges that have not got that far.
        tunnels: L2TP tunnels up.
        links: PPP links with an address.
        leases: addresses lent.
        counters: datagrams by what became of them.
    """

    sessions: int
    half_open: int
    tunnels: int
    links: int
    leases: int
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing of any client is left."""
        return not (self.sessions or self.half_open or self.tunnels or self.links or self.leases)


@dataclass(slots=True, eq=False)
class _Client:
    """A session, and the port each channel's answers go to."""

    session: ClientSession
    key: tuple[bytes, bytes]
    ports: dict[Channel, int]
    peer: Peer

    def send_to(self, channel: Channel) -> Peer:
        """Where a datagram of a channel goes now."""
        port = 0 if channel is Channel.ESP else self.ports.get(channel, self.peer.port)
        return Peer(self.peer.address, port)


class PracticeGatewayEngine:
    """Serves every client.  Six calls over :class:`Packet`.

    Args:
        settings: policies, users, faults.
        address: the gateway's own address in network order, for NAT-D and identities.
        ports: its (IKE, NAT-T) ports.
        random: source of all randomness.
        chance: source of the packet filter's; apart, so that losses repeat whatever the protocol draws.
        trace: hears every message of every session.
        clear_copies: gets the clear text of everything encrypted.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        address: bytes,
        ports: tuple[int, int],
        random: RandomSource,
        chance: RandomSource | None = None,
        trace: TraceSink = discard_trace,
        clear_copies: ClearCopySink = discard_clear_copy,
    ) -> None:
        self._settings = settings
        self._address = address
        self._ports = ports
        self._random = random
        self._trace = trace
        self._clear_copies = clear_copies
        self._filter = PacketFilter(settings.rules, chance or random)
        self._pool = AddressPool(settings.ppp.addresses)
        self._leases = Leases(self._pool.take, self._pool.give_back)
        self._clients: dict[tuple[bytes, bytes], _Client] = {}
        self._by_spi: dict[int, _Client] = {}
        self._outgoing: deque[Packet] = deque(maxlen=MAX_OUTGOING)
        self._events: deque[ClientEvent] = deque(maxlen=MAX_EVENTS)
        self._counters: dict[str, int] = {}

    # -- the six calls ------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """A gateway waits."""

    def receive(self, data: Packet, now: float) -> None:
        """Takes one datagram from anywhere.  Never raises for its content."""
        self._count("received")
        if not self._filter.passes(data.datagram, Way.IN):
            self._count("lost-in")
            return
        content = content_of(data.datagram)
        if content is Content.ESP:
            self._receive_esp(data, now)
        elif content is Content.ISAKMP:
            try:
                self._receive_isakmp(data, now)
            except WireError as error:
                self._drop(now, len(data.datagram.data), "malformed", str(error))
        else:
            self._count("keepalive" if data.datagram.data == nat_t.KEEPALIVE else "malformed")

    def datagrams_to_send(self, now: float) -> list[Packet]:
        """Returns and forgets the datagrams waiting to be sent."""
        del now
        waiting = list(self._outgoing)
        self._outgoing.clear()
        return waiting

    def get_timer(self) -> float | None:
        """Returns when any session wants to be called."""
        timers = (client.session.get_timer() for client in self._clients.values())
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Does what is due in every session."""
        for client in tuple(self._clients.values()):
            timer = client.session.get_timer()
            if timer is not None and timer <= now:
                client.session.handle_timer(now)
                self._collect(client, now)

    def next_event(self) -> ClientEvent | None:
        """Returns the oldest event not yet taken, or ``None``."""
        return self._events.popleft() if self._events else None

    # -- what the owner may ask ---------------------------------------------------------------

    def status(self) -> GatewayStatus:
        """Returns what the gateway holds just now."""
        sessions = [client.session for client in self._clients.values()]
        up = sum(session.established for session in sessions)
        return GatewayStatus(
            sessions=up,
            half_open=len(sessions) - up,
            tunnels=sum(session.tunnels_up for session in sessions),
            links=sum(session.links_up for session in sessions),
            leases=self._pool.lent,
            counters=dict(self._counters),
        )

    def close(self, now: float) -> None:
        """Tells every client that it is over, and forgets them."""
        for client in tuple(self._clients.values()):
            client.session.close(now)
            self._collect(client, now)

    # -- ISAKMP -------------------------------------------------------------------------------

    def _receive_isakmp(self, packet: Packet, now: float) -> None:
        datagram = packet.datagram
        raw = nat_t.unwrap_isakmp(datagram.data) if datagram.channel is Channel.NAT_T else datagram.data
        header = decode_header(raw)
        if header.major == 2:
            self._receive_ikev2(packet, header, raw, now)
            return
        key = (packet.peer.address, header.initiator_cookie)
        client = self._clients.get(key)
        if client is None:
            self._first_message(packet, header, key, now)
            return
        self._hand_over(client, packet, now)

    def _receive_ikev2(self, packet: Packet, header: Header, raw: bytes, now: float) -> None:
        behaviour = self._settings.ikev2
        if behaviour is Ikev2Behaviour.IGNORE or not ikev2.is_sa_init(header):
            self._drop(now, len(raw), "other-version")
        elif behaviour is Ikev2Behaviour.REFUSE:
            self._reply(packet, ikev2.refuse(header))
        else:
            self._reply(packet, ikev2.accept(header, raw, self._random))

    def _first_message(self, packet: Packet, header: Header, key: tuple[bytes, bytes], now: float) -> None:
        size = len(packet.datagram.data)
        if header.responder_cookie != NO_COOKIE or header.exchange not in _FIRST_EXCHANGES:
            self._drop(now, size, "unknown-cookie")
        elif header.initiator_cookie == NO_COOKIE:
            self._drop(now, size, "malformed")
        elif self._settings.ikev1 is Ikev1Behaviour.IGNORE:
            self._drop(now, size, "practice-fault")
        elif self._settings.ikev1 is Ikev1Behaviour.REFUSE:
            self._refuse_ikev1(packet, header)
        elif self._make_room(now, size):
            self._open_session(packet, key, now)

    def _refuse_ikev1(self, packet: Packet, header: Header) -> None:
        message_id = int.from_bytes(self._random(4), "big") | 1  # RFC 2408 §5.7.1: random, and not zero
        answer = Header(header.initiator_cookie, self._random(8), ExchangeType.INFORMATIONAL, 0, message_id)
        notify = Notify(NotifyType.NO_PROPOSAL_CHOSEN, ProtocolId.ISAKMP)
        self._reply(packet, encode_message(answer, [notify]))

    def _make_room(self, now: float, size: int) -> bool:
        half_open = [client for client in self._clients.values() if not client.session.established]
        if len(half_open) >= self._settings.limits.half_open:
            # Dictionaries keep insertion order: the first is the oldest.
            self._forget(half_open[0])
            self._count("half-open-evicted")
        if len(self._clients) < self._settings.limits.sessions:
            return True
        self._drop(now, size, "limit")
        return False

    def _open_session(self, packet: Packet, key: tuple[bytes, bytes], now: float) -> None:
        ike_port, nat_t_port = self._ports
        # The other channel's port is not known yet; it matters only where the peer sends from it.
        paths = PathAddresses(
            self._address, packet.peer.address, ike_port, packet.peer.port, nat_t_port, packet.peer.port
        )
        session = ClientSession(
            self._settings, paths, self._leases, self._random, self._trace, self._clear_copies
        )
        session.start(now)
        client = _Client(session, key, {packet.datagram.channel: packet.peer.port}, packet.peer)
        self._clients[key] = client
        self._hand_over(client, packet, now)
        if not session.started:
            self._forget(client)  # refused: nothing to remember

    # -- ESP ----------------------------------------------------------------------------------

    def _receive_esp(self, packet: Packet, now: float) -> None:
        client = self._by_spi.get(int.from_bytes(packet.datagram.data[:4], "big"))
        if client is None:
            self._drop(now, len(packet.datagram.data), "unknown-spi")
            return
        self._hand_over(client, packet, now)

    # -- sessions -----------------------------------------------------------------------------

    def _hand_over(self, client: _Client, packet: Packet, now: float) -> None:
        session = client.session
        before = session.authentic_messages
        proven = session.established
        session.receive(packet.datagram, now)
        if not proven or session.authentic_messages != before:
            # Answers follow the newest authentic packet (RFC 3947 §4, RFC 3948 §3.1); until the peer has
            # proved itself the newest packet counts, or a NAT that rebinds would end the exchange.
            client.ports[packet.datagram.channel] = packet.peer.port
            if packet.peer.port:
                client.peer = packet.peer
        self._collect(client, now)

    def _collect(self, client: _Client, now: float) -> None:
        session = client.session
        for datagram in session.datagrams_to_send(now):
            self._send(Packet(client.send_to(datagram.channel), datagram))
        while (event := session.next_event()) is not None:
            self._events.append(ClientEvent(client.peer, event))
        for spi in session.spis:
            self._by_spi[spi] = client
        if session.over:
            self._forget(client)

    def _forget(self, client: _Client) -> None:
        if not client.session.over:
            client.session.forget()
        self._clients.pop(client.key, None)
        for spi in client.session.spis:
            if self._by_spi.get(spi) is client:
                del self._by_spi[spi]

    # -- small things -------------------------------------------------------------------------

    def _reply(self, packet: Packet, message: bytes) -> None:
        channel = packet.datagram.channel
        data = nat_t.wrap_isakmp(message) if channel is Channel.NAT_T else message
        self._send(Packet(packet.peer, Datagram(channel, data)))

    def _send(self, packet: Packet) -> None:
        if self._filter.passes(packet.datagram, Way.OUT):
            self._count("sent")
            self._outgoing.append(packet)
        else:
            self._count("lost-out")

    def _count(self, what: str) -> None:
        self._counters[what] = self._counters.get(what, 0) + 1

    def _drop(self, now: float, size: int, trigger: str, detail: str = "") -> None:
        self._count(trigger)
        fields = {"detail": detail} if detail else {}
        self._trace(
            TraceEvent(now, Direction.IN, "isakmp", f"dropped: {trigger}", size, fields, trigger=trigger)
        )
