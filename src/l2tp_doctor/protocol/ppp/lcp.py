"""LCP for both roles: options, authentication demands, echoes, rejects (RFC 1661, RFC 1570)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.auth_common import BY_OPTION_DATA, OPTION_DATA, AuthProtocol
from l2tp_doctor.protocol.ppp.automaton import Action, Event
from l2tp_doctor.protocol.ppp.control_packet import Code, ControlPacket, text_of
from l2tp_doctor.protocol.ppp.control_protocol import (
    ControlProtocol,
    Listener,
    NegotiationLimits,
    Signal,
)
from l2tp_doctor.protocol.ppp.frame import PppProtocol, protocol_name
from l2tp_doctor.protocol.ppp.options import LCP_OPTIONS, LcpOption, Option, authentication_name
from l2tp_doctor.protocol.ppp.outlet import Outlet

CALLBACK_CBCP = b"\x06"
"""Callback operation 6: "Location is determined during CBCP negotiation"."""

MINIMUM_MRU = 128
"""Below this an IPv4 host cannot work sensibly; such a request is Nak'ed with it."""

MAX_LOOPS = 3
"""Our own magic number seen this many times in a row means a looped-back line (RFC 1661 §6.4)."""

MAX_ECHOES = 16
"""Outstanding Echo-Requests remembered; an unresponsive peer must not make the table grow."""


@dataclass(frozen=True, slots=True)
class LcpProfile:
    """The options of our first Configure-Request, in the order Windows writes them."""

    mru: int | None = 1400
    accm: int | None = None
    magic: bool = True
    pfc: bool = True
    acfc: bool = True
    callback: bool = True


WINDOWS_LCP = LcpProfile()
"""MRU 1400, Magic, PFC, ACFC, Callback 6; without Callback after its rejection."""

GATEWAY_LCP = LcpProfile(callback=False)
"""What our own gateway asks for."""


@dataclass(frozen=True, slots=True)
class LcpHooks:
    """Calls into the link for LCP packets that concern others."""

    protocol_rejected: Callable[[int, float], None]
    echo_replied: Callable[[float, float], None]


