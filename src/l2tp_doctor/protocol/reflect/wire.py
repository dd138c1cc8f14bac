"""The messages of the path test, in the clothes of IKE and ESP.

Every message carries one *block* of :data:`BLOCK_SIZE` bytes::

    marker 8 | kind 1 | lane 1 | sequence 2 | session 8 | time 4 | size 2 | digest 14 | tag 16

``digest`` is SHA-256 over the whole message with the block zeroed, cut: it shows what a middlebox changed.
``tag`` authenticates the block, and in an answer the report that follows the block.  On UDP 500 and
4500 the block lies in a vendor ID payload of a valid Main Mode message (RFC 2408 §3.16 lets a
receiver ignore unknown ones); in ESP it follows the sequence number.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import RandomSource
from l2tp_doctor.protocol.ikev1.policy import Phase1Transform, phase1_offer
from l2tp_doctor.protocol.isakmp.constants import AuthenticationMethod, Encryption, ExchangeType, Group
from l2tp_doctor.protocol.isakmp.constants import HashAlgorithm as Hash
from l2tp_doctor.protocol.isakmp.message import Header, encode_message
from l2tp_doctor.protocol.isakmp.payloads import VendorId
from l2tp_doctor.protocol.isakmp.vendor_ids import (
    FRAGMENTATION,
    NAT_T_DRAFT_02_NEWLINE,
    NT5_ISAKMPOAKLEY,
    RFC_3947,
    WINDOWS_UNNAMED,
)
from l2tp_doctor.protocol.nat_t import NON_ESP_MARKER
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import Reader, WireError, Writer


class Lane(enum.Enum):
    """A way that must be open for a VPN, each tested by itself."""

    IKE = "udp500"
    NAT_T = "udp4500"
    ESP_UDP = "esp_udp"  # ESP in UDP 4500 (RFC 3948)
    ESP = "esp"  # IP protocol 50
    CONTROL = "control"  # TCP, only to bring counters home


MARKER = hashlib.sha256(b"l2tp-doctor reflect 1").digest()[:8]
"""Begins our vendor ID, as the hashes of their names begin those of others."""
SESSION_SIZE = 8
CHECKSUM_SIZE = 8
MIN_TOKEN = 16
"""Bytes of a token; a shorter one could be guessed from one recorded question."""
MAX_SIZE = 2048
"""Bytes of a question: enough for two fragments, too few to be worth reflecting."""
MAX_TALLIES = 64
MAX_COUNT = 255
MAX_SEQUENCE = 1023
"""A whole test takes some 250 questions; each number is remembered against replay."""

_DIGEST_SIZE, _TAG_SIZE = 14, 16
_SIGNED_SIZE = 8 + 1 + 1 + 2 + SESSION_SIZE + 4 + 2 + _DIGEST_SIZE
BLOCK_SIZE = _SIGNED_SIZE + _TAG_SIZE
_REPORT_SIZE = 1 + 16 + 2 + 2 + 2 + 4 + CHECKSUM_SIZE + 1
_TALLY_SIZE = 5
_ESP_HEADER = 8
_QUESTION, _ANSWER = 1, 2
_CODES = {Lane.IKE: 1, Lane.NAT_T: 2, Lane.ESP_UDP: 3, Lane.ESP: 4, Lane.CONTROL: 5}
_LANES = {code: lane for lane, code in _CODES.items()}
_CHANGED, _FRAGMENT_KNOWN, _FRAGMENTED, _ESP_LISTENING, _IPV6 = 1, 2, 4, 8, 16


def _transform(encryption: int, key_bits: int | None, group: int) -> Phase1Transform:
    return Phase1Transform(encryption, key_bits, Hash.SHA1, group, AuthenticationMethod.PRE_SHARED_KEY)


# What Windows 10 and 11 offer, in their order; the 408 bytes of their first message follow from it.
_WINDOWS_OFFER = (
    _transform(Encryption.AES_CBC, 256, Group.ECP_384),
    _transform(Encryption.AES_CBC, 128, Group.ECP_256),
    _transform(Encryption.AES_CBC, 256, Group.MODP_2048),
    _transform(Encryption.TRIPLE_DES_CBC, None, Group.MODP_2048),
    _transform(Encryption.TRIPLE_DES_CBC, None, Group.MODP_1024),
)
# Their first five vendor IDs.  The last three, 60 bytes with their headers, make room for our block.
_WINDOWS_VENDOR_IDS = (
    VendorId(WINDOWS_UNNAMED.value + bytes.fromhex("00000001")),
    VendorId(NT5_ISAKMPOAKLEY.value + bytes.fromhex("00000009")),
    VendorId(RFC_3947.value),
    VendorId(NAT_T_DRAFT_02_NEWLINE.value),
    VendorId(FRAGMENTATION.value),
)
WINDOWS_SIZE = 408
"""Bytes of Windows' Main Mode message 1."""
BASE_SIZES = {Lane.IKE: WINDOWS_SIZE, Lane.NAT_T: WINDOWS_SIZE + 4, Lane.CONTROL: 512}


