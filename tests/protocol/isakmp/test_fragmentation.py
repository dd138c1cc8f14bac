from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp.constants import ExchangeType, Flags, PayloadType
from l2tp_doctor.protocol.isakmp.fragmentation import Reassembler, ReassemblyLimits, fragment_message
from l2tp_doctor.protocol.isakmp.message import Header, decode_message, encode_encrypted
from l2tp_doctor.protocol.isakmp.payloads import Fragment

HEADER = Header(b"initiato", b"responde", ExchangeType.IDENTITY_PROTECTION, 0, 0x01020304)


def message(size: int, fill: bytes = b"x") -> bytes:
    return encode_encrypted(HEADER, PayloadType.ID, (fill * size)[: size - 28])


def feed(reassembler: Reassembler, data: bytes, now: float = 0.0) -> bytes | None:
    decoded = decode_message(data)
    (fragment,) = decoded.payloads
    assert isinstance(fragment, Fragment)
    return reassembler.add(decoded.header, fragment, now)


@given(st.integers(28, 3000), st.integers(60, 600), st.randoms())
def test_fragments_in_any_order_make_the_message(size: int, fragment_size: int, random: Random) -> None:
    original = message(size)
    fragments = fragment_message(original, 9, fragment_size)
    assert all(len(fragment) <= fragment_size for fragment in fragments)
    shuffled = list(fragments)
    random.shuffle(shuffled)
    reassembler = Reassembler()
    results = [feed(reassembler, fragment) for fragment in shuffled]
    assert results == [None] * (len(fragments) - 1) + [original]


# [MS-IKEE] 2.2.3.1 and 3.3.6.1: next payload 0x84, encrypted flag cleared, numbers from 1, LAST_FRAGMENT.
def test_fragment_format() -> None:
    first, second = fragment_message(message(200), 0x0A0B, 136)
    assert first[:16] == b"initiatoresponde"[:8] + b"responde"
    assert first[16:20] == bytes((0x84, 0x10, 2, 0))
    assert first[20:24] == bytes.fromhex("01020304")
    assert first[24:36] == bytes.fromhex("00000088 0000006c 0a0b0100")
    assert second[28:36] == bytes.fromhex("0000006c 0a0b0201")
    assert (first[36:] + second[36:]) == message(200)
    assert not decode_message(first).header.flags & Flags.ENCRYPTION


def test_duplicates_are_discarded() -> None:
    first, second = fragment_message(message(200), 1, 136)
    reassembler = Reassembler()
    assert feed(reassembler, first) is None
    assert feed(reassembler, first) is None
    assert reassembler.dropped == "duplicate"
    assert feed(reassembler, second) == message(200)


def test_a_second_last_fragment_discards_everything() -> None:
    reassembler = Reassembler()
    reassembler.add(HEADER, Fragment(1, 3, True, b"c"), 0)
    reassembler.add(HEADER, Fragment(1, 2, True, b"b"), 0)
    assert reassembler.dropped == "conflict"
    for piece in fragment_message(message(200), 1, 136)[:1]:
        assert feed(reassembler, piece) is None
    assert feed(reassembler, fragment_message(message(200), 1, 136)[1]) == message(200)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (Fragment(1, 2, True, b"b"), Fragment(1, 3, False, b"c")),
        (Fragment(1, 3, False, b"c"), Fragment(1, 2, True, b"b")),
    ],
)
def test_a_number_above_the_last_discards_everything(earlier: Fragment, later: Fragment) -> None:
    reassembler = Reassembler()
    reassembler.add(HEADER, earlier, 0)
    assert reassembler.add(HEADER, later, 0) is None
    assert reassembler.dropped == "conflict"


def test_a_newer_message_under_the_same_id_replaces_leftovers() -> None:
    reassembler = Reassembler()
    feed(reassembler, fragment_message(message(200, b"a"), 1, 136)[0])
    first, second = fragment_message(message(199, b"b"), 1, 136)
    assert feed(reassembler, first) is None
    assert reassembler.dropped == "conflict"
    assert feed(reassembler, second) == message(199, b"b")


def test_incomplete_messages_end_after_90_seconds() -> None:
    first, second = fragment_message(message(200), 1, 136)
    reassembler = Reassembler()
    feed(reassembler, first, now=10.0)
    assert feed(reassembler, second, now=100.0) is None
    fresh = Reassembler()
    feed(fresh, first, now=10.0)
    assert feed(fresh, second, now=99.9) == message(200)


def test_the_oldest_goes_when_there_are_too_many() -> None:
    reassembler = Reassembler(ReassemblyLimits(messages=2))
    parts = {number: fragment_message(message(200), number, 136) for number in (1, 2, 3)}
    for number in (1, 2, 3):
        feed(reassembler, parts[number][0])
    assert reassembler.dropped == "limit"
    assert feed(reassembler, parts[2][1]) == message(200)
    assert feed(reassembler, parts[3][1]) == message(200)
    assert feed(reassembler, parts[1][1]) is None


def test_bytes_are_limited() -> None:
    reassembler = Reassembler(ReassemblyLimits(total_bytes=100))
    dropped = []
    for fragment_id, number in ((1, 1), (2, 1), (2, 2)):
        reassembler.add(HEADER, Fragment(fragment_id, number, False, bytes(60)), 0)
        dropped.append(reassembler.dropped)
    assert dropped == [None, "limit", "limit"]


@pytest.mark.parametrize(
    "data", [b"no header", message(100) + b"more", message(100).replace(b"responde", b"other!!!")]
)
def test_what_is_no_message_of_this_exchange_is_malformed(data: bytes) -> None:
    reassembler = Reassembler()
    assert reassembler.add(HEADER, Fragment(1, 1, True, data), 0) is None
    assert reassembler.dropped == "malformed"


@pytest.mark.parametrize("fragment", [Fragment(1, 0, True, b"x"), Fragment(1, 1, True, b"")])
def test_impossible_fragments_are_malformed(fragment: Fragment) -> None:
    reassembler = Reassembler()
    assert reassembler.add(HEADER, fragment, 0) is None
    assert reassembler.dropped == "malformed"


@pytest.mark.parametrize("size", [0, 36, 40])
def test_sizes_that_cannot_work_are_refused(size: int) -> None:
    with pytest.raises(ValueError):
        fragment_message(message(2000), 1, size)


@given(
    st.lists(st.builds(Fragment, st.integers(0, 3), st.integers(0, 6), st.booleans(), st.binary(max_size=40)))
)
def test_any_fragments_are_taken(fragments: list[Fragment]) -> None:
    reassembler = Reassembler(ReassemblyLimits(messages=2, total_bytes=80))
    for now, fragment in enumerate(fragments):
        reassembler.add(HEADER, fragment, float(now))
