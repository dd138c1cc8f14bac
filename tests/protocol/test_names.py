"""Names in CERTREQ payloads, compared with those that the X.509 library encodes."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol.names import name_text


def named(*attributes: tuple[x509.ObjectIdentifier, str]) -> bytes:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes]).public_bytes()


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (b"", "*"),
        (named((NameOID.COMMON_NAME, "Lab CA")), "CN=Lab CA"),
        (
            named(
                (NameOID.COUNTRY_NAME, "JP"),
                (NameOID.ORGANIZATION_NAME, "例"),
                (NameOID.DOMAIN_COMPONENT, "example"),
            ),
            "C=JP,O=例,DC=example",
        ),
        (named((NameOID.SERIAL_NUMBER, "7")), "550405=7"),
        (named((NameOID.COMMON_NAME, "a\x1b[2Jb")), "CN=a\\1B[2Jb"),
        # BMPString, which Windows' authorities use: SEQUENCE { SET { SEQUENCE { OID, BMPString "例" } } }.
        (bytes.fromhex("300d310b3009060355040b1e024f8b"), "OU=例"),
        (b"\x30\x80", "(2 octets)"),
        (b"garbage", "(7 octets)"),
        (b"\x30\x00", "(2 octets)"),
    ],
)
def test_a_name(der: bytes, text: str) -> None:
    assert name_text(der) == text


def test_a_long_name_is_cut() -> None:
    shown = name_text(named(*((NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 60) for _ in range(20))))
    assert len(shown) == 300
    assert shown.endswith("…")


@given(st.binary(max_size=200))
def test_any_bytes_have_a_printable_text(der: bytes) -> None:
    assert name_text(der).isprintable()


@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 255))
def test_damaged_names_too(tail: bytes, place: int, value: int) -> None:
    der = bytearray(named((NameOID.COMMON_NAME, "Lab CA"), (NameOID.COUNTRY_NAME, "JP")))
    der[place % len(der)] = value
    assert name_text(bytes(der) + tail).isprintable()
