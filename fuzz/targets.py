"""What is fuzzed, and the one rule: a decoder returns a value or raises its documented error, nothing else.

Each target takes any bytes.  Where a checksum or a header would turn nearly everything away
before it reaches the interesting part, the target repairs it first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from l2tp_doctor.protocol import ip, nat_t
from l2tp_doctor.protocol.esp import EspError, EspInbound, EspSa, EspSuite
from l2tp_doctor.protocol.isakmp.describe import describe_message, describe_payloads
from l2tp_doctor.protocol.isakmp.fragmentation import Reassembler, ReassemblyLimits
from l2tp_doctor.protocol.isakmp.ikev2 import decode_sa_init, encode_sa_init
from l2tp_doctor.protocol.isakmp.message import Header, decode_message, decode_payloads, encode_payloads
from l2tp_doctor.protocol.isakmp.payloads import Fragment
from l2tp_doctor.protocol.isakmp.vendor_ids import name_of_vendor_id
from l2tp_doctor.protocol.l2tp.message import ControlFrame, decode_control
from l2tp_doctor.protocol.l2tp.message import decode_message as decode_l2tp
from l2tp_doctor.protocol.ppp.control_packet import decode_control_packet
from l2tp_doctor.protocol.ppp.frame import decode_frame
from l2tp_doctor.protocol.ppp.options import IPCP_OPTIONS, LCP_OPTIONS, decode_options, describe
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError
from tests.protocol.isakmp.windows import main_mode_1

SPI = 0x11223344


@dataclass(frozen=True, slots=True)
class Target:
    """A function to feed, the errors it documents, and inputs to begin with."""

    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...] = (WireError,)
    seeds: Sequence[bytes] = ()

    def __call__(self, data: bytes) -> None:
        """Feeds ``data``; raises what is a bug."""
        try:
            self.run(data)
        except self.errors:
            return


def isakmp_message(data: bytes) -> None:
    message = decode_message(data)
    describe_message(message)
    describe_payloads(message.payloads)


def isakmp_chain(data: bytes) -> None:
    """The first byte says the first payload's type; what can be read must survive a round trip."""
    if not data:
        return
    payloads = decode_payloads(data[0], data[1:], padding_allowed=True)
    first, chain = encode_payloads(payloads)
    if decode_payloads(first, chain) != payloads:
        raise AssertionError("payloads changed in a round trip")


def isakmp_fragments(data: bytes) -> None:
    """Three bytes of head for each fragment: ID and flags, number, length."""
    reassembler = Reassembler(ReassemblyLimits(messages=2, total_bytes=512))
    header = Header(b"initiato", b"responde", 2, 0, 0)
    position, now = 0, 0.0
    while position + 3 <= len(data):
        control, number, size = data[position : position + 3]
        content = data[position + 3 : position + 3 + size]
        reassembler.add(header, Fragment(control & 3, number, bool(control & 4), content), now)
        position, now = position + 3 + size, now + (control >> 3)


def icmp_error(data: bytes) -> None:
    blank = data[:2] + bytes(2) + data[4:]
    checksum = ip.internet_checksum(blank).to_bytes(2, "big")
    ip.parse_icmp_error(data[:2] + checksum + data[4:])


def ipv4(data: bytes) -> None:
    size = (data[0] & 0x0F) * 4 if data else 0
    blank = data[:10] + bytes(2) + data[12:]
    checksum = ip.internet_checksum(blank[:size]).to_bytes(2, "big")
    packet = ip.parse_ipv4(data[:10] + checksum + data[12:])
    ip.parse_udp(packet.payload)


def l2tp(data: bytes) -> None:
    frame = decode_l2tp(data)
    if isinstance(frame, ControlFrame) and not frame.is_zlb:
        decode_control(frame)
        decode_control(frame, Secret(b"secret"))


def ppp(data: bytes) -> None:
    packet = decode_control_packet(decode_frame(data).payload)
    options = decode_options(packet.data)
    for table in (LCP_OPTIONS, IPCP_OPTIONS):
        describe(options, table)


def nat_t_port(data: bytes) -> None:
    nat_t.classify_4500(data)
    nat_t.unwrap_isakmp(data)


def esp(data: bytes) -> None:
    """Without integrity, so that garbage reaches decryption and the trailer."""
    inbound = EspInbound(EspSa(SPI, EspSuite(12, 128, None), bytes(16), b""))
    inbound.open(SPI.to_bytes(4, "big") + data)


_SA_INIT_REQUEST = encode_sa_init(b"initiato", 14, bytes(8), bytes(16))
_LCP_REQUEST = bytes.fromhex("ff03c0210100000e010405780506deadbeef")
_SCCRQ = bytes.fromhex("c802001c 00000000 00000000 80080000 00000001 80080000 00020100".replace(" ", ""))

TARGETS: dict[str, Target] = {
    "isakmp-message": Target(isakmp_message, seeds=(main_mode_1(),)),
    "isakmp-chain": Target(isakmp_chain, seeds=(b"\x01" + main_mode_1()[28:],)),
    "isakmp-fragments": Target(isakmp_fragments, errors=(), seeds=(b"\x01\x01\x02ab\x05\x02\x01c",)),
    "ikev2-sa-init": Target(decode_sa_init, seeds=(_SA_INIT_REQUEST[:19] + b"\x20" + _SA_INIT_REQUEST[20:],)),
    "vendor-id": Target(name_of_vendor_id, errors=()),
    "nat-t": Target(nat_t_port, seeds=(bytes(4) + main_mode_1(), b"\xff")),
    "esp": Target(esp, errors=(EspError,), seeds=(bytes(52),)),
    "ipv4": Target(ipv4),
    "ipv6": Target(ip.parse_ipv6),
    "icmp-error": Target(icmp_error),
    "icmpv6-error": Target(ip.parse_icmpv6_error),
    "l2tp": Target(l2tp, seeds=(_SCCRQ,)),
    "ppp": Target(ppp, seeds=(_LCP_REQUEST,)),
}
