"""The codec: honest IKE and ESP on the outside, authentic inside, and never an unexpected error."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import decode_message
from l2tp_doctor.protocol.isakmp.payloads import SecurityAssociation, VendorId
from l2tp_doctor.protocol.nat_t import classify_4500, unwrap_isakmp
from l2tp_doctor.protocol.reflect import wire
from l2tp_doctor.protocol.reflect.wire import (
    MAX_SIZE,
    MIN_SIZES,
    Answer,
    Lane,
    Question,
    Report,
    Tally,
    base_size,
    open_answer,
    open_question,
    seal_answer,
    seal_question,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError
from tests.protocol.reflect.common import CLIENT, TOKEN

SESSION = bytes(range(1, 9))
RANDOM = random.Random(7).randbytes
OTHER = Secret(b"another token of thirty-two bytes")
LANES = st.sampled_from(list(Lane))


def question(lane: Lane = Lane.IKE, size: int | None = None, sequence: int = 3) -> Question:
    return Question(lane, SESSION, sequence, 1_800_000_000, size or base_size(lane))


def report(**changes: object) -> Report:
    plain = Report(CLIENT, 500, 500, 408, 1, bytes(8))
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields of several types


@given(LANES, st.integers(0, MAX_SIZE), st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_a_question_comes_out_as_it_went_in(lane: Lane, size: int, sequence: int, time: int) -> None:
    asked = Question(lane, SESSION, sequence, time, size)
    if size < MIN_SIZES[lane]:
        with pytest.raises(ValueError):
            seal_question(TOKEN, asked, RANDOM)
        return
    if sequence > wire.MAX_SEQUENCE:
        return
    data = seal_question(TOKEN, asked, RANDOM)
    assert len(data) == size
    assert open_question(TOKEN, lane, data) == asked


@pytest.mark.parametrize("size", [184, 200, 407, 408, 409, 600, 1473, 2000])
def test_a_question_is_a_valid_main_mode_1(size: int) -> None:
    message = decode_message(seal_question(TOKEN, question(size=size), RANDOM))
    assert message.header.exchange == ExchangeType.IDENTITY_PROTECTION
    assert message.header.initiator_cookie == SESSION
    assert message.header.responder_cookie == bytes(8)
    assert message.header.length == size
    offer, *vendor_ids = message.payloads
    assert isinstance(offer, SecurityAssociation)
    assert all(isinstance(payload, VendorId) for payload in vendor_ids)


# The recorded first message of a Windows client (pastebin.com/9KRNXBtv) has 408 bytes, five transforms
# and eight vendor IDs, of which these five come first.
def test_the_ordinary_question_has_the_shape_of_windows() -> None:
    message = decode_message(seal_question(TOKEN, question(), RANDOM))
    offer, *vendor_ids = message.payloads
    assert isinstance(offer, SecurityAssociation)
    assert len(offer.proposals[0].transforms) == 5
    assert [payload.data.hex() for payload in vendor_ids[:5] if isinstance(payload, VendorId)] == [
        "01528bbbc00696121849ab9a1c5b2a5100000001",
        "1e2b516905991c7d7c96fcbfb587e46100000009",
        "4a131c81070358455c5728f20e95452f",
        "90cb80913ebb696e086381b5ec427b1f",
        "4048b7d56ebce88525e7de7f00d6c2d3",
    ]
    assert message.header.length == 408


def test_on_4500_both_forms_are_told_apart_as_rfc_3948_says() -> None:
    ike = seal_question(TOKEN, question(Lane.NAT_T), RANDOM)
    esp = seal_question(TOKEN, question(Lane.ESP_UDP), RANDOM)
    assert (classify_4500(ike), classify_4500(esp)) == ("isakmp", "esp")
    assert decode_message(unwrap_isakmp(ike)).header.length == len(ike) - 4


@given(st.binary(min_size=8, max_size=8), st.integers(0, wire.MAX_SEQUENCE))
def test_esp_has_no_reserved_spi_and_counts_from_one(session: bytes, sequence: int) -> None:
    data = seal_question(TOKEN, Question(Lane.ESP, session, sequence, 0, 200), RANDOM)
    assert int.from_bytes(data[:4], "big") > 255  # RFC 4303 §2.1
    assert int.from_bytes(data[4:8], "big") == sequence + 1  # RFC 4303 §2.2: the first is 1


def test_the_tag_is_hmac_sha_256_over_the_block() -> None:
    data = seal_question(TOKEN, question(Lane.ESP), RANDOM)
    signed, tag = data[8:48], data[48:64]
    assert tag == hmac.new(TOKEN.reveal(), signed, hashlib.sha256).digest()[:16]
    zeroed = data[:8] + bytes(56) + data[64:]
    assert signed[26:] == hashlib.sha256(zeroed).digest()[:14]


@given(LANES, st.integers(0, 300), st.binary(min_size=4, max_size=4), st.booleans(), st.data())
def test_an_answer_comes_out_as_it_went_in(
    lane: Lane, more: int, address: bytes, changed: bool, data: st.DataObject
) -> None:
    tallies = tuple(
        data.draw(
            st.lists(
                st.builds(
                    Tally, LANES, st.integers(0, 65535), st.integers(0, 255), st.booleans(), st.booleans()
                ),
                max_size=70,
            )
        )
    )
    said = report(
        address=data.draw(st.sampled_from([address, address * 4])),
        changed=changed,
        fragmented=data.draw(st.sampled_from([None, True, False])),
        esp_listening=not changed,
        tallies=tallies,
    )
    size = MIN_SIZES[lane] + more
    asked = question(lane, size)
    sealed = seal_answer(TOKEN, asked, said, size, RANDOM)
    assert len(sealed) == size
    room = min(more // 5, 64)
    assert open_answer(TOKEN, lane, sealed) == Answer(asked, replace(said, tallies=tallies[:room]))


def test_an_answer_on_500_is_a_main_mode_2() -> None:
    message = decode_message(seal_answer(TOKEN, question(), report(), 408, RANDOM))
    assert message.header.initiator_cookie == SESSION
    assert message.header.responder_cookie != bytes(8)
    assert isinstance(message.payloads[0], SecurityAssociation)
    assert len(message.payloads[0].proposals[0].transforms) == 1


def test_an_answer_without_room_for_a_report_is_refused() -> None:
    with pytest.raises(ValueError):
        seal_answer(TOKEN, question(), report(), MIN_SIZES[Lane.IKE] - 1, RANDOM)


@pytest.mark.parametrize("lane", Lane)
def test_another_token_opens_nothing(lane: Lane) -> None:
    with pytest.raises(WireError) as caught:
        open_question(OTHER, lane, seal_question(TOKEN, question(lane), RANDOM))
    assert caught.value.field == "tag"
    with pytest.raises(WireError) as caught:
        open_answer(OTHER, lane, seal_answer(TOKEN, question(lane), report(), base_size(lane), RANDOM))
    assert caught.value.field == "tag"


def test_an_answer_is_no_question_and_the_other_way_round() -> None:
    with pytest.raises(WireError):
        open_question(TOKEN, Lane.ESP, seal_answer(TOKEN, question(Lane.ESP), report(), 408, RANDOM))
    with pytest.raises(WireError):
        open_answer(TOKEN, Lane.ESP, seal_question(TOKEN, question(Lane.ESP), RANDOM))


@given(LANES, st.data())
def test_every_altered_byte_is_noticed(lane: Lane, data: st.DataObject) -> None:
    sealed = seal_question(TOKEN, question(lane), RANDOM)
    place = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[place] ^= data.draw(st.integers(1, 255))
    try:
        opened = open_question(TOKEN, lane, bytes(altered))
    except WireError:
        return
    assert opened == replace(question(lane), changed=True)


@given(LANES, st.data())
def test_every_altered_byte_of_an_answer_is_noticed(lane: Lane, data: st.DataObject) -> None:
    said = report(tallies=(Tally(lane, 408, 2),))
    sealed = seal_answer(TOKEN, question(lane), said, base_size(lane), RANDOM)
    place = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[place] ^= data.draw(st.integers(1, 255))
    try:
        opened = open_answer(TOKEN, lane, bytes(altered))
    except WireError:
        return
    assert opened == Answer(replace(question(lane), changed=True), said)


@given(LANES, st.integers(0, 2100))
def test_a_message_cut_or_drawn_out_is_noticed(lane: Lane, length: int) -> None:
    sealed = seal_question(TOKEN, question(lane), RANDOM)
    if length == len(sealed):
        return
    try:
        opened = open_question(TOKEN, lane, sealed[:length].ljust(length, b"\0"))
    except WireError:
        return
    assert opened.changed


@given(LANES, st.binary(max_size=2100))
def test_any_bytes_are_a_value_or_a_wire_error(lane: Lane, data: bytes) -> None:
    for opener in (open_question, open_answer):
        for candidate in (
            data,
            data[:8] + wire.MARKER + data,
            wire.MARKER + data,
            wire.MARKER + b"\2" + data,
        ):
            with pytest.raises(WireError):
                opener(TOKEN, lane, candidate)


def test_a_small_answer_says_the_newest_tallies() -> None:
    tallies = tuple(Tally(Lane.ESP, size, 1) for size in range(100, 600, 100))
    sealed = seal_answer(TOKEN, question(), report(tallies=tallies), MIN_SIZES[Lane.IKE] + 11, RANDOM)
    assert open_answer(TOKEN, Lane.IKE, sealed).report.tallies == tallies[:2]


def test_padding_is_not_the_same_twice() -> None:
    first, second = (seal_question(TOKEN, question(size=1000), RANDOM) for _ in range(2))
    assert first[-500:] != second[-500:]
    assert not any(a == b == c for (a, b), (_, c) in pairwise(zip(first[-4:], second[-4:], strict=True)))
