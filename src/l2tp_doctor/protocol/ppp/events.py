"""What a PPP link tells its owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

PhaseName = Literal["establish", "authenticate", "network"]


@dataclass(frozen=True, slots=True)
class LcpOpened:
    """LCP reached Opened."""

    options: Mapping[str, object]
    """Our options as the peer acknowledged them."""
    peer_options: Mapping[str, object]
    """The peer's options as we acknowledged them."""


@dataclass(frozen=True, slots=True)
class AuthRequired:
    """The peer asks us to authenticate.

    ``protocol`` is the one agreed on, or ``None`` when LCP ended without an agreement; ``refused``
    are the ones it asked for and we do not allow, in its order.
    """

    protocol: str | None
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthSucceeded:
    """Authentication is over and was successful.

    ``server_authentic`` is ``None`` where the protocol proves nothing about the server, and ``False``
    when the MS-CHAPv2 authenticator response is wrong; then the link is closed (RFC 2759 §5).
    """

    protocol: str
    message: str
    server_authentic: bool | None


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """The peer (or, on a server, we) refused the credentials.

    ``error_code`` is the E= field of RFC 2759 §6 (691, 647, …) where the protocol has one.
    """

    protocol: str
    error_code: int | None
    message: str
    retry: bool


@dataclass(frozen=True, slots=True)
class CredentialsMissing:
    """The peer requires authentication and we were given no user name or password."""

    protocol: str


@dataclass(frozen=True, slots=True)
class IpcpOpened:
    """IPCP reached Opened; ``local_address`` is ours."""

    local_address: IPv4Address
    peer_address: IPv4Address | None
    dns: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class IpcpFailed:
    """IPCP cannot open any more."""

    reason: Literal["protocol-rejected", "address-refused", "no-answer"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ipv6cpOpened:
    """IPV6CP reached Opened; both interface identifiers, eight octets each."""

    local_identifier: bytes
    peer_identifier: bytes | None


@dataclass(frozen=True, slots=True)
class CcpRefused:
    """The peer asked for compression or MPPE and we refused it."""

    demanded: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EchoReplied:
    """An LCP Echo-Reply to our request arrived after ``rtt`` seconds."""

    rtt: float


@dataclass(frozen=True, slots=True)
class IpPacket:
    """An IPv4 or IPv6 packet from the peer."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class LinkTerminated:
    """The link is over.  ``phase`` is where it was when it ended, ``reason`` the terminating side's words."""

    by_peer: bool
    phase: PhaseName
    reason: str


@dataclass(frozen=True, slots=True)
class LinkSilent:
    """The peer did not answer in time.  ``step`` names what was waited for (``lcp-configure``, …)."""

    phase: PhaseName
    step: str


LinkEvent = (
    LcpOpened
    | AuthRequired
    | AuthSucceeded
    | AuthFailed
    | CredentialsMissing
    | IpcpOpened
    | IpcpFailed
    | Ipv6cpOpened
    | CcpRefused
    | EchoReplied
    | IpPacket
    | LinkTerminated
    | LinkSilent
)