class Lcp(ControlProtocol):
    """The Link Control Protocol.

    Args:
        allowed: what we let the peer ask of us (client), best first.
        required: what we ask of the peer (server), best first.
    """

    protocol = PppProtocol.LCP
    table = LCP_OPTIONS

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        listener: Listener,
        limits: NegotiationLimits,
        *,
        profile: LcpProfile,
        hooks: LcpHooks,
        allowed: tuple[AuthProtocol, ...] = (),
        required: tuple[AuthProtocol, ...] = (),
        accept_callback: bool = False,
    ) -> None:
        super().__init__(outlet, policy, listener, limits)
        self.refused: list[str] = []
        """Authentication protocols the peer asked for and we do not allow, by name."""
        self.auth_failure = ""
        """Why no authentication protocol can be agreed on (server); empty while there is one."""
        self._profile = profile
        self._hooks = hooks
        self._allowed = allowed
        self._candidates = list(required)
        self._accept_callback = accept_callback
        self._given_up: set[int] = set()
        self._mru = profile.mru
        self._magic = outlet.random(4)
        self._suggestion = 0
        self._loops = 0
        self._echoes: dict[int, float] = {}
        self._echo_request = ControlPacket(0, 0)
        self._handlers |= {
            Code.PROTOCOL_REJECT: self._protocol_reject,
            Code.ECHO_REQUEST: self._take_echo_request,
            Code.ECHO_REPLY: self._take_echo_reply,
            Code.DISCARD_REQUEST: self._take_notice,
            Code.IDENTIFICATION: self._take_notice,
            Code.TIME_REMAINING: self._take_notice,
        }

    # What LCP decided, for the link.

    @property
    def peer_demands(self) -> AuthProtocol | None:
        """What we agreed to authenticate ourselves with."""
        return self._auth_in(self.peer_options)

    @property
    def we_demand(self) -> AuthProtocol | None:
        """What the peer agreed to authenticate itself with."""
        return self._auth_in(self.acknowledged)

    @property
    def callback_agreed(self) -> bool:
        """Whether the peer accepted our Callback option, so that CBCP follows."""
        return any(option.type == LcpOption.CALLBACK for option in self.acknowledged)

    def peer_accepts(self, kind: LcpOption) -> bool:
        """Tells whether the peer asked for an option and we acknowledged it (PFC, ACFC)."""
        return any(option.type == kind for option in self.peer_options)

    @staticmethod
    def _auth_in(options: tuple[Option, ...]) -> AuthProtocol | None:
        for option in options:
            if option.type == LcpOption.AUTHENTICATION:
                return BY_OPTION_DATA.get(option.data)
        return None

    # Negotiation.

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns our profile without what the peer rejected."""
        profile = self._profile
        wanted: list[Option] = []
        if self._mru is not None:
            wanted.append(Option(LcpOption.MRU, self._mru.to_bytes(2, "big")))
        if profile.accm is not None:
            wanted.append(Option(LcpOption.ACCM, profile.accm.to_bytes(4, "big")))
        if self._candidates:
            wanted.append(Option(LcpOption.AUTHENTICATION, OPTION_DATA[self._candidates[0]]))
        if profile.magic:
            wanted.append(Option(LcpOption.MAGIC, self._magic))
        if profile.pfc:
            wanted.append(Option(LcpOption.PFC))
        if profile.acfc:
            wanted.append(Option(LcpOption.ACFC))
        if profile.callback:
            wanted.append(Option(LcpOption.CALLBACK, CALLBACK_CBCP))
        return tuple(option for option in wanted if option.type not in self._given_up)

    def judge(self, option: Option) -> Option | None:
        """Judges an option of the peer; see the base class."""
        if option.type in (LcpOption.ACCM, LcpOption.PFC, LcpOption.ACFC):
            return option
        if option.type == LcpOption.MRU:
            small = int.from_bytes(option.data, "big") < MINIMUM_MRU
            return Option(LcpOption.MRU, MINIMUM_MRU.to_bytes(2, "big")) if small else option
        if option.type == LcpOption.MAGIC:
            return self._judge_magic(option)
        if option.type == LcpOption.AUTHENTICATION:
            return self._judge_authentication(option)
        if option.type == LcpOption.CALLBACK and self._accept_callback:
            return option
        return None

    def _judge_magic(self, option: Option) -> Option:
        # "If the two Magic-Numbers are equal, then it is possible, but not certain, that the link is
        # looped-back and ... a Configure-Nak MUST be sent specifying a different Magic-Number value" (§6.4).
        if self._profile.magic and option.data == self._magic:
            self._loops += 1
            return Option(LcpOption.MAGIC, self._other_magic())
        self._loops = 0
        if option.data == bytes(4):  # "A Magic-Number of zero is illegal and MUST always be Nak'd"
            return Option(LcpOption.MAGIC, self._other_magic())
        return option

    def _other_magic(self) -> bytes:
        fresh = self._outlet.random(4)
        return fresh if fresh not in (self._magic, bytes(4)) else bytes(b ^ 0x5A for b in self._magic)

    def _judge_authentication(self, option: Option) -> Option | None:
        protocol = BY_OPTION_DATA.get(option.data)
        if protocol is not None and protocol in self._allowed:
            return option
        name = authentication_name(option.data)
        if self._allowed and name not in self.refused:
            self.refused.append(name)
        if not self._allowed:
            return None
        # The client's own preference first; when the peer insists, the others in turn.
        suggested = self._allowed[self._suggestion % len(self._allowed)]
        self._suggestion += 1
        return Option(LcpOption.AUTHENTICATION, OPTION_DATA[suggested])

    def learn_nak(self, option: Option) -> None:
        """Takes a suggested value."""
        if option.type == LcpOption.MAGIC:
            self._magic = self._outlet.random(4)
        elif option.type == LcpOption.MRU:
            suggested = int.from_bytes(option.data, "big")
            if suggested >= MINIMUM_MRU:
                self._mru = suggested
        elif option.type == LcpOption.AUTHENTICATION:
            self._next_candidate(BY_OPTION_DATA.get(option.data), authentication_name(option.data))

    def _next_candidate(self, suggested: AuthProtocol | None, name: str) -> None:
        if not self._candidates:
            return
        if suggested in self._candidates and suggested is not self._candidates[0]:
            self._candidates.remove(suggested)
            self._candidates.insert(0, suggested)
        elif len(self._candidates) > 1:
            del self._candidates[0]
        else:
            self.auth_failure = f"peer wants {name}, {self._candidates[0].value} is required"

    def learn_reject(self, option: Option) -> None:
        """Gives an option up; without authentication a server that requires it cannot go on."""
        if option.type == LcpOption.AUTHENTICATION and self._candidates:
            self.auth_failure = "peer refuses to authenticate"
            return
        self._given_up.add(option.type)

    def _fire(self, event: Event, now: float) -> None:
        super()._fire(event, now)
        if self.auth_failure and event is Event.RCN:
            self.end_reason = self.auth_failure
            self._listener(Signal.DIVERGED, now)
        elif self._loops >= MAX_LOOPS:
            self._loops = 0
            self.end_reason = "line is looped back"
            self._listener(Signal.DIVERGED, now)

    # Packets beyond the automaton.

    def reject_protocol(self, protocol: int, payload: bytes, now: float) -> None:
        """Sends a Protocol-Reject if LCP is Opened (RFC 1661 §5.7)."""
        if not self.opened:
            return
        self._identifier = (self._identifier + 1) & 0xFF
        data = protocol.to_bytes(2, "big") + payload[:512]  # truncated; always below any peer's MRU
        fields = {"protocol": protocol_name(protocol)}
        self._send(ControlPacket(Code.PROTOCOL_REJECT, self._identifier, data), now, fields)

    def send_echo(self, now: float) -> bool:
        """Sends an Echo-Request if LCP is Opened; tells whether it did."""
        if not self.opened:
            return False
        self._identifier = (self._identifier + 1) & 0xFF
        while len(self._echoes) >= MAX_ECHOES:
            del self._echoes[next(iter(self._echoes))]
        self._echoes[self._identifier] = now
        self._send(ControlPacket(Code.ECHO_REQUEST, self._identifier, self._own_magic), now)
        return True

    def send_identification(self, message: str, now: float) -> None:
        """Sends an Identification as Windows does after LCP opened (RFC 1570 §2.1)."""
        self._identifier = (self._identifier + 1) & 0xFF
        data = self._own_magic + message.encode()
        self._send(ControlPacket(Code.IDENTIFICATION, self._identifier, data), now, {"message": message})

    @property
    def _own_magic(self) -> bytes:
        agreed = any(option.type == LcpOption.MAGIC for option in self.acknowledged)
        return self._magic if agreed else bytes(4)

    def _protocol_reject(self, packet: ControlPacket, now: float) -> None:
        if len(packet.data) < 2:
            self._drop(packet, now, "malformed")
            return
        if not self.opened:  # §5.7: "received in any state other than the LCP Opened state" is discarded
            self._drop(packet, now, "unexpected")
            return
        rejected = int.from_bytes(packet.data[:2], "big")
        self._take(packet, now, {"protocol": protocol_name(rejected)})
        if rejected == self.protocol:
            self._fire(Event.RXJ_MINUS, now)
        else:
            self._hooks.protocol_rejected(rejected, now)

    def _take_echo_request(self, packet: ControlPacket, now: float) -> None:
        if not self.opened:
            self._drop(packet, now, "unexpected")
            return
        if len(packet.data) < 4:
            self._drop(packet, now, "malformed")
            return
        self._take(packet, now)
        self._echo_request = packet
        self._fire(Event.RXR, now)

    def _send_echo_reply(self, now: float) -> None:
        if self._event is not Event.RXR:
            raise ValueError(f"{Action.SER} outside {Event.RXR}")
        packet = self._echo_request
        self._send(ControlPacket(Code.ECHO_REPLY, packet.identifier, self._own_magic + packet.data[4:]), now)

    def _take_echo_reply(self, packet: ControlPacket, now: float) -> None:
        sent_at = self._echoes.pop(packet.identifier, None)
        if sent_at is None or not self.opened:
            self._drop(packet, now, "unexpected")
            return
        self._take(packet, now, {"rtt": now - sent_at})
        self._outlet.round_trip.sample(now - sent_at)
        self._hooks.echo_replied(now - sent_at, now)

    def _take_notice(self, packet: ControlPacket, now: float) -> None:
        if len(packet.data) < 4:
            self._drop(packet, now, "malformed")
            return
        fields: dict[str, object] = {}
        if packet.code == Code.IDENTIFICATION:
            fields["message"] = text_of(packet.data[4:])
        elif packet.code == Code.TIME_REMAINING and len(packet.data) >= 8:
            fields["seconds"] = int.from_bytes(packet.data[4:8], "big")
            fields["message"] = text_of(packet.data[8:])
        self._take(packet, now, fields)
