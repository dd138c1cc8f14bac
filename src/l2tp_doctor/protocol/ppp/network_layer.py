"""The network phase of a link: IPCP, IPV6CP and CCP side by side."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Literal

from l2tp_doctor.protocol.ppp import events
from l2tp_doctor.protocol.ppp.automaton import State
from l2tp_doctor.protocol.ppp.ccp import MPPE_128, Ccp
from l2tp_doctor.protocol.ppp.config import LinkConfig, Role
from l2tp_doctor.protocol.ppp.control_protocol import ControlProtocol, Signal
from l2tp_doctor.protocol.ppp.frame import Frame, PppProtocol
from l2tp_doctor.protocol.ppp.ipcp import UNSPECIFIED, IpcpClient, IpcpServer
from l2tp_doctor.protocol.ppp.ipv6cp import Ipv6cp
from l2tp_doctor.protocol.ppp.outlet import Outlet

Report = Callable[[events.LinkEvent], None]
CloseLink = Callable[[float, str], None]
IpcpReason = Literal["protocol-rejected", "address-refused", "no-answer"]


class NetworkLayer:
    """All network control protocols of a link that is authenticated.

    A client opens IPCP at once, and IPV6CP only when the peer asks for it: SoftEther works requests
    off one by one and looks for an IPv6 router for four seconds, during which IPCP would wait.
    """

    def __init__(self, config: LinkConfig, outlet: Outlet, report: Report, close_link: CloseLink) -> None:
        self._config = config
        self._outlet = outlet
        self._report = report
        self._close_link = close_link
        self._ipcp_failed = False
        self._reported_demand: tuple[object, ...] = ()
        self._ipcp = self._make_ipcp()
        self._ipv6cp = self._make_ipv6cp()
        self._ccp: Ccp | None = None
        self._protocols: dict[int, ControlProtocol] = {}
        if self._ipcp is not None:
            self._protocols[PppProtocol.IPCP] = self._ipcp
        if self._ipv6cp is not None:
            self._protocols[PppProtocol.IPV6CP] = self._ipv6cp

    def start(self, now: float) -> None:
        """Starts what this side opens by itself."""
        waits_to_be_asked = self._ipv6cp if self._config.role is Role.CLIENT else None
        for protocol in tuple(self._protocols.values()):
            if protocol is not waits_to_be_asked:
                protocol.open(now)
                protocol.up(now)
        gateway = self._config.gateway
        demands_mppe = gateway is not None and gateway.require_mppe
        if demands_mppe or self._config.ccp_request is not None:
            self._open_ccp(now)

    def down(self, now: float) -> None:
        """The link below is gone or starts over."""
        for protocol in tuple(self._protocols.values()):
            protocol.down(now)

    def receive(self, frame: Frame, now: float) -> bool:
        """Takes a control packet; returns ``False`` for a protocol that is not spoken here."""
        if frame.protocol == PppProtocol.CCP and self._ccp is None and self._config.role is Role.CLIENT:
            self._open_ccp(now)  # it exists from the moment the peer asks for it, to be refused politely
        protocol = self._protocols.get(frame.protocol)
        if protocol is None:
            return False
        if frame.protocol == PppProtocol.IPV6CP and protocol.state is State.INITIAL:
            protocol.open(now)
            protocol.up(now)
        protocol.receive(frame.payload, now)
        if protocol is self._ccp:
            self._after_ccp(now)
        return True

    def carries(self, protocol: int) -> bool:
        """Tells whether packets of a network protocol may pass."""
        control = self._ipcp if protocol == PppProtocol.IPV4 else self._ipv6cp
        return control is not None and control.opened

    def repeat_acknowledgements(self, now: float) -> None:
        """Says again what the peer may not have heard of our agreement."""
        if self._ipcp is not None:
            self._ipcp.repeat_acknowledgement(now)

    def hurry(self, protocol: int, now: float) -> None:
        """The peer already sends packets of a network protocol that is not open here."""
        control = self._ipcp if protocol == PppProtocol.IPV4 else self._ipv6cp
        if control is not None:
            control.hurry(now)

    def protocol_rejected(self, protocol: int, now: float) -> bool:
        """Takes a Protocol-Reject; returns whether it was about one of these protocols."""
        control = self._protocols.get(protocol)
        if control is None:
            return False
        if protocol == PppProtocol.IPCP:
            self._fail_ipcp("protocol-rejected")
        control.protocol_rejected(now)
        gateway = self._config.gateway
        if protocol == PppProtocol.CCP and gateway is not None and gateway.require_mppe:
            self._close_link(now, "MPPE required but not available")
        return True

    def get_timer(self) -> float | None:
        """Returns the earliest timer."""
        timers = (protocol.get_timer() for protocol in self._protocols.values())
        return min((due for due in timers if due is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Hands the time to everybody."""
        for protocol in tuple(self._protocols.values()):
            protocol.handle_timer(now)

    # IPCP.

    def _make_ipcp(self) -> IpcpClient | IpcpServer | None:
        outlet, policy, limits = self._outlet, self._config.retransmission, self._config.limits
        gateway = self._config.gateway
        if gateway is None:
            return IpcpClient(outlet, policy, self._on_ipcp, limits)
        assigned = gateway.take_address()
        if gateway.refuse_ipcp or (assigned is None and gateway.pool_exhausted == "reject-protocol"):
            return None
        return IpcpServer(
            outlet,
            policy,
            self._on_ipcp,
            limits,
            own=gateway.local_address,
            assigned=assigned,
            dns=gateway.dns,
            nbns=gateway.nbns,
        )

    def _on_ipcp(self, signal: Signal, now: float) -> None:
        ipcp = self._ipcp
        if ipcp is None:
            return
        if signal is Signal.UP:
            self._ipcp_up(ipcp, now)
        elif signal is Signal.SILENT:
            self._fail_ipcp("no-answer")
        elif signal is Signal.PEER_TERMINATED:
            self._fail_ipcp("address-refused", ipcp.end_reason or "IPCP terminated by the peer")
            ipcp.close(now)
        elif signal is Signal.DIVERGED:
            self._fail_ipcp("address-refused", ipcp.end_reason)
            ipcp.close(now)

    def _ipcp_up(self, ipcp: IpcpClient | IpcpServer, now: float) -> None:
        local: IPv4Address = ipcp.local_address
        if isinstance(ipcp, IpcpClient) and (local == UNSPECIFIED or ipcp.address_refused):
            self._fail_ipcp("address-refused", "the peer acknowledged 0.0.0.0")
            ipcp.close(now)
            return
        self._report(events.IpcpOpened(local, ipcp.peer_address, ipcp.dns))

    def _fail_ipcp(self, reason: IpcpReason, detail: str = "") -> None:
        if not self._ipcp_failed:
            self._ipcp_failed = True
            self._report(events.IpcpFailed(reason, detail))

    # IPV6CP and CCP.

    def _make_ipv6cp(self) -> Ipv6cp | None:
        if not self._config.ipv6:
            return None
        config = self._config
        return Ipv6cp(self._outlet, config.retransmission, self._on_ipv6cp, config.limits)

    def _on_ipv6cp(self, signal: Signal, now: float) -> None:
        ipv6cp = self._ipv6cp
        if ipv6cp is None:
            return
        if signal is Signal.UP:
            self._report(events.Ipv6cpOpened(ipv6cp.local_identifier, ipv6cp.peer_identifier))
        elif signal in (Signal.PEER_TERMINATED, Signal.DIVERGED):
            ipv6cp.close(now)

    def _open_ccp(self, now: float) -> None:
        config = self._config
        gateway = config.gateway
        demanded = gateway is not None and gateway.require_mppe
        request = MPPE_128 if demanded else (config.ccp_request or ())
        self._ccp = Ccp(self._outlet, config.retransmission, self._on_ccp, config.limits, request)
        self._protocols[PppProtocol.CCP] = self._ccp
        self._ccp.open(now)
        self._ccp.up(now)

    def _on_ccp(self, signal: Signal, now: float) -> None:
        ccp = self._ccp
        if ccp is None:
            return
        agreed = bool(ccp.acknowledged)
        if (signal is Signal.UP and agreed) or signal in (Signal.PEER_TERMINATED, Signal.DIVERGED):
            ccp.close(now, "compression is not wanted")

    def _after_ccp(self, now: float) -> None:
        ccp = self._ccp
        if ccp is None:
            return
        if ccp.demanded and ccp.demanded != self._reported_demand:
            self._reported_demand = ccp.demanded
            self._report(events.CcpRefused(ccp.demanded_fields))
        gateway = self._config.gateway
        if gateway is not None and gateway.require_mppe and ccp.our_request_refused:
            self._close_link(now, "MPPE required but refused")
