"""RFC 2759 §9.2 vectors, RFC 1994 by hand, and failure texts of every shape."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.ppp import mschapv2
from l2tp_doctor.protocol.ppp.auth_common import ForcedFailure
from l2tp_doctor.protocol.ppp.chap import md5_response
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError

# https://www.rfc-editor.org/rfc/rfc2759#section-9.2
USER = "User"
CLIENT_PASS = Secret(b"clientPass")
AUTHENTICATOR_CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
CHALLENGE = bytes.fromhex("D02E4386BCE91226")
PASSWORD_HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
AUTHENTICATOR_RESPONSE = "S=407A5589115FD0D6209F510FE9C04566932CDA56"


def test_rfc_2759_challenge_hash() -> None:
    assert mschapv2.challenge_hash(PEER_CHALLENGE, AUTHENTICATOR_CHALLENGE, USER) == CHALLENGE


def test_rfc_2759_password_hash() -> None:
    assert mschapv2.nt_password_hash(CLIENT_PASS) == PASSWORD_HASH


def test_rfc_2759_challenge_response() -> None:
    assert mschapv2.challenge_response(CHALLENGE, PASSWORD_HASH) == NT_RESPONSE


@pytest.mark.parametrize("name", ["User", "DOMAIN\\User"])
def test_rfc_2759_nt_response_ignores_the_domain(name: str) -> None:
    found = mschapv2.nt_response(AUTHENTICATOR_CHALLENGE, PEER_CHALLENGE, name, CLIENT_PASS)
    assert found == NT_RESPONSE


def test_rfc_2759_authenticator_response() -> None:
    found = mschapv2.authenticator_response(
        CLIENT_PASS, NT_RESPONSE, PEER_CHALLENGE, AUTHENTICATOR_CHALLENGE, USER
    )
    assert found == AUTHENTICATOR_RESPONSE


def test_rfc_2759_response_value() -> None:
    built = mschapv2.build_response(AUTHENTICATOR_CHALLENGE, PEER_CHALLENGE, USER, CLIENT_PASS)
    assert built.value == PEER_CHALLENGE + bytes(8) + NT_RESPONSE + b"\0"
    assert built.expected == AUTHENTICATOR_RESPONSE
    proof = mschapv2.verify_response(built.value, AUTHENTICATOR_CHALLENGE, USER, CLIENT_PASS)
    assert proof == AUTHENTICATOR_RESPONSE
    wrong = mschapv2.verify_response(built.value, AUTHENTICATOR_CHALLENGE, USER, Secret(b"other"))
    assert wrong is None
    assert NT_RESPONSE.hex() not in repr(built)


def test_wrong_sizes_are_wire_errors() -> None:
    with pytest.raises(WireError):
        mschapv2.build_response(b"short", PEER_CHALLENGE, USER, CLIENT_PASS)
    with pytest.raises(WireError):
        mschapv2.verify_response(b"short", AUTHENTICATOR_CHALLENGE, USER, CLIENT_PASS)


def test_rfc_1994_value_computed_by_hand() -> None:
    # RFC 1994 §4.1: "the octet stream consisting of the Identifier, followed by ... the "secret",
    # followed by ... the Challenge Value"
    stream = bytearray([0x2A])
    stream += b"secret"
    stream += bytes(range(16))
    expected = hashlib.new("md5", stream).digest()
    assert md5_response(0x2A, Secret(b"secret"), bytes(range(16))) == expected


@pytest.mark.parametrize(
    ("text", "code", "retry", "message"),
    [
        (f"E=691 R=1 C={'A5' * 16} V=3 M=Access denied", 691, True, "Access denied"),
        (f"E=0000000648 R=0 C={'00' * 16} V=3 M=", 648, False, ""),
        ("E=649 R=0", 649, False, ""),
        ("R=1 E=647 M=E=691 is not the code", 647, True, "E=691 is not the code"),
        ("Authentication failed", None, False, "Authentication failed"),
        ("E=abc R=x C=zz V= M=odd", None, False, "odd"),
        ("", None, False, ""),
    ],
)
def test_failure_texts(text: str, code: int | None, retry: bool, message: str) -> None:
    found = mschapv2.parse_failure(text)
    assert (found.error_code, found.retry, found.message) == (code, retry, message)


@given(st.text(max_size=300))
def test_any_failure_text_parses(text: str) -> None:
    mschapv2.parse_failure(text)


@pytest.mark.parametrize("code", [646, 647, 648, 649, 691, 709])
def test_failure_text_round_trip(code: int) -> None:
    text = mschapv2.failure_text(ForcedFailure(code, "no: M=x", True), AUTHENTICATOR_CHALLENGE)
    found = mschapv2.parse_failure(text)
    assert found == mschapv2.FailureMessage(code, True, AUTHENTICATOR_CHALLENGE, 3, "no: M=x")


def test_success_text() -> None:
    good = mschapv2.check_success(AUTHENTICATOR_RESPONSE.encode() + b" M=Welcome", AUTHENTICATOR_RESPONSE)
    assert good == mschapv2.SuccessMessage(True, "Welcome")
    bad = mschapv2.check_success(b"S=" + b"0" * 40 + b" M=Welcome", AUTHENTICATOR_RESPONSE)
    assert not bad.authentic
    assert not mschapv2.check_success(b"Welcome", AUTHENTICATOR_RESPONSE).authentic
