"""The whole dial as one engine: IKE, then ESP, L2TP, PPP, and an echo through the tunnel.

The engine owns the order of things and nothing else: it starts each layer when the one
below is up, carries bytes between them, and closes them from the top down.  What the layers
say comes out as events unchanged, between this module's own.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, replace

from l2tp_doctor.protocol import nat_t
from l2tp_doctor.protocol.dial_events import (
    Connected,
    DialClosed,
    DialEvent,
    DialState,
    EspFirstReceived,
    EspOfAnotherSa,
    Failed,
)
from l2tp_doctor.protocol.engine import (
    Channel,
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
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.ikev1.policy import Credentials, InitiatorPolicy, PathAddresses
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.l2tp.config import TunnelConfig
from l2tp_doctor.protocol.l2tp.engine import L2tpTunnel
from l2tp_doctor.protocol.l2tp.tunnel import TunnelState
from l2tp_doctor.protocol.l2tp_ipsec import L2TP_PORT, EspPath
from l2tp_doctor.protocol.ppp import events as ppp
from l2tp_doctor.protocol.ppp.config import LinkConfig
from l2tp_doctor.protocol.ppp.link import PppLink
from l2tp_doctor.protocol.ppp.phases import Phase
from l2tp_doctor.protocol.silence import failure_rate
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome, TunnelEcho
from l2tp_doctor.protocol.unanswered import Unanswered
from l2tp_doctor.protocol.wire import WireError

__all__ = [
    "Connected",
    "Dial",
    "DialClosed",
    "DialConfig",
    "DialEvent",
    "DialState",
    "EspFirstReceived",
    "EspOfAnotherSa",
    "Failed",
    "preload",
]

MIN_ESP = 24  # octets: SPI, sequence number, an 8-octet IV and a block (RFC 4303 §2)
DEFAULT_MRU = 1500  # RFC 1661 §6.1: where the option is not negotiated


def preload() -> None:
    """Imports the libraries whose cryptography a dial meets on its way (about 30 ms).

    The engines import them where they are used, so that a program that dials nobody starts fast.  In a dial
    the gateway would wait for that in the middle of an exchange; an owner calls this, perhaps in a thread,
    once message 1 has left and its answer is a round trip away.

    Raises:
        ImportError: one is missing.
    """
    from Crypto.Cipher import DES
    from Crypto.Hash import MD4
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers import Cipher

    del DES, MD4, ec, Cipher


@dataclass(frozen=True, slots=True)
class DialConfig:
    """What to dial with.

    Attributes:
        ike: the IKE initiator's policy.
        paths: addresses and ports for NAT-D and identities.
        credentials: IKE credentials.
        tunnel: L2TP settings.
        link: PPP settings.
        echo_interval: seconds before an echo through the tunnel is repeated, but at least 1.5 round trips.
        large_echo_size: bytes of the large echo's IP packet; Windows' L2TP interface has an MTU of 1400.
        keepalive_interval: seconds between NAT keepalives (RFC 3948 §4: 20).
        close_wait: seconds each layer may take to close; three round trips if that is longer.
        l2tp_delay: seconds between Quick Mode 3 and SCCRQ.
    """

    ike: InitiatorPolicy
    paths: PathAddresses
    credentials: Credentials
    tunnel: TunnelConfig
    link: LinkConfig
    echo_interval: float = 0.1
    large_echo_size: int = 1400
    keepalive_interval: float = 20.0
    close_wait: float = 0.6
    l2tp_delay: float = 0.0


class Dial:
    """One dial.  Six calls; ``receive`` takes any datagram of the three channels."""

    def __init__(
        self,
        config: DialConfig,
        random: RandomSource,
        trace: TraceSink = discard_trace,
        clear_copies: ClearCopySink = discard_clear_copy,
    ) -> None:
        self._config = config
        self._random = random
        self._trace = trace
        self._clear_copies = clear_copies
        self.state = DialState.IDLE
        self._ike = Ikev1Initiator(config.ike, config.paths, config.credentials, random, trace, clear_copies)
        self._esp: EspPath | None = None
        self._esp_heard = False
        self._other_sa_heard = False
        self._esp_sent = 0
        self._tunnel: L2tpTunnel | None = None
        self._l2tp_at: float | None = None  # when SCCRQ leaves
        self._peer_port = L2TP_PORT
        self._link: PppLink | None = None
        self._echo: TunnelEcho | None = None
        self._echo_repetitions = 1  # the first may only be early: see tunnel_echo
        self._link_alive = False
        self._peer_mru = DEFAULT_MRU
        self._outgoing: deque[Datagram] = deque()
        self._events: deque[DialEvent] = deque()
        self._keepalive_at: float | None = None
        self._close_by: float | None = None
        self._clean = True

    # -- the six calls ------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begins with message 1 of phase 1."""
        self.state = DialState.IKE
        self._ike.start(now)
        self._pump(now)

    def receive(self, data: Datagram, now: float) -> None:
        """Takes one datagram.  Never raises for its content."""
        if data.channel is Channel.ESP:
            self._receive_esp(data, now)
        elif data.channel is Channel.NAT_T:
            kind = nat_t.classify_4500(data.data)
            if kind == "esp":
                self._receive_esp(data, now)
            elif kind == "keepalive":
                self._note(now, "nat-t", "keepalive", 1)
            else:
                self._ike.receive(data, now)
        else:
            self._ike.receive(data, now)
        self._pump(now)

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Returns and forgets the datagrams waiting to be sent."""
        del now
        waiting = list(self._outgoing)
        self._outgoing.clear()
        return waiting

    def get_timer(self) -> float | None:
        """Returns when any layer wants to be called."""
        times = [self._ike.get_timer(), self._keepalive_at, self._close_by, self._l2tp_at]
        if self._tunnel is not None:
            times.append(self._tunnel.get_timer())
        if self._link is not None:
            times.append(self._link.get_timer())
        if self._echo is not None:
            times.append(self._echo.get_timer())
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Does what is due in every layer."""
        if self._l2tp_at is not None and now >= self._l2tp_at and self._tunnel is not None:
            self._l2tp_at = None
            self._tunnel.start(now)
        for engine in (self._ike, self._tunnel, self._link):
            timer = engine.get_timer() if engine is not None else None
            if engine is not None and timer is not None and timer <= now:
                engine.handle_timer(now)
        if self._keepalive_at is not None and now >= self._keepalive_at:
            self._ike.send_keepalive()
            self._keepalive_at = now + self._config.keepalive_interval
        if self._echo is not None:
            self._echo.handle_timer(now)
            if self.lossy and self._link is not None and self._echo.repetitions != self._echo_repetitions:
                self._echo_repetitions = self._echo.repetitions
                self._link.repeat_acknowledgements(now)
            self._pump_echo(now)
        if self._close_by is not None and now >= self._close_by:
            self._clean = False
            self._close_next(now)
        self._pump(now)

    def give_up(self, now: float) -> None:
        """Stops waiting for what is unanswered, with the events its layer has for that; then as usual.

        For an owner that knows from elsewhere that no answer will come.  PPP beyond LCP keeps its own time: a
        gateway may be asking others (RADIUS, DHCP) for its answer.
        """
        if self.state is DialState.IKE:
            self._ike.give_up(now)
        elif self.state is DialState.L2TP and self._tunnel is not None:
            self._tunnel.delivery.expire(now)
            self._tunnel.handle_timer(now)
        elif self.state is DialState.PPP and self._link is not None:
            self._link.give_up(now)
        self._pump(now)

    def next_event(self) -> DialEvent | None:
        """Returns the oldest event not yet taken, or ``None``."""
        return self._events.popleft() if self._events else None

    def close(self, now: float) -> None:
        """Tears down what is up, from the top: PPP, L2TP, the SAs.  Ends with ``DialClosed``."""
        if self.state in (DialState.CLOSING_PPP, DialState.CLOSING_L2TP, DialState.CLOSED):
            return
        self._echo = None
        self._keepalive_at = self._l2tp_at = None
        self.state = DialState.CLOSING_PPP
        # What is over already would not answer, and nobody is kept waiting for it.
        if self._link is not None and self._link.phase is not Phase.DEAD and self._tunnel_lives():
            self._close_by = now + self._close_wait()
            self._link.close(now)
        else:
            self._close_next(now)
        self._pump(now)

    # -- what the owner may ask ---------------------------------------------------------------

    @property
    def initiator(self) -> Ikev1Initiator:
        """The IKE engine, for its counters and its cookie."""
        return self._ike

    @property
    def lossy(self) -> bool:
        """Whether IKE, L2TP or PPP saw something answered only after it had been repeated."""
        layers = (self._ike.transmission, self._tunnel, self._link)
        return any(layer is not None and layer.lossy for layer in layers)

    @property
    def unanswered(self) -> Unanswered | None:
        """What is being asked again and again at this moment, as far as :meth:`give_up` could end it."""
        if self.state is DialState.IKE:
            return self._ike.unanswered
        if self.state is DialState.L2TP and self._tunnel is not None:
            return self._tunnel.delivery.unanswered
        if self.state is DialState.PPP and self._link is not None:
            return self._link.unanswered
        return None

    @property
    def counted(self) -> tuple[int, int]:
        """Answers, and the transmissions they took, in IKE and in L2TP."""
        layers = [self._ike.transmission.counted]
        if self._tunnel is not None:
            layers.append(self._tunnel.delivery.counted)
        return sum(answers for answers, _ in layers), sum(sent for _, sent in layers)

    @property
    def sent(self) -> int:
        """Requests sent in IKE and L2TP, repetitions included, whether they were answered or not."""
        tunnel = 0 if self._tunnel is None else self._tunnel.delivery.sent
        return self._ike.transmission.sent + tunnel

    @property
    def esp_sent(self) -> int:
        """How many ESP packets have been sent."""
        return self._esp_sent

    # -- carrying bytes between the layers ----------------------------------------------------

    def _pump(self, now: float) -> None:
        """Moves everything the layers have to say, until none has anything."""
        moved = True
        while moved:
            moved = self._pump_link(now)
            moved = self._pump_tunnel(now) or moved
            moved = self._pump_ike(now) or moved

    def _pump_ike(self, now: float) -> bool:
        self._outgoing.extend(self._ike.datagrams_to_send(now))
        event = self._ike.next_event()
        if event is None:
            return False
        self._events.append(event)
        self._on_ike(event, now)
        return True

    def _pump_tunnel(self, now: float) -> bool:
        if self._tunnel is None or self._esp is None:
            return False
        for payload in self._tunnel.datagrams_to_send(now):
            self._seal(payload)
        event = self._tunnel.next_event()
        if event is None:
            return False
        if isinstance(event, l2tp.PppFrame):
            if self._link is not None:
                self._link.receive(event.frame, now)
            return True
        self._events.append(event)
        self._on_l2tp(event, now)
        return True

    def _pump_link(self, now: float) -> bool:
        if self._link is None or self._tunnel is None:
            return False
        frames = self._link.datagrams_to_send(now)
        for frame in frames:
            self._tunnel.send_ppp(frame)
        event = self._link.next_event()
        if event is None:
            return bool(frames)
        if isinstance(event, ppp.IpPacket):
            if self._echo is not None:
                self._echo.receive(event.packet, now)
                self._pump_echo(now)
            return True
        self._events.append(event)
        self._on_ppp(event, now)
        return True

    def _seal(self, payload: bytes) -> None:
        if self._esp is None:
            return
        datagram, clear = self._esp.seal(payload, self._config.ike.l2tp_port, self._peer_port)
        self._clear_copies(datagram.data, clear)
        self._outgoing.append(datagram)
        self._esp_sent += 1

    def _receive_esp(self, data: Datagram, now: float) -> None:
        if self._esp is None or self._tunnel is None:
            self._note(now, "esp", "dropped: no SA", len(data.data), trigger="unexpected")
            self._note_other_sa(data)
            return
        try:
            arrived = self._esp.open(data.data)
        except (EspError, WireError) as error:
            trigger = error.reason if isinstance(error, EspError) else "malformed"
            self._note(now, "esp", f"dropped: {trigger}", len(data.data), trigger=trigger)
            if not self._esp.addressed(data.data):
                self._note_other_sa(data)
            return
        # Whoever sends under a pair has both halves of it.
        self._ike.confirm_quick_mode(now, self._esp.heard_under)
        if not self._esp_heard:
            self._esp_heard = True
            self._note(now, "esp", f"first packet, SPI {self._esp.spi:#010x}", len(data.data))
            self._events.append(EspFirstReceived(self._esp.channel is Channel.NAT_T))
        if arrived is None:
            return
        self._clear_copies(data.data, arrived.clear)
        if arrived.datagram.destination_port != self._config.ike.l2tp_port:
            self._note(now, "l2tp", "dropped: not for our port", len(data.data), trigger="unknown-port")
            return
        # RFC 2661 §8.1: the responder may answer from another port, which is then used for good.
        self._peer_port = arrived.datagram.source_port
        self._tunnel.receive(arrived.datagram.payload, now)

    def _note_other_sa(self, data: Datagram) -> None:
        if not self._other_sa_heard and len(data.data) >= MIN_ESP:
            self._other_sa_heard = True
            self._events.append(EspOfAnotherSa(data.channel is Channel.NAT_T))

    # -- what the layers say ------------------------------------------------------------------

    def _on_ike(self, event: ike.IkeEvent, now: float) -> None:
        if isinstance(event, ike.QuickModeEstablished):
            self._start_l2tp(event, now)
        elif isinstance(event, ike.QuickModeAnswered):
            if self._esp is not None:
                self._esp.expect(event.inbound)
        elif isinstance(event, ike.Floated):
            self._keepalive_at = now + self._config.keepalive_interval
        elif isinstance(event, ike.GaveUp):
            self._fail(f"no usable answer to {event.step.value}")
        elif isinstance(event, ike.CredentialNeeded):
            self._fail(f"{event.kind} needed")
        elif isinstance(event, ike.AuthenticationFailed):
            self._fail(f"peer authentication: {event.reason}")
        elif isinstance(event, ike.DeleteReceived) and event.authentic:
            ours = self._esp is not None and self._esp.deleted(event.spis)
            if event.protocol == "isakmp" or ours:
                self._fail(f"the peer deleted the {event.protocol} SA")

    def _round_trip(self) -> float | None:
        """The shortest that a layer has measured, or else IKE's guess at it."""
        measured = [self._ike.transmission.rtt]
        if self._tunnel is not None:
            measured.append(self._tunnel.smoothed_rtt)
        known = [rtt for rtt in measured if rtt is not None]
        return min(known, default=self._ike.transmission.estimate)

    def _patience(self, policy: RetransmissionPolicy) -> RetransmissionPolicy:
        """The layers above inherit what the lower ones have learned of the round-trip time."""
        rtt = self._round_trip()
        return policy if rtt is None else replace(policy, initial=policy.first_interval(rtt))

    def _start_l2tp(self, event: ike.QuickModeEstablished, now: float) -> None:
        if self._esp is not None:
            self._esp.replace(event.inbound, event.outbound)
            return
        if self.state is not DialState.IKE:
            return  # a peer that keeps asking after the dial has been given up
        paths = self._config.paths
        self._esp = EspPath(
            event.inbound,
            event.outbound,
            paths.local,
            paths.remote,
            udp_encapsulated=event.udp_encapsulated,
            random=self._random,
        )
        self.state = DialState.L2TP
        tunnel = self._config.tunnel
        tunnel = replace(
            tunnel,
            retransmission=self._patience(tunnel.retransmission),
            close_wait=max(tunnel.close_wait, self._close_wait()),
        )
        self._ike.await_esp(now)
        self._tunnel = L2tpTunnel(tunnel, self._random, self._trace)
        if self._config.l2tp_delay:
            self._l2tp_at = now + self._config.l2tp_delay
        else:
            self._tunnel.start(now)

    def _on_l2tp(self, event: l2tp.L2tpEvent, now: float) -> None:
        if isinstance(event, l2tp.SessionEstablished):
            self._start_ppp(now)
        elif isinstance(event, l2tp.StopCcnReceived):
            self._fail("StopCCN")
        elif isinstance(event, l2tp.CdnReceived):
            self._fail("CDN")
        elif isinstance(event, l2tp.ControlSilent | l2tp.ControlAcknowledgedOnly):
            self._fail(f"no answer to {event.message}")
        elif isinstance(event, l2tp.TunnelAuthenticationFailed):
            self._fail("L2TP tunnel authentication")
        elif isinstance(event, l2tp.Closed):
            if self.state in (DialState.CLOSING_PPP, DialState.CLOSING_L2TP):
                self._clean = self._clean and event.clean
                self._close_next(now)
            else:
                self._fail("the tunnel closed")

    def _start_ppp(self, now: float) -> None:
        self.state = DialState.PPP
        link = self._config.link
        rtt = self._round_trip()
        link = replace(link, retransmission=self._patience(link.retransmission), rtt=rtt, lossy=self.lossy)
        self._link = PppLink(link, self._random, self._trace)
        self._link.start(now)

    def _on_ppp(self, event: ppp.LinkEvent, now: float) -> None:
        if isinstance(event, ppp.IpcpOpened):
            if self._echo is None:
                self._start_echo(event, now)
            else:
                self._echo.interface_is_back()
        elif isinstance(event, ppp.LcpOpened):
            mru = event.peer_options.get("MRU")
            self._peer_mru = mru if isinstance(mru, int) else DEFAULT_MRU
        elif isinstance(event, ppp.EchoReplied):
            self._link_alive = True
        elif isinstance(event, ppp.AuthFailed):
            self._fail("PPP authentication")
        elif isinstance(event, ppp.CredentialsMissing):
            self._fail("user name and password needed")
        elif isinstance(event, ppp.IpcpFailed):
            self._fail(f"IPCP: {event.reason}")
        elif isinstance(event, ppp.LinkSilent):
            self._fail(f"PPP silent: {event.step}")
        elif isinstance(event, ppp.LinkTerminated):
            if self.state is DialState.CLOSING_PPP:
                self._close_next(now)
            else:
                self._fail("PPP terminated")

    def _fail(self, reason: str) -> None:
        if self.state in (DialState.IKE, DialState.L2TP, DialState.PPP, DialState.ECHO):
            self._events.append(Failed(self.state, reason))
            self.state = DialState.FAILED

    # -- the echo through the tunnel ----------------------------------------------------------

    def _start_echo(self, event: ppp.IpcpOpened, now: float) -> None:
        if self.state is not DialState.PPP or self._link is None:
            return
        self.state = DialState.ECHO
        # A peer that keeps its address to itself can still be asked for the first DNS server's.
        target = event.peer_address or (event.dns[0] if event.dns else ipaddress.IPv4Address(0))
        self._echo = TunnelEcho(
            event.local_address,
            target,
            int.from_bytes(self._random(2), "big"),
            min(self._peer_mru, self._config.large_echo_size),
            max(self._config.echo_interval, 1.5 * (self._round_trip() or 0.0)),
            loss=failure_rate(*self.counted),
        )
        self._link.send_echo(now)
        self._echo.start(now)
        self._pump_echo(now)

    def _pump_echo(self, now: float) -> None:
        echo = self._echo
        if echo is None or self._link is None:
            return
        for packet in echo.packets_to_send():
            self._link.send_ip(packet)
            self._note(now, "icmp", "echo request through the tunnel", len(packet), Direction.OUT)
        while (outcome := echo.next_outcome()) is not None:
            self._events.append(outcome)
            self._on_echo(outcome, now)
        if echo.finished and self.state is DialState.ECHO:
            self._connected()

    def _on_echo(self, outcome: EchoOutcome, now: float) -> None:
        if outcome.rtt is not None:
            self._note(now, "icmp", "echo reply through the tunnel", outcome.size)
        elif not outcome.large and not self._link_alive:
            # Not even LCP's own echo is answered through this tunnel; otherwise ICMP is merely filtered.
            self._fail("no echo through the tunnel")

    def _connected(self) -> None:
        self.state = DialState.CONNECTED
        self._events.append(Connected())

    # -- closing ------------------------------------------------------------------------------

    def _close_next(self, now: float) -> None:
        """The layer above is closed, or has taken too long: go on with the next one down."""
        self._close_by = None
        if self.state is DialState.CLOSING_PPP and self._tunnel is not None and self._tunnel_lives():
            self.state = DialState.CLOSING_L2TP
            self._close_by = now + self._close_wait()
            self._tunnel.close(now)
            return
        self.state = DialState.CLOSED
        self._ike.close(now)
        farewell = self._ike.datagrams_to_send(now)
        # Nothing acknowledges a Delete, and where it is lost the gateway keeps SAs that the next dial
        # meets; so on a path that loses packets it is said twice.
        self._outgoing.extend(farewell * (2 if self.lossy else 1))
        self._events.append(DialClosed(self._clean))

    def _tunnel_lives(self) -> bool:
        over = (TunnelState.IDLE, TunnelState.CLOSED)
        return self._tunnel is not None and self._tunnel.state not in over

    def _close_wait(self) -> float:
        """A layer gets the configured time, or on a slow path what an answer and one repetition need."""
        rtt = self._ike.transmission.estimate
        return self._config.close_wait if rtt is None else max(self._config.close_wait, 3.0 * rtt)

    def _note(
        self,
        now: float,
        layer: str,
        summary: str,
        size: int,
        direction: Direction = Direction.IN,
        trigger: str | None = None,
    ) -> None:
        self._trace(TraceEvent(now, direction, layer, summary, size, trigger=trigger))
