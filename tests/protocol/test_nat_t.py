"""NAT detection and the framing of UDP 4500."""

from __future__ import annotations

import hashlib
import itertools
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.crypto import CryptoError
from l2tp_doctor.protocol.nat_t import (
    KEEPALIVE,
    NON_ESP_MARKER,
    NatVerdict,
    classify_4500,
    nat_d_hash,
    nat_verdict,
    unwrap_isakmp,
    wrap_isakmp,
)
from l2tp_doctor.protocol.wire import WireError

COOKIES = (bytes.fromhex("0123456789abcdef"), bytes.fromhex("fedcba9876543210"))
PRIVATE = (ip_address("192.168.1.6").packed, 500)
PUBLIC = (ip_address("203.0.113.9").packed, 1024)
GATEWAY = (ip_address("198.51.100.1").packed, 500)
GATEWAY_INSIDE = (ip_address("10.0.0.5").packed, 500)


def hashed(endpoint: tuple[bytes, int]) -> bytes:
    return nat_d_hash(2, *COOKIES, *endpoint)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_hash_is_the_one_of_rfc3947(address: str) -> None:
    # RFC 3947 §3.2: HASH = HASH(CKY-I | CKY-R | IP | Port), all in network order.
    packed = ip_address(address).packed
    material = bytes.fromhex("0123456789abcdeffedcba9876543210") + packed + b"\x11\x94"
    assert nat_d_hash(2, *COOKIES, packed, 4500) == hashlib.sha1(material).digest()
    assert nat_d_hash(1, *COOKIES, packed, 4500) == hashlib.md5(material).digest()
    assert nat_d_hash(4, *COOKIES, packed, 4500) == hashlib.sha256(material).digest()


def test_callers_mistakes() -> None:
    with pytest.raises(CryptoError):
        nat_d_hash(3, *COOKIES, *GATEWAY)
    for arguments in (
        (COOKIES[0][1:], COOKIES[1], *GATEWAY),
        (COOKIES[0], b"", *GATEWAY),
        (*COOKIES, b"\x01\x02\x03", 500),
        (*COOKIES, GATEWAY[0], 65536),
        (*COOKIES, GATEWAY[0], -1),
    ):
        with pytest.raises(ValueError):
            nat_d_hash(2, *arguments)


@pytest.mark.parametrize(("client_nat", "server_nat"), list(itertools.product([False, True], repeat=2)))
def test_verdicts_from_both_sides(client_nat: bool, server_nat: bool) -> None:
    client_seen = PUBLIC if client_nat else PRIVATE  # where the gateway sees the client
    gateway_own = GATEWAY_INSIDE if server_nat else GATEWAY
    expected = NatVerdict(client_behind=client_nat, server_behind=server_nat)
    # What each sends: first the peer's address as seen, then its own.
    from_gateway = [hashed(client_seen), hashed(gateway_own)]
    from_client = [hashed(GATEWAY), hashed(PRIVATE)]
    at_client = nat_verdict(from_gateway, [hashed(PRIVATE)], hashed(GATEWAY))
    at_gateway = nat_verdict(from_client, [hashed(gateway_own)], hashed(client_seen), local_is_client=False)
    assert at_client == at_gateway == expected
    assert at_client.detected == (client_nat or server_nat)


def test_a_rewritten_port_alone_is_a_nat() -> None:
    received = [hashed((PRIVATE[0], 61000)), hashed(GATEWAY)]
    assert nat_verdict(received, [hashed(PRIVATE)], hashed(GATEWAY)) == NatVerdict(True, False)


def test_several_addresses_on_either_side() -> None:
    received = [hashed(PRIVATE), hashed(GATEWAY_INSIDE), hashed(GATEWAY)]
    own = [hashed(PUBLIC), hashed(PRIVATE)]
    assert nat_verdict(received, own, hashed(GATEWAY)) == NatVerdict(False, False)
    # The first payload is about us and never counts as the peer's own address.
    assert nat_verdict([hashed(GATEWAY), hashed(GATEWAY_INSIDE)], own, hashed(GATEWAY)) == NatVerdict(
        True, True
    )


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_payloads_tell_nothing(count: int) -> None:
    with pytest.raises(WireError):
        nat_verdict([hashed(PRIVATE)] * count, [hashed(PRIVATE)], hashed(GATEWAY))


@given(st.lists(st.binary(max_size=70), min_size=2, max_size=5))
def test_hashes_of_any_length_are_compared(received: list[bytes]) -> None:
    assert nat_verdict(received, [hashed(PRIVATE)], hashed(GATEWAY)).detected


# RFC 3948 §2.1-§2.3.
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "malformed"),
        (b"\xff", "keepalive"),
        (b"\xff\xff", "malformed"),
        (b"\x00", "malformed"),
        (bytes(4), "malformed"),
        (bytes(4) + b"\x01", "isakmp"),
        (bytes(32), "isakmp"),
        (b"\x00\x00\x01\x00" + bytes(4), "malformed"),
        (b"\x00\x00\x01\x00" + bytes(5), "esp"),
        (b"\xff" * 60, "esp"),
    ],
)
def test_uses_of_port_4500(data: bytes, kind: str) -> None:
    assert classify_4500(data) == kind


@given(st.binary(min_size=1, max_size=100))
def test_wrapping_is_undone(message: bytes) -> None:
    wrapped = wrap_isakmp(message)
    assert wrapped[:4] == NON_ESP_MARKER
    assert classify_4500(wrapped) == "isakmp"
    assert unwrap_isakmp(wrapped) == message


@given(st.binary(max_size=100))
def test_anything_else_is_not_unwrapped(data: bytes) -> None:
    if classify_4500(data) != "isakmp":
        with pytest.raises(WireError):
            unwrap_isakmp(data)


def test_keepalive_is_one_byte() -> None:
    assert KEEPALIVE == b"\xff"