def base_size(lane: Lane) -> int:
    """Returns the bytes of a lane's ordinary question: UDP payload, ESP packet or TCP record."""
    return BASE_SIZES.get(lane, WINDOWS_SIZE)


@dataclass(frozen=True, slots=True)
class Question:
    """An authentic question.

    Attributes:
        lane: the way it was meant to take.
        session: 8 bytes, one test of one questioner.
        sequence: 0 to :data:`MAX_SEQUENCE`, never used twice in a session.
        time: Unix time in seconds when it was made.
        size: bytes it was sent with.
        changed: what arrived is not what was sent, though the block is intact.
    """

    lane: Lane
    session: bytes
    sequence: int
    time: int
    size: int
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many questions of one lane and size have arrived; ``count`` stops at 255.

    Attributes:
        lane: the way they took.
        size: bytes they were sent with.
        count: different questions of this kind.
        changed: at least one of them had been altered on the way.
        fragmented: at least one of them came in fragments.
    """

    lane: Lane
    size: int
    count: int
    changed: bool = False
    fragmented: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What the reflector says in an answer.

    Attributes:
        address: source address of the question as it arrived, 4 or 16 bytes.
        port: its source port; 0 for ESP.
        arrived_port: the port it arrived at; 0 for ESP.
        size: bytes that arrived.
        total: questions of this session that have arrived, this one included.
        checksum: SHA-256 of the bytes that arrived, cut to 8.
        changed: see :class:`Question`.
        fragmented: it came in fragments; ``None`` when the system does not tell.
        esp_listening: the reflector can receive native ESP.
        tallies: newest first; fewer than there are when the answer has no room for all.
    """

    address: bytes
    port: int
    arrived_port: int
    size: int
    total: int
    checksum: bytes
    changed: bool = False
    fragmented: bool | None = None
    esp_listening: bool = False
    tallies: tuple[Tally, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An authentic answer; ``question`` repeats the question's own fields."""

    question: Question
    report: Report


def checksum(data: bytes) -> bytes:
    """Returns what :attr:`Report.checksum` holds for these bytes."""
    return hashlib.sha256(data).digest()[:CHECKSUM_SIZE]


# -- the clothes --------------------------------------------------------------------------------


def _isakmp(session: bytes, responder: bytes, content: bytes, *, windows: bool) -> bytes:
    header = Header(session, responder, ExchangeType.IDENTITY_PROTECTION, 0, 0)
    offer = _WINDOWS_OFFER if windows else _WINDOWS_OFFER[:1]
    vendor_ids = _WINDOWS_VENDOR_IDS if windows else ()
    return encode_message(header, [phase1_offer(offer), *vendor_ids, VendorId(content)])


def _dress(lane: Lane, content: bytes, ids: tuple[bytes, bytes, int], *, windows: bool) -> bytes:
    session, responder, sequence = ids
    if lane is Lane.CONTROL:
        return content
    if lane in (Lane.ESP, Lane.ESP_UDP):
        # Never below 256: RFC 4303 §2.1 reserves those, and 0 would be the non-ESP marker.
        spi = bytes([session[0] | 0x80]) + session[1:4]
        return spi + (sequence + 1).to_bytes(4, "big") + content
    message = _isakmp(session, responder, content, windows=windows)
    return NON_ESP_MARKER + message if lane is Lane.NAT_T else message


def _overhead(lane: Lane, *, windows: bool) -> int:
    """Bytes around the content."""
    return len(_dress(lane, b"", (bytes(SESSION_SIZE), bytes(8), 0), windows=windows))


_PLAIN = {lane: _overhead(lane, windows=False) for lane in Lane}
_WINDOWS = {lane: _overhead(lane, windows=True) for lane in Lane}
MIN_SIZES = {lane: _PLAIN[lane] + BLOCK_SIZE + _REPORT_SIZE for lane in Lane}
"""The shortest question of each lane that leaves room for an answer."""


# -- sealing and opening ------------------------------------------------------------------------


def _block(kind: int, question: Question) -> bytes:
    writer = Writer()
    writer.raw(MARKER)
    writer.uint8(kind)
    writer.uint8(_CODES[question.lane])
    writer.uint16(question.sequence)
    writer.raw(question.session)
    writer.uint32(question.time)
    writer.uint16(question.size)
    return writer.getvalue()


def _digest(message: bytes, start: int) -> bytes:
    rest = message[:start] + bytes(BLOCK_SIZE) + message[start + BLOCK_SIZE :]
    return hashlib.sha256(rest).digest()[:_DIGEST_SIZE]


def _tag(token: Secret, signed: bytes, report: bytes) -> bytes:
    return hmac.digest(token.reveal(), signed + report, "sha256")[:_TAG_SIZE]


def _seal(token: Secret, message: bytes, start: int, head: bytes, report: bytes) -> bytes:
    signed = head + _digest(message, start)
    return message[:start] + signed + _tag(token, signed, report) + message[start + BLOCK_SIZE :]


def seal_question(token: Secret, question: Question, random: RandomSource) -> bytes:
    """Returns a question of exactly ``question.size`` bytes, padded with random bytes.

    Raises:
        ValueError: a size outside :data:`MIN_SIZES` to :data:`MAX_SIZE`, or a session of another length.
    """
    lane, size = question.lane, question.size
    if not MIN_SIZES[lane] <= size <= MAX_SIZE:
        raise ValueError(f"a question of {lane.value} has {MIN_SIZES[lane]} to {MAX_SIZE} bytes, not {size}")
    if len(question.session) != SESSION_SIZE:
        raise ValueError(f"a session has {SESSION_SIZE} bytes")
    windows = size >= _WINDOWS[lane] + BLOCK_SIZE
    around = _WINDOWS[lane] if windows else _PLAIN[lane]
    content = bytes(BLOCK_SIZE) + random(size - around - BLOCK_SIZE)
    message = _dress(lane, content, (question.session, bytes(8), question.sequence), windows=windows)
    return _seal(token, message, size - len(content), _block(_QUESTION, question), b"")


def seal_answer(token: Secret, question: Question, report: Report, size: int, random: RandomSource) -> bytes:
    """Returns an answer of exactly ``size`` bytes: as many tallies as fit, then random bytes.

    Raises:
        ValueError: ``size`` has no room for a report at all.
    """
    lane = question.lane
    room = size - MIN_SIZES[lane]
    if room < 0:
        raise ValueError(f"an answer of {lane.value} takes at least {MIN_SIZES[lane]} bytes, not {size}")
    packed = _pack_report(report, room // _TALLY_SIZE)
    padding = random(size - _PLAIN[lane] - BLOCK_SIZE - len(packed))
    content = bytes(BLOCK_SIZE) + packed + padding
    message = _dress(lane, content, (question.session, random(8), question.sequence), windows=False)
    return _seal(token, message, size - len(content), _block(_ANSWER, question), packed)


def _find_block(lane: Lane, data: bytes) -> int:
    if lane is Lane.CONTROL:
        return 0
    if lane in (Lane.ESP, Lane.ESP_UDP):
        return _ESP_HEADER
    # Looked for rather than parsed: what a middlebox does to the payloads around it shall be seen.
    return data.find(MARKER)


def _open(token: Secret, lane: Lane, data: bytes, kind: int) -> tuple[Question, Report | None]:
    if len(data) > MAX_SIZE:
        raise WireError(0, "message", f"{len(data)} bytes, at most {MAX_SIZE}")
    start = _find_block(lane, data)
    if start < 0 or data[start : start + len(MARKER)] != MARKER:
        raise WireError(0, "marker", "missing")
    reader = Reader(data)
    reader.raw(start + len(MARKER), "message")
    found_kind, code = reader.uint8("kind"), reader.uint8("lane")
    sequence, session = reader.uint16("sequence"), reader.raw(SESSION_SIZE, "session")
    time, size = reader.uint32("time"), reader.uint16("size")
    digest, tag = reader.raw(_DIGEST_SIZE, "digest"), reader.raw(_TAG_SIZE, "tag")
    if found_kind != kind or code not in _LANES:
        raise WireError(start + len(MARKER), "kind", f"{found_kind} of lane {code}")
    body = data[reader.position :]
    report, used = _unpack_report(reader) if kind == _ANSWER else (None, 0)
    signed = data[start : start + _SIGNED_SIZE]
    if not hmac.compare_digest(tag, _tag(token, signed, body[:used])):
        raise WireError(start + _SIGNED_SIZE, "tag", "not made with our token")
    changed = not hmac.compare_digest(digest, _digest(data, start))
    return Question(_LANES[code], session, sequence, time, size, changed), report


def open_question(token: Secret, lane: Lane, data: bytes) -> Question:
    """Reads a question that arrived on ``lane``; its own ``lane`` may be another, if a middlebox moved it.

    Raises:
        WireError: no question, or (field ``tag``) not made with this token.
    """
    return _open(token, lane, data, _QUESTION)[0]


def open_answer(token: Secret, lane: Lane, data: bytes) -> Answer:
    """Reads an answer that arrived on ``lane``.

    Raises:
        WireError: no answer, or (field ``tag``) not made with this token.
    """
    question, report = _open(token, lane, data, _ANSWER)
    if report is None:
        raise WireError(0, "report", "missing")
    return Answer(question, report)


# -- reports ------------------------------------------------------------------------------------


def _pack_report(report: Report, most: int) -> bytes:
    flags = (
        (_CHANGED if report.changed else 0)
        | (_FRAGMENT_KNOWN if report.fragmented is not None else 0)
        | (_FRAGMENTED if report.fragmented else 0)
        | (_ESP_LISTENING if report.esp_listening else 0)
        | (_IPV6 if len(report.address) == 16 else 0)
    )
    tallies = report.tallies[: min(most, MAX_TALLIES)]
    writer = Writer()
    writer.uint8(flags)
    writer.raw(report.address.rjust(16, b"\0"))
    for number in (report.port, report.arrived_port, report.size):
        writer.uint16(number)
    writer.uint32(report.total)
    writer.raw(report.checksum)
    writer.uint8(len(tallies))
    for tally in tallies:
        writer.uint8(_CODES[tally.lane])
        writer.uint16(tally.size)
        writer.uint8(min(tally.count, MAX_COUNT))
        writer.uint8((_CHANGED if tally.changed else 0) | (_FRAGMENTED if tally.fragmented else 0))
    return writer.getvalue()


def _unpack_report(reader: Reader) -> tuple[Report, int]:
    """Returns the report and its length in bytes."""
    start = reader.position
    flags, address = reader.uint8("flags"), reader.raw(16, "address")
    port, arrived_port = reader.uint16("port"), reader.uint16("arrived port")
    size, total = reader.uint16("size"), reader.uint32("total")
    found = reader.raw(CHECKSUM_SIZE, "checksum")
    count = reader.uint8("tallies")
    if count > MAX_TALLIES:
        raise reader.fail("tallies", f"{count}, at most {MAX_TALLIES}")
    tallies = tuple(_unpack_tally(reader) for _ in range(count))
    report = Report(
        address if flags & _IPV6 else address[12:],
        port, arrived_port, size, total, found,
        bool(flags & _CHANGED),
        bool(flags & _FRAGMENTED) if flags & _FRAGMENT_KNOWN else None,
        bool(flags & _ESP_LISTENING),
        tallies,
    )  # fmt: skip
    return report, reader.position - start


def _unpack_tally(reader: Reader) -> Tally:
    code, size, count, flags = (
        reader.uint8("lane"), reader.uint16("size"), reader.uint8("count"), reader.uint8("flags"),
    )  # fmt: skip
    if code not in _LANES:
        raise reader.fail("lane", f"there is no lane {code}")
    return Tally(_LANES[code], size, count, bool(flags & _CHANGED), bool(flags & _FRAGMENTED))
