"""A PPP link as one engine over whole PPP frames, for the dialling client and for the gateway."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from l2tp_doctor.protocol.engine import RandomSource, TraceSink, discard_trace
from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.auth_common import AuthExchange, AuthProtocol, Credentials, ServerAuth
from l2tp_doctor.protocol.ppp.automaton import State
from l2tp_doctor.protocol.ppp.cbcp import answer_callback
from l2tp_doctor.protocol.ppp.chap import ChapClient, ChapServer, MsChapV2Client, MsChapV2Server
from l2tp_doctor.protocol.ppp.config import LinkConfig, Role
from l2tp_doctor.protocol.ppp.control_packet import Code, ControlPacket
from l2tp_doctor.protocol.ppp.control_protocol import Signal
from l2tp_doctor.protocol.ppp.eap import EapClient
from l2tp_doctor.protocol.ppp.eap_server import EapServer
from l2tp_doctor.protocol.ppp.frame import Frame, PppProtocol, decode_frame, protocol_name
from l2tp_doctor.protocol.ppp.lcp import Lcp, LcpHooks
from l2tp_doctor.protocol.ppp.network_layer import NetworkLayer
from l2tp_doctor.protocol.ppp.options import (
    LCP_OPTIONS,
    IpcpOption,
    LcpOption,
    Option,
    describe,
    encode_options,
)
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.ppp.pap import PapClient, PapServer
from l2tp_doctor.protocol.ppp.phases import PHASE_NAMES, PHASES, Phase, PhaseInput
from l2tp_doctor.protocol.ppp.timers import RoundTrip
from l2tp_doctor.protocol.unanswered import Unanswered
from l2tp_doctor.protocol.wire import WireError

MAX_EVENTS = 4096
"""Events kept for an owner that does not take them: a flood of packets must not fill the memory."""

_CONFIGURE_REQUEST = bytes([Code.CONFIGURE_REQUEST])
_AUTHENTICATION = frozenset({PppProtocol.PAP, PppProtocol.CHAP, PppProtocol.EAP})
_NETWORK_CONTROL = frozenset({PppProtocol.IPCP, PppProtocol.IPV6CP, PppProtocol.CCP})
_NETWORK = frozenset({PppProtocol.IPV4, PppProtocol.IPV6})


class PppLink:
    """One PPP link, from LCP to IP packets.

    ``start``, ``receive``, ``datagrams_to_send``, ``get_timer``, ``handle_timer`` and ``next_event`` as in
    :mod:`l2tp_doctor.protocol.engine`, over ``bytes`` that are PPP frames as L2TP carries them.
    """

    def __init__(self, config: LinkConfig, random: RandomSource, trace: TraceSink = discard_trace) -> None:
        self.phase = Phase.DEAD
        self._config = config
        self._outlet = Outlet(random, trace, RoundTrip(config.rtt, lossy=config.lossy))
        self._events: deque[events.LinkEvent] = deque(maxlen=MAX_EVENTS)
        self._exchange: AuthExchange | None = None
        self._auth_name = ""
        self._auth_done = False
        self._ending: events.LinkTerminated | None = None
        self._ended = False
        self._early: Frame | None = None
        self._early_network: dict[int, Frame] = {}
        gateway = config.gateway
        is_client = config.role is Role.CLIENT
        self._lcp = Lcp(
            self._outlet,
            config.retransmission,
            self._on_lcp,
            config.limits,
            profile=config.lcp,
            hooks=LcpHooks(self._on_protocol_rejected, self._on_echo_replied),
            allowed=config.auth if is_client else (),
            required=() if is_client else config.auth,
            accept_callback=gateway is not None and gateway.accept_callback,
        )
        self._network: NetworkLayer | None = None
        self._lcp_signals: Mapping[Signal, Callable[[float], None]] = {
            Signal.UP: self._lcp_up,
            Signal.DOWN: self._lcp_down,
            Signal.FINISHED: self._lcp_finished,
            Signal.SILENT: self._lcp_silent,
            Signal.PEER_TERMINATED: self._lcp_terminated_by_peer,
            Signal.DIVERGED: self._lcp_diverged,
        }

    # The six calls.

    def start(self, now: float) -> None:
        """Sends the first Configure-Request; both roles do, so that no half round trip is lost."""
        self._advance(PhaseInput.UP, now)
        self._lcp.open(now)
        self._lcp.up(now)

    def receive(self, data: bytes, now: float) -> None:
        """Takes one PPP frame.  Never raises for its content."""
        try:
            frame = decode_frame(data)
        except WireError as error:
            self._outlet.dropped(PppProtocol.LCP, len(data), now, str(error), "malformed")
            return
        if frame.protocol == PppProtocol.LCP:
            if frame.payload[:1] == _CONFIGURE_REQUEST:
                self._early = None  # the peer begins anew: what it said when its LCP was open is void
            self._lcp.receive(frame.payload, now)
        elif frame.protocol in _AUTHENTICATION:
            self._receive_authentication(frame, now)
        elif frame.protocol in _NETWORK:
            self._receive_packet(frame, now)
        elif frame.protocol in _NETWORK_CONTROL:
            self._receive_network_control(frame, now)
        elif frame.protocol == PppProtocol.CBCP and self._lcp.opened and self._lcp.callback_agreed:
            answer_callback(frame.payload, self._outlet, now)
        else:
            self._receive_unknown(frame, now)

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Returns and forgets the frames waiting to be sent."""
        return self._outlet.take()

    def get_timer(self) -> float | None:
        """Returns when :meth:`handle_timer` wants to be called next."""
        candidates = [self._lcp.get_timer()]
        if self._exchange is not None:
            candidates.append(self._exchange.get_timer())
        if self._network is not None:
            candidates.append(self._network.get_timer())
        return min((due for due in candidates if due is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Repeats what was not answered, or gives it up."""
        self._lcp.handle_timer(now)
        if self._exchange is not None:
            repetitions, due = self._exchange.repetitions, self._exchange.get_timer()
            self._exchange.handle_timer(now)
            if due is not None and due != self._exchange.get_timer() and self.lossy:
                self._lcp.repeat_acknowledgement(now)
            if self._exchange.verdict_overdue and self._exchange.repetitions > repetitions:
                self._sound_out(now)
            self._after_exchange(now)
        if self._network is not None:
            self._network.handle_timer(now)

    def next_event(self) -> events.LinkEvent | None:
        """Returns the oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # More calls of the owner.

    def repeat_acknowledgements(self, now: float) -> None:
        """The peer takes no packets although the link is open here: its last answer from us may be lost."""
        if self._network is not None:
            self._network.repeat_acknowledgements(now)

    def send_ip(self, packet: bytes) -> bool:
        """Queues an IPv4 or IPv6 packet; returns ``False`` when its network protocol is not open.

        Raises:
            ValueError: the packet is neither IPv4 nor IPv6.
        """
        version = packet[0] >> 4 if packet else 0
        if version not in (4, 6):
            raise ValueError("neither an IPv4 nor an IPv6 packet")
        protocol = PppProtocol.IPV4 if version == 4 else PppProtocol.IPV6
        if self._network is None or not self._network.carries(protocol):
            return False
        self._outlet.send_untraced(protocol, packet)
        return True

    def send_echo(self, now: float) -> bool:
        """Sends an LCP Echo-Request; returns ``False`` when LCP is not open."""
        return self._lcp.send_echo(now)

    def close(self, now: float, reason: str = "") -> None:
        """Ends the link with an LCP Terminate-Request."""
        if self.phase is Phase.DEAD:
            return
        self._end(False, reason, now)
        self._lcp.close(now, reason)

    @property
    def round_trip(self) -> float | None:
        """The smoothed round-trip time in seconds, if one was measured."""
        return self._outlet.round_trip.smoothed

    @property
    def lossy(self) -> bool:
        """Whether something was answered only after it had been repeated, by either side."""
        return self._outlet.round_trip.lossy

    @property
    def unanswered(self) -> Unanswered | None:
        """LCP's request."""
        return self._lcp.unanswered if self.phase is Phase.ESTABLISH else None

    def give_up(self, now: float) -> None:
        """Stops waiting for LCP's answer."""
        if self.unanswered is not None:
            self._lcp.give_up(now)

    # Frames in.

    def _receive_authentication(self, frame: Frame, now: float) -> None:
        exchange = self._exchange
        if exchange is None or exchange.protocol != frame.protocol:
            # A protocol that was not agreed on is no business of ours.
            self._drop(frame, now, "unexpected")
            if self.phase is Phase.ESTABLISH:
                # RFC 1661 §3.4 has it discarded, for its sender will repeat it, after three seconds perhaps.
                # It is kept until LCP is open, which the peer's is: only its Ack is lost, or on its way.
                self._early = frame
                self._lcp.hurry(now)
            return
        exchange.receive(frame.payload, now)
        self._after_exchange(now)

    def _receive_network_control(self, frame: Frame, now: float) -> None:
        if self.phase is Phase.AUTHENTICATE and self._exchange is not None:
            self._receive_early(frame, self._exchange, now)
            return
        if self.phase is not Phase.NETWORK or self._network is None:
            # "All other packets received during this phase MUST be silently discarded." (§3.4, §3.5)
            self._drop(frame, now, "unexpected")
            return
        if not self._network.receive(frame, now):
            self._drop(frame, now, "unknown-protocol")
            self._lcp.reject_protocol(frame.protocol, frame.payload, now)

    def _receive_early(self, frame: Frame, exchange: AuthExchange, now: float) -> None:
        """The peer is in the network phase: what ends the exchange is late, or lost.

        The frame is kept until the exchange is over, and taken then.  §3.5 has it discarded, for its sender
        will repeat it, after three seconds perhaps.
        """
        self._early_network[frame.protocol] = frame
        exchange.network_phase_seen(now)
        exchange.hurry(now)
        self._after_exchange(now)
        if frame.protocol in self._early_network:
            self._drop(frame, now, "unexpected")

    def _receive_packet(self, frame: Frame, now: float) -> None:
        if self.phase is Phase.NETWORK and self._network and self._network.carries(frame.protocol):
            self._events.append(events.IpPacket(frame.payload))
            return
        self._drop(frame, now, "unexpected")
        if self._network is not None:
            self._network.hurry(frame.protocol, now)  # the peer's side is open: its Ack is lost

    def _receive_unknown(self, frame: Frame, now: float) -> None:
        self._drop(frame, now, "unknown-protocol" if self.phase is Phase.NETWORK else "unexpected")
        if self.phase is Phase.NETWORK:
            self._lcp.reject_protocol(frame.protocol, frame.payload, now)

    def _drop(self, frame: Frame, now: float, trigger: str) -> None:
        name = protocol_name(frame.protocol)
        self._outlet.dropped(frame.protocol, len(frame.payload), now, name, trigger)

    # LCP.

    def _on_lcp(self, signal: Signal, now: float) -> None:
        self._lcp_signals[signal](now)

    def _lcp_up(self, now: float) -> None:
        self._outlet.compress_address = self._lcp.peer_accepts(LcpOption.ACFC)
        self._outlet.compress_protocol = self._lcp.peer_accepts(LcpOption.PFC)
        self._events.append(
            events.LcpOpened(
                describe(self._lcp.acknowledged, LCP_OPTIONS), describe(self._lcp.peer_options, LCP_OPTIONS)
            )
        )
        self._advance(PhaseInput.OPENED, now)
        for text in self._config.identification:
            self._lcp.send_identification(text, now)
        self._begin_authentication(now)

    def _lcp_down(self, now: float) -> None:
        self._outlet.compress_address = self._outlet.compress_protocol = False
        if self._network is not None:
            self._network.down(now)
            self._network = None
        if self._lcp.state in (State.REQ_SENT, State.ACK_SENT):
            self._exchange = None
            self._early = None
            self._early_network.clear()
            self._advance(PhaseInput.RENEGOTIATE, now)

    def _lcp_finished(self, now: float) -> None:
        self._end(False, self._lcp.end_reason, now)
        self._report_end()
        self._exchange = None
        self._advance(PhaseInput.DOWN, now)
        self.phase = Phase.DEAD
        if self._lcp.state is State.STOPPED:
            self._lcp.close(now)  # Stopped would answer a new Configure-Request; a diagnosis dials once

    def _lcp_silent(self, now: float) -> None:
        step = "lcp-configure" if self._lcp.heard else "lcp-first-answer"
        self._events.append(events.LinkSilent("establish", step))
        self._end(False, "no answer", now)

    def _lcp_terminated_by_peer(self, now: float) -> None:
        establishing = self.phase is Phase.ESTABLISH
        self._end(True, self._lcp.end_reason, now)
        if establishing:
            self._lcp.close(now)

    def _lcp_diverged(self, now: float) -> None:
        self.close(now, self._lcp.end_reason)

    def _on_protocol_rejected(self, protocol: int, now: float) -> None:
        if self._network is not None and self._network.protocol_rejected(protocol, now):
            return
        exchange = self._exchange
        if exchange is not None and exchange.protocol == protocol and exchange.outcome is None:
            self._auth_done = True
            message = f"the peer does not speak {protocol_name(protocol)}"
            self._events.append(events.AuthFailed(self._auth_name, None, message, False))
            self.close(now, "authentication failed")

    def _on_echo_replied(self, rtt: float, now: float) -> None:
        self._events.append(events.EchoReplied(rtt))

    # Authentication.

    def _begin_authentication(self, now: float) -> None:
        self._auth_done = False
        if self._config.role is Role.SERVER:
            demanded = self._lcp.we_demand
        else:
            demanded = self._lcp.peer_demands
            self._report_demand(demanded)
        if demanded is None:
            self._begin_network(now)
            return
        self._auth_name = demanded.value
        self._exchange = self._make_exchange(demanded)
        if self._exchange is None:
            self._events.append(events.CredentialsMissing(demanded.value))
            self.close(now, "no credentials")
            return
        self._exchange.start(now)
        early, self._early = self._early, None
        if early is not None and early.protocol == self._exchange.protocol:
            self._exchange.receive(early.payload, now)
            self._after_exchange(now)

    def _report_demand(self, demanded: AuthProtocol | None) -> None:
        refused = tuple(self._lcp.refused)
        if demanded is not None or refused:
            self._events.append(events.AuthRequired(demanded.value if demanded else None, refused))

    def _make_exchange(self, protocol: AuthProtocol) -> AuthExchange | None:
        gateway = self._config.gateway
        if self._config.role is Role.SERVER and gateway is not None:
            return self._make_server_exchange(protocol, gateway.auth)
        credentials = self._config.credentials
        return None if credentials is None else self._make_client_exchange(protocol, credentials)

    def _make_client_exchange(self, protocol: AuthProtocol, credentials: Credentials) -> AuthExchange:
        outlet, policy = self._outlet, self._config.retransmission
        if protocol is AuthProtocol.PAP:
            return PapClient(outlet, policy, credentials)
        if protocol is AuthProtocol.CHAP:
            return ChapClient(outlet, policy, credentials)
        if protocol is AuthProtocol.EAP:
            return EapClient(outlet, policy, credentials, self._config.eap_methods)
        return MsChapV2Client(outlet, policy, credentials)

    def _make_server_exchange(self, protocol: AuthProtocol, server: ServerAuth) -> AuthExchange:
        outlet, policy = self._outlet, self._config.retransmission
        if protocol is AuthProtocol.PAP:
            return PapServer(outlet, policy, server)
        if protocol is AuthProtocol.CHAP:
            return ChapServer(outlet, policy, server)
        if protocol is AuthProtocol.EAP:
            return EapServer(outlet, policy, server, self._config.eap_methods)
        return MsChapV2Server(outlet, policy, server)

    def _after_exchange(self, now: float) -> None:
        exchange = self._exchange
        if exchange is None or self._auth_done:
            return
        outcome = exchange.outcome
        if outcome is None:
            if exchange.silent_step is not None:
                self._auth_done = True
                self._events.append(events.LinkSilent("authenticate", exchange.silent_step))
                self.close(now, "no answer")
            return
        self._auth_done = True
        if not outcome.success:
            self._events.append(
                events.AuthFailed(self._auth_name, outcome.error_code, outcome.message, outcome.retry)
            )
            self.close(now, "authentication failed")
            return
        self._events.append(events.AuthSucceeded(self._auth_name, outcome.message, outcome.server_authentic))
        if outcome.server_authentic is False:
            self.close(now, "server is not authentic")
        else:
            self._begin_network(now)

    def _sound_out(self, now: float) -> None:
        """Asks whether the peer is in the network phase already; one that is not must discard this (§3.5)."""
        identifier = self._outlet.random(1)[0]
        options = encode_options((Option(IpcpOption.IP_ADDRESS, bytes(4)),))
        packet = ControlPacket(Code.CONFIGURE_REQUEST, identifier, options)
        summary = "Configure-Request to see whether a Success was lost"
        self._outlet.send(PppProtocol.IPCP, packet.encode(), now, summary)

    def _begin_network(self, now: float) -> None:
        if self.phase is not Phase.AUTHENTICATE:
            return  # a verdict that arrived after the link had begun to end
        self._advance(PhaseInput.SUCCESS, now)
        self._network = NetworkLayer(self._config, self._outlet, self._events.append, self.close)
        self._network.start(now)
        early, self._early_network = self._early_network, {}
        for frame in early.values():
            self._receive_network_control(frame, now)

    # The end.

    def _end(self, by_peer: bool, reason: str, now: float) -> None:
        if self._ending is not None:
            return
        phase = self.phase
        self._ending = events.LinkTerminated(by_peer, PHASE_NAMES.get(phase, "network"), reason)
        if phase is Phase.ESTABLISH and self._config.role is Role.CLIENT and self._lcp.refused:
            self._report_demand(None)
        self._advance(PhaseInput.CLOSING, now)
        if self._network is not None:
            self._network = None
        awaited = phase is Phase.AUTHENTICATE and not self._auth_done
        if awaited and isinstance(self._exchange, EapClient) and self._exchange.known_failure is not None:
            self._exchange.outcome = self._exchange.known_failure
            self._after_exchange(now)
            awaited = False
        # A verdict may have been overtaken by the Terminate-Request: the end is reported when the table's
        # last wait is over, so that the owner hears the cause first.
        if by_peer and not awaited:
            self._report_end()

    def _report_end(self) -> None:
        if self._ending is not None and not self._ended:
            self._ended = True
            self._events.append(self._ending)

    def _advance(self, step: PhaseInput, now: float) -> None:
        target = PHASES.get((self.phase, step))
        if target is None or target is self.phase:
            return
        self.phase = target
        self._outlet.note(PppProtocol.LCP, now, f"phase {target.value}")
