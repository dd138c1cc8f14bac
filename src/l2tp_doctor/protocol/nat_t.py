"""NAT detection and UDP encapsulation for IKEv1 (RFC 3947, RFC 3948).

Payload numbers differ between the drafts and the RFC; that is the ISAKMP codec's
business.  The hashes and the framing on UDP 4500 are the same in both.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .crypto import digest
from .wire import WireError

NON_ESP_MARKER = bytes(4)
"""Precedes ISAKMP on UDP 4500; no ESP packet starts so, because SPI 0 is never sent (RFC 3948 §2.2)."""

KEEPALIVE = b"\xff"
"""The whole UDP payload of a NAT keepalive (RFC 3948 §2.3)."""

COOKIE_SIZE = 8
_ADDRESS_SIZES = (4, 16)
_ESP_HEADER_SIZE = 8  # SPI and sequence number

DatagramKind = Literal["isakmp", "esp", "keepalive", "malformed"]


def nat_d_hash(
    hash_id: int, initiator_cookie: bytes, responder_cookie: bytes, address: bytes, port: int
) -> bytes:
    """Returns HASH(CKY-I | CKY-R | IP | Port), the content of a NAT-D payload (RFC 3947 §3.2).

    Args:
        hash_id: the IKE hash number negotiated in Main Mode.
        initiator_cookie: 8 bytes.
        responder_cookie: 8 bytes.
        address: 4 bytes for IPv4, 16 for IPv6.
        port: UDP port of that address.

    Raises:
        CryptoError: unknown hash number.
        ValueError: a cookie, address or port of impossible size (a mistake of the caller).
    """
    if len(initiator_cookie) != COOKIE_SIZE or len(responder_cookie) != COOKIE_SIZE:
        raise ValueError("an ISAKMP cookie has 8 bytes")
    if len(address) not in _ADDRESS_SIZES:
        raise ValueError(f"an address has 4 or 16 bytes, not {len(address)}")
    if not 0 <= port <= 0xFFFF:
        raise ValueError(f"{port} is no UDP port")
    return digest(hash_id, initiator_cookie + responder_cookie + address + port.to_bytes(2, "big"))


@dataclass(frozen=True, slots=True)
class NatVerdict:
    """Who sits behind an address translator, as the NAT-D payloads prove it."""

    client_behind: bool
    """The peer sees another address or port than the client uses: the client must send keepalives."""
    server_behind: bool
    """The gateway's own address or port is not the one that was dialled."""

    @property
    def detected(self) -> bool:
        """Whether UDP encapsulation is needed at all."""
        return self.client_behind or self.server_behind


def nat_verdict(
    received: Sequence[bytes],
    local_hashes: Sequence[bytes],
    remote_hash: bytes,
    *,
    local_is_client: bool = True,
) -> NatVerdict:
    """Compares the peer's NAT-D payloads with what we see ourselves.

    RFC 3947 §3.2: "The first NAT-D payload contains the remote end's IP address and port
    (i.e., the destination address of the UDP packet).  The remaining NAT-D payloads contain
    possible local-end IP addresses and ports (i.e., all possible source addresses of the
    UDP packet)."

    Args:
        received: the peer's NAT-D hashes in the order they came.
        local_hashes: :func:`nat_d_hash` of each address and port we may have sent from.
        remote_hash: :func:`nat_d_hash` of the address and port the peer's packet came from.
        local_is_client: ``False`` on the gateway's side.

    Raises:
        WireError: fewer than two payloads, from which nothing can be told.
    """
    if len(received) < 2:
        raise WireError(0, "NAT-D", f"{len(received)} payloads, at least two are required")
    local_behind = not any(hmac.compare_digest(received[0], own) for own in local_hashes)
    remote_behind = not any(hmac.compare_digest(claimed, remote_hash) for claimed in received[1:])
    if local_is_client:
        return NatVerdict(client_behind=local_behind, server_behind=remote_behind)
    return NatVerdict(client_behind=remote_behind, server_behind=local_behind)


def classify_4500(data: bytes) -> DatagramKind:
    """Tells the three uses of UDP 4500 apart (RFC 3948 §2); never raises."""
    if data == KEEPALIVE:
        return "keepalive"
    if len(data) > len(NON_ESP_MARKER) and data.startswith(NON_ESP_MARKER):
        return "isakmp"
    if len(data) > _ESP_HEADER_SIZE and not data.startswith(NON_ESP_MARKER):
        return "esp"
    return "malformed"


def wrap_isakmp(message: bytes) -> bytes:
    """Puts the non-ESP marker before an ISAKMP message for UDP 4500."""
    return NON_ESP_MARKER + message


def unwrap_isakmp(data: bytes) -> bytes:
    """Takes the non-ESP marker off.

    Raises:
        WireError: the payload is no marked ISAKMP message.
    """
    if classify_4500(data) != "isakmp":
        raise WireError(0, "non-ESP marker", "missing, or nothing behind it")
    return data[len(NON_ESP_MARKER) :]
