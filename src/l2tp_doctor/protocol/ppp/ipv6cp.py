"""IPV6CP: the interface identifier, the same for both roles (RFC 5072)."""

from __future__ import annotations

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.control_protocol import ControlProtocol, Listener, NegotiationLimits
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.options import IPV6CP_OPTIONS, Ipv6cpOption, Option
from l2tp_doctor.protocol.ppp.outlet import Outlet


def _interface_identifier(outlet: Outlet) -> bytes:
    # "the 'u' bit ... MUST be set to zero" for a random identifier (RFC 5072 §4.1); never all zero.
    drawn = bytearray(outlet.random(8))
    drawn[0] &= 0xFD
    drawn[7] |= 1
    return bytes(drawn)


class Ipv6cp(ControlProtocol):
    """Agrees on two different interface identifiers."""

    protocol = PppProtocol.IPV6CP
    table = IPV6CP_OPTIONS

    def __init__(
        self, outlet: Outlet, policy: RetransmissionPolicy, listener: Listener, limits: NegotiationLimits
    ) -> None:
        super().__init__(outlet, policy, listener, limits)
        self.local_identifier = _interface_identifier(outlet)
        self._given_up = False

    @property
    def peer_identifier(self) -> bytes | None:
        """The peer's identifier, if it told one."""
        for option in self.peer_options:
            if option.type == Ipv6cpOption.INTERFACE_IDENTIFIER:
                return option.data
        return None

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns our identifier."""
        if self._given_up:
            return ()
        return (Option(Ipv6cpOption.INTERFACE_IDENTIFIER, self.local_identifier),)

    def judge(self, option: Option) -> Option | None:
        """Accepts an identifier that is neither zero nor ours; no header compression."""
        if option.type != Ipv6cpOption.INTERFACE_IDENTIFIER:
            return None
        if option.data in (bytes(8), self.local_identifier):
            other = _interface_identifier(self._outlet)
            if other == self.local_identifier:
                other = bytes([other[0] ^ 1]) + other[1:]
            return Option(Ipv6cpOption.INTERFACE_IDENTIFIER, other)
        return option

    def learn_nak(self, option: Option) -> None:
        """Takes the identifier the peer suggests."""
        if option.type == Ipv6cpOption.INTERFACE_IDENTIFIER and option.data != bytes(8):
            self.local_identifier = option.data

    def learn_reject(self, option: Option) -> None:
        """Goes on without an identifier of our own."""
        if option.type == Ipv6cpOption.INTERFACE_IDENTIFIER:
            self._given_up = True
