"""How one tunnel behaves: the role, the values of its AVPs, timing, limits and fault switches."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.secret import Secret


class Role(enum.Enum):
    """Which end of the tunnel this is."""

    LAC = "lac"
    """The dialling client: sends SCCRQ, ICRQ and ICCN."""
    LNS = "lns"
    """The gateway that answers."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The content of a Result Code AVP (RFC 2661 §4.4.2)."""

    result_code: int
    error_code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class LnsFaults:
    """Faults an LNS shows on purpose, for practice and tests."""

    silent: bool = False
    """Ignores everything: what a gateway without an L2TP service looks like inside IPsec."""
    acknowledge_only: bool = False
    """Acknowledges SCCRQ with a ZLB and never sends SCCRP."""
    acknowledge_call_only: bool = False
    """Acknowledges ICRQ with a ZLB and never sends ICRP."""
    refuse_tunnel: Refusal | None = None
    """Answers SCCRQ with this StopCCN."""
    refuse_call: Refusal | None = None
    """Answers ICRQ with this CDN."""
    session_limit: int = 1
    """Calls admitted in this tunnel (0 or 1); others get CDN 2, error 4 (insufficient resources)."""


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """Settings of one :class:`~l2tp_doctor.protocol.l2tp.engine.L2tpTunnel`.

    The defaults are what a Windows 10 client sends.  Source: the xl2tpd debug log of a
    Windows 10 laptop in https://github.com/xelerance/xl2tpd/issues/219 (2020-12): SCCRQ
    of 108 bytes, protocol version 1.0, framing "sync", no bearer, firmware 0x0a00 (the
    Windows version; a Server 2008 R2 shows 0x0601 in xl2tpd issue 227), vendor
    "Microsoft", receive window 8, no Challenge.  Header 12 + the nine AVPs with that
    log's 15-character host name are 108 bytes, so nothing else is in the message.
    The receive window of 8 is also in Microsoft's own registry reference for the
    WAN Miniport (L2TP).  The M bits follow RFC 2661 §4.4 (what Windows sets: UNSOURCED).
    """

    role: Role
    host_name: str
    """The computer's name: Windows sends its NetBIOS name here."""
    vendor_name: str = "Microsoft"
    firmware_revision: int = 0x0A00
    framing_capabilities: int = 1
    """Bit 0 synchronous, bit 1 asynchronous framing."""
    bearer_capabilities: int | None = 0
    """Bit 0 digital, bit 1 analog; ``None`` leaves the AVP out."""
    receive_window: int = 8
    tunnel_secret: Secret | None = None
    """Shared secret of tunnel authentication and AVP hiding; Windows has none by default."""
    tunnel_id: int | None = None
    """Our tunnel ID, 1…65535; ``None`` draws one.  Windows counts from 1, but gateways take an SCCRQ
    with a known ID from a known address for a repetition, so a drawn one is safer."""
    connect_speed: int = 100_000_000
    """(Tx) Connect Speed in ICCN, bit/s (UNSOURCED for Windows; gateways only display it)."""
    framing_type: int = 1
    bearer_type: int = 0
    """Bearer Type in ICRQ (UNSOURCED for Windows; 0 agrees with the bearer capabilities above)."""
    correlation_id: bool = True
    """Sends the Microsoft Correlation ID in ICRQ, as Windows does since Vista SP1 (MS-L2TPIE §2.2.1.1)."""
    data_length_bit: bool = True
    """Length field in data messages (UNSOURCED for Windows; every receiver has to take both)."""
    retransmission: RetransmissionPolicy = field(default_factory=RetransmissionPolicy)
    acknowledgement_delay: float = 0.02
    """Seconds to wait for a message that can carry the acknowledgement; far below any peer's
    retransmission timer, long enough for SCCCN and ICRQ to arrive one behind the other."""
    close_wait: float = 1.0
    """Seconds to wait for the acknowledgement of our StopCCN.  RFC 2661 §5.7 wants a full
    retransmission cycle; a diagnosis does not keep the user waiting that long."""
    hello_interval: float | None = None
    """Seconds of silence from the peer after which a Hello is sent; ``None`` sends none."""
    maximum_queued_frames: int = 64
    """PPP frames held while ICCN waits for room in the window; stops unbounded memory growth."""
    maximum_queued_messages: int = 32
    """Own control messages waiting for the window; a peer that provokes answers and never
    acknowledges them must not make this list grow."""
    faults: LnsFaults = field(default_factory=LnsFaults)

    def __post_init__(self) -> None:
        if not self.host_name:
            raise ValueError("host_name must not be empty: the Host Name AVP needs at least one byte")
        if self.tunnel_id is not None and not 1 <= self.tunnel_id <= 0xFFFF:
            raise ValueError("tunnel_id must be 1…65535")
        if not 1 <= self.receive_window <= 0x7FFF:
            raise ValueError("receive_window must be 1…32767")
