"""IPCP for both roles: addresses and name servers (RFC 1332, RFC 1877)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.automaton import Event
from l2tp_doctor.protocol.ppp.control_protocol import (
    ControlProtocol,
    Listener,
    NegotiationLimits,
    Signal,
)
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.options import IPCP_OPTIONS, IpcpOption, Option
from l2tp_doctor.protocol.ppp.outlet import Outlet

UNSPECIFIED = IPv4Address(0)

WINDOWS_REQUEST: tuple[IpcpOption, ...] = (
    IpcpOption.IP_ADDRESS,
    IpcpOption.PRIMARY_DNS,
    IpcpOption.PRIMARY_NBNS,
    IpcpOption.SECONDARY_DNS,
    IpcpOption.SECONDARY_NBNS,
)
"""What Windows asks for, all as 0.0.0.0: "the peer that receives ... will provide" (RFC 1332 §3.3)."""


def _address_option(kind: int, address: IPv4Address) -> Option:
    return Option(kind, address.packed)


class IpcpClient(ControlProtocol):
    """Asks for an address and name servers."""

    protocol = PppProtocol.IPCP
    table = IPCP_OPTIONS

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        listener: Listener,
        limits: NegotiationLimits,
        requested: Sequence[IpcpOption] = WINDOWS_REQUEST,
    ) -> None:
        super().__init__(outlet, policy, listener, limits)
        self.address_refused = False
        """The gateway rejected our IP-Address option: it has no address for us."""
        self._values: dict[int, IPv4Address] = dict.fromkeys(requested, UNSPECIFIED)

    @property
    def local_address(self) -> IPv4Address:
        """The address assigned to us; 0.0.0.0 while there is none."""
        return self._values.get(IpcpOption.IP_ADDRESS, UNSPECIFIED)

    @property
    def peer_address(self) -> IPv4Address | None:
        """The gateway's own address inside the tunnel, if it told one."""
        return _address_of(self.peer_options)

    @property
    def dns(self) -> tuple[IPv4Address, ...]:
        """The name servers assigned."""
        values = (self._values.get(kind) for kind in (IpcpOption.PRIMARY_DNS, IpcpOption.SECONDARY_DNS))
        return tuple(value for value in values if value is not None and value != UNSPECIFIED)

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns the request with the values learned so far."""
        return tuple(_address_option(kind, value) for kind, value in self._values.items())

    def judge(self, option: Option) -> Option | None:
        """Accepts the gateway's own address; header compression and anything else is rejected."""
        if option.type == IpcpOption.IP_ADDRESS and option.data != UNSPECIFIED.packed:
            return option
        return None

    def learn_nak(self, option: Option) -> None:
        """Takes an assigned value."""
        if option.type in self._values and len(option.data) == 4:
            self._values[option.type] = IPv4Address(option.data)

    def learn_reject(self, option: Option) -> None:
        """Gives a request up; without an address IPCP is of no use."""
        if option.type == IpcpOption.IP_ADDRESS:
            self.address_refused = True
        else:
            self._values.pop(option.type, None)

    def _fire(self, event: Event, now: float) -> None:
        super()._fire(event, now)
        if self.address_refused and event is Event.RCN:
            self._listener(Signal.DIVERGED, now)


class IpcpServer(ControlProtocol):
    """Assigns an address and name servers.

    Args:
        own: the gateway's address inside the tunnel.
        assigned: the client's address, ``None`` when the pool is exhausted: then the client's IP-Address
            option is rejected.
        dns, nbns: at most two each are handed out.
    """

    protocol = PppProtocol.IPCP
    table = IPCP_OPTIONS

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        listener: Listener,
        limits: NegotiationLimits,
        *,
        own: IPv4Address,
        assigned: IPv4Address | None,
        dns: Sequence[IPv4Address] = (),
        nbns: Sequence[IPv4Address] = (),
    ) -> None:
        super().__init__(outlet, policy, listener, limits)
        self._own: IPv4Address | None = own
        self._offers: dict[int, IPv4Address] = {}
        if assigned is not None:
            self._offers[IpcpOption.IP_ADDRESS] = assigned
        self._offers |= dict(zip((IpcpOption.PRIMARY_DNS, IpcpOption.SECONDARY_DNS), dns, strict=False))
        self._offers |= dict(zip((IpcpOption.PRIMARY_NBNS, IpcpOption.SECONDARY_NBNS), nbns, strict=False))

    @property
    def local_address(self) -> IPv4Address:
        """The gateway's own address."""
        return self._own or UNSPECIFIED

    @property
    def peer_address(self) -> IPv4Address | None:
        """The client's address once agreed on."""
        return _address_of(self.peer_options)

    @property
    def dns(self) -> tuple[IPv4Address, ...]:
        """A gateway is assigned no name servers."""
        return ()

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns our own address."""
        return (_address_option(IpcpOption.IP_ADDRESS, self._own),) if self._own else ()

    def judge(self, option: Option) -> Option | None:
        """Naks with what we offer; rejects what we have nothing for."""
        offer = self._offers.get(option.type)
        return None if offer is None else _address_option(option.type, offer)

    def missing_options(self, options: Sequence[Option]) -> tuple[Option, ...]:
        """A client that asks for no address is offered one, unless the pool is exhausted."""
        asked = any(option.type == IpcpOption.IP_ADDRESS for option in options)
        offer = self._offers.get(IpcpOption.IP_ADDRESS)
        if asked or offer is None:
            return ()
        return (_address_option(IpcpOption.IP_ADDRESS, offer),)

    def learn_reject(self, option: Option) -> None:
        """The client does not want to know our address."""
        if option.type == IpcpOption.IP_ADDRESS:
            self._own = None


def _address_of(options: Sequence[Option]) -> IPv4Address | None:
    for option in options:
        if option.type == IpcpOption.IP_ADDRESS:
            return IPv4Address(option.data)
    return None
