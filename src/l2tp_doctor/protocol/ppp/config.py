"""The arguments of a PPP link: what a client or a gateway is set to."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.auth_common import (
    USABLE,
    Authenticator,
    AuthProtocol,
    Credentials,
    ForcedFailure,
    ServerAuth,
)
from l2tp_doctor.protocol.ppp.control_protocol import NegotiationLimits
from l2tp_doctor.protocol.ppp.eap import DEFAULT_METHODS
from l2tp_doctor.protocol.ppp.lcp import GATEWAY_LCP, WINDOWS_LCP, LcpProfile
from l2tp_doctor.protocol.ppp.options import Option
from l2tp_doctor.protocol.secret import Secret

AddressSource = IPv4Address | Callable[[], IPv4Address | None] | None
"""The client's address: fixed, from a pool, or ``None`` for a pool that is exhausted."""


DEFAULT_GATEWAY_ADDRESS = IPv4Address("192.0.2.1")
"""Documentation range (RFC 5737): nobody's real address."""


# Gateways work PPP requests off one by one, and a repeated one is worked off again: SoftEther asks its
# DHCP server anew for each IPCP request.  So the restart timer is patient even on a fast path.
PPP_RETRANSMISSION = RetransmissionPolicy(initial=1.0, minimum=1.0, backoff=1.3, maximum=2.0, give_up=11.0)
"""Seven transmissions in eleven seconds: at 20 % loss each way all of them are lost once in a thousand."""


class Role(enum.Enum):
    """Which side of the link we are."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What only the server role needs, with the fault switches of a practice gateway."""

    authenticator: Authenticator
    name: str = "gateway"
    local_address: IPv4Address = DEFAULT_GATEWAY_ADDRESS
    address: AddressSource = None
    dns: tuple[IPv4Address, ...] = ()
    nbns: tuple[IPv4Address, ...] = ()
    forced_failure: ForcedFailure | None = None
    """Refuse everybody with this code and these words."""
    pool_exhausted: Literal["reject-address", "reject-protocol"] = "reject-address"
    """How a gateway without a free address behaves in IPCP."""
    refuse_ipcp: bool = False
    """Answer IPCP with Protocol-Reject, as a gateway without IPv4 does."""
    require_mppe: bool = False
    """Demand MPPE and end the link when it is refused."""
    accept_callback: bool = False

    def take_address(self) -> IPv4Address | None:
        """Returns an address for a client, or ``None`` when there is none."""
        return self.address() if callable(self.address) else self.address

    @property
    def auth(self) -> ServerAuth:
        """What the authentication exchanges need of this."""
        return ServerAuth(self.authenticator, self.name, self.forced_failure)


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Everything a :class:`~l2tp_doctor.protocol.ppp.link.PppLink` is told.

    Attributes:
        auth: client: protocols it allows, best first; server: those it requires, best first (empty: none).
        username, password, domain: the client's credentials; without name or password a demand for
            authentication ends in CredentialsMissing.
        eap_methods: EAP types, best first.
        identification: texts sent as LCP Identification once LCP is open (client).
        ccp_request: options of a CCP opened by us; ``None`` leaves CCP to the peer.
        rtt: round-trip time in seconds already measured by the layers below.
        lossy: they have seen that the path loses packets.

    Raises:
        ValueError: a server without ``gateway``, or MS-CHAPv1 among ``auth``.
    """

    role: Role = Role.CLIENT
    lcp: LcpProfile = WINDOWS_LCP
    auth: tuple[AuthProtocol, ...] = (
        AuthProtocol.MSCHAPV2,
        AuthProtocol.EAP,
        AuthProtocol.CHAP,
        AuthProtocol.PAP,
    )
    username: str | None = None
    password: Secret | None = None
    domain: str | None = None
    eap_methods: tuple[int, ...] = DEFAULT_METHODS
    identification: tuple[str, ...] = ("MSRASV5.20",)
    ipv6: bool = True
    ccp_request: tuple[Option, ...] | None = None
    gateway: GatewayConfig | None = None
    retransmission: RetransmissionPolicy = PPP_RETRANSMISSION
    limits: NegotiationLimits = field(default_factory=NegotiationLimits)
    rtt: float | None = None
    lossy: bool = False

    def __post_init__(self) -> None:
        if self.role is Role.SERVER and self.gateway is None:
            raise ValueError("a server needs a GatewayConfig")
        if not USABLE.issuperset(self.auth):
            raise ValueError("MS-CHAPv1 is only ever refused")

    @property
    def credentials(self) -> Credentials | None:
        """The client's credentials, or ``None`` when name or password is missing."""
        if self.username is None or self.password is None:
            return None
        return Credentials(self.username, self.password, self.domain)


def gateway_config(
    gateway: GatewayConfig,
    auth: tuple[AuthProtocol, ...] = (AuthProtocol.MSCHAPV2,),
    *,
    ipv6: bool = False,
    eap_methods: tuple[int, ...] = DEFAULT_METHODS,
) -> LinkConfig:
    """Returns the configuration of an ordinary gateway."""
    return LinkConfig(
        role=Role.SERVER,
        lcp=GATEWAY_LCP,
        auth=auth,
        gateway=gateway,
        ipv6=ipv6,
        eap_methods=eap_methods,
        identification=(),
    )
