"""What is fuzzed, and the one rule: a decoder returns a value or raises its documented error, nothing else.

Each target takes any bytes.  Where a checksum or a header would turn nearly everything away
before it reaches the interesting part, the target repairs it first.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from l2tp_doctor.cli.check_reports import read_report
from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.diagnosis import combine, diagnose, losses
from l2tp_doctor.guide.document import build
from l2tp_doctor.knowledge import articles
from l2tp_doctor.lint import lint_text
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
from l2tp_doctor.protocol.reflect import wire as reflect
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


_TOKEN = Secret(b"a token for fuzzing")
_LANES = tuple(reflect.Lane)
_TAG = 16
_SIGNED = reflect.BLOCK_SIZE - _TAG  # bytes that the tag covers first


def _signed(data: bytes, covered: int) -> bytes:
    """Makes the tag right where there is a marker, so that what lies behind it is reached.

    Args:
        data: a message.
        covered: bytes behind the tag that it covers as well.
    """
    start = data.find(reflect.MARKER)
    if start < 0 or len(data) < start + _SIGNED + _TAG:
        return data
    behind = start + _SIGNED + _TAG
    text = data[start : start + _SIGNED] + data[behind : behind + covered]
    tag = hmac.digest(_TOKEN.reveal(), text, "sha256")[:_TAG]
    return data[: start + _SIGNED] + tag + data[behind:]


def reflect_question(data: bytes) -> None:
    """The first byte chooses the lane."""
    if data:
        reflect.open_question(_TOKEN, _LANES[data[0] % len(_LANES)], _signed(data[1:], 0))


def reflect_answer(data: bytes) -> None:
    """The first byte chooses the lane; the tag covers a report of as many tallies as it says."""
    if not data:
        return
    start = data.find(reflect.MARKER, 1)
    count = data[start + _SIGNED + _TAG + 35] if start > 0 and start + _SIGNED + _TAG + 35 < len(data) else 0
    message = _signed(data[1:], 36 + 5 * count)
    reflect.open_answer(_TOKEN, _LANES[data[0] % len(_LANES)], message)


def check_report(data: bytes) -> None:
    """What can be read must be fit for a diagnosis, and give the same one twice."""
    report = read_report(Path("report.json"), data, modified=1000.0, now=2000.0)
    combined = combine([report.log])
    losses(combined.observations)
    first = diagnose(combined.observations)
    if combine([report.log, report.log]) != combined or first != diagnose(combined.observations):
        raise AssertionError("a report changes what it says")


def article(data: bytes) -> None:
    """An author's file: whatever it is, it gives articles and problems with lines it has."""
    text = data.decode("utf-8", "replace")
    parsed = articles.parse(text, "fuzzed")
    lines = text.count("\n") + text.count("\r") + 1
    if any(not 1 <= problem.line <= lines for problem in parsed.problems):
        raise AssertionError("a problem on a line that does not exist")
    for found in parsed.articles:
        build(found)
        articles.check_links(found, {})


_LINTED = ("powershell", "cmd", "sh", "markdown", "yaml", "json", "reg")


def linted(data: bytes) -> None:
    """A script: it may be anything, and nothing of it is run."""
    lint_text(data[1:].decode("utf-8", "replace"), _LINTED[data[0] % len(_LINTED)] if data else "sh")


def _no_random(size: int) -> bytes:
    return bytes(size)


def _question(lane: reflect.Lane) -> reflect.Question:
    return reflect.Question(lane, b"session1", 1, 1_700_000_000, reflect.base_size(lane))


def _reflect_seeds(*, answers: bool) -> list[bytes]:
    found = []
    for number, lane in enumerate(_LANES):
        message = reflect.seal_question(_TOKEN, _question(lane), _no_random)
        if answers:
            tallies = (reflect.Tally(lane, len(message), 3), reflect.Tally(lane, 1400, 1, True, True))
            report = reflect.Report(bytes(4), 500, 500, len(message), 4, bytes(8), tallies=tallies)
            message = reflect.seal_answer(_TOKEN, _question(lane), report, len(message), _no_random)
        found.append(bytes([number]) + message)
    return found


_REPORT = b"""{"schema_version": 1, "target": {"host": "vpn", "address": "192.0.2.1"}, "verdict": "faulty",
"stage": "reach", "windows_error": null, "causes": [], "timeline": [], "elapsed_seconds": 3.2,
"started_at": 1500.0, "observations": [
{"id": "obs-1", "name": "udp500.reply", "value": false, "at": 1.5, "source": "probe:dial"},
{"id": "obs-2", "name": "resolve.addresses", "value": ["192.0.2.1"], "at": 0.1, "source": "probe:dial"},
{"id": "obs-3", "name": "path.rtt", "value": 1.5, "at": -60.0, "source": "capture:vpn.pcap@office~old"},
{"id": "obs-4", "name": "reflect.udp500.arrived", "value": false, "at": 2, "source": "reflect:host"}]}"""

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
    "reflect-question": Target(reflect_question, seeds=_reflect_seeds(answers=False)),
    "reflect-answer": Target(reflect_answer, seeds=_reflect_seeds(answers=True)),
    "article": Target(article, errors=(), seeds=(articles.bundled_text("868").encode(),)),
    "lint": Target(
        linted,
        errors=(),
        seeds=(
            b"\x00$p = @{Name='RasMan'; StartupType='Disabled'}\nSet-Service @p\n",
            b"\x01set X=sc\r\n%X% config RasMan start= disabled & rem\r\n",
            b'\x02for f in a b; do chmod 777 "$f"; done\n',
        ),
    ),
    "check-report": Target(check_report, errors=(UsageProblemError,), seeds=(_REPORT,)),
}
