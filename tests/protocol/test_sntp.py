"""SNTP against messages written by hand after RFC 5905 figure 8, and whatever else a server may send."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.sntp import SIZE, decode_reply, encode_request
from l2tp_doctor.protocol.wire import WireError

TOKEN = bytes(range(1, 9))
# 2026-06-01 12:00:00 UTC is 1780315200 in Unix time; NTP counts from 1900, 2208988800 s earlier.
UNIX = 1_780_315_200
NTP = UNIX + 2_208_988_800


def reply(
    *, leap: int = 0, version: int = 4, mode: int = 4, stratum: int = 2, seconds: int = NTP,
    fraction: int = 0, origin: bytes = TOKEN,
) -> bytes:  # fmt: skip
    head = bytes([leap << 6 | version << 3 | mode, stratum, 6, 0xEC]) + bytes(12) + bytes(8)
    return head + origin + bytes(8) + struct.pack("!II", seconds, fraction)


def test_a_request_holds_a_token_and_nothing_of_ours() -> None:
    # LI 0, VN 4, mode 3: 0b00_100_011.
    assert encode_request(TOKEN) == b"\x23" + bytes(39) + TOKEN
    with pytest.raises(ValueError):
        encode_request(b"short")


def test_the_time_of_a_reply() -> None:
    answer = decode_reply(reply(fraction=1 << 31), TOKEN)
    assert (answer.time, answer.synchronised) == (UNIX + 0.5, True)
    # RFC 4330 §3: second 0 of the next era is 2036-02-07 06:28:16 UTC.
    assert decode_reply(reply(seconds=0, fraction=1), TOKEN).time == pytest.approx(2_085_978_496, abs=1e-3)
    assert decode_reply(reply() + b"extension fields", TOKEN).time == UNIX


@pytest.mark.parametrize(("leap", "stratum"), [(3, 2), (0, 0), (0, 16), (3, 0)])
def test_a_clock_that_follows_nothing_says_so(leap: int, stratum: int) -> None:
    assert not decode_reply(reply(leap=leap, stratum=stratum), TOKEN).synchronised


@pytest.mark.parametrize(
    "data",
    [
        b"",
        reply()[:-1],
        reply(mode=3),
        reply(mode=5),
        reply(version=0),
        reply(version=5),
        reply(origin=bytes(8)),
        reply(seconds=0),
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(data, TOKEN)


@given(st.binary(max_size=2 * SIZE))
def test_any_bytes_are_a_reply_or_refused(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_reply(data, TOKEN)
