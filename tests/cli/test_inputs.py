"""Gateways, secrets, certificates, files and languages, one by one."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.cli.certificates import read_certificates, read_client_certificate
from l2tp_doctor.cli.files import check_writable, write_atomically
from l2tp_doctor.cli.language import from_arguments, from_system
from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.cli.secrets import MAX_SECRET_FILE, Sources, encode_psk, read_text
from l2tp_doctor.cli.target import parse_gateway
from l2tp_doctor.report.words import Words


def problem(call: Callable[..., object], *arguments: object, **more: object) -> UsageProblemError:
    with pytest.raises(UsageProblemError) as caught:
        call(*arguments, **more)
    for words in (Words("ja"), Words("en")):
        assert words(caught.value.key, **caught.value.values)
    return caught.value


# -- gateways -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_text", "host"),
    [
        ("vpn.example.com", "vpn.example.com"),
        ("vpn.example.com.", "vpn.example.com"),
        ("localhost", "localhost"),
        ("my_host", "my_host"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("例え.jp", "xn--r8jz45g.jp"),  # example from RFC 3492's family of reference names
        ("ｖｐｎ．ｅｘａｍｐｌｅ．ｃｏｍ", "vpn.example.com"),
        ("vpn。example。com", "vpn.example.com"),
        (" vpn.example.com ", "vpn.example.com"),
    ],
)
def test_gateways(given_text: str, host: str) -> None:
    assert parse_gateway(given_text) == host


@pytest.mark.parametrize(
    ("given_text", "key"),
    [
        ("", "gateway.empty"),
        ("  ", "gateway.empty"),
        ("https://vpn.example.com/x", "gateway.url"),
        ("vpn.example.com/24", "gateway.url"),
        ("alice@vpn.example.com", "gateway.user"),
        ("vpn example", "gateway.space"),
        ("vpn\x1b[2J", "gateway.space"),
        ("vpn.example.com:4500", "gateway.port"),
        ("[2001:db8::1]:500", "gateway.port"),
        ("2001:db8::g", "gateway.ipv6"),
        ("[vpn]", "gateway.ipv6"),
        ("ff02::1", "gateway.not_a_host"),
        ("::", "gateway.not_a_host"),
        ("256.1.1.1", "gateway.ipv4"),
        ("10.1", "gateway.ipv4"),
        ("12345", "gateway.ipv4"),
        ("0x7f000001", "gateway.ipv4"),
        ("0.0.0.0", "gateway.not_a_host"),
        ("255.255.255.255", "gateway.not_a_host"),
        ("224.0.0.1", "gateway.not_a_host"),
        ("a..b", "gateway.name"),
        ("-a.b", "gateway.name"),
        ("a" * 64, "gateway.name"),
        (".".join(["a" * 60] * 5), "gateway.name"),
        ("a*b", "gateway.name"),
    ],
)
def test_what_is_no_gateway(given_text: str, key: str) -> None:
    assert problem(parse_gateway, given_text).key == key


@given(st.text(max_size=80))
def test_any_text_is_a_gateway_or_a_usage_problem(text: str) -> None:
    try:
        host = parse_gateway(text)
    except UsageProblemError:
        return
    assert host.isascii()
    assert host.isprintable()


# -- secrets ------------------------------------------------------------------------------------


class Notes(list[str]):
    def __call__(self, key: str, values: dict[str, object]) -> None:
        Words("ja")(key, **values)
        self.append(key)


def read_file(tmp_path: Path, content: bytes) -> tuple[str | None, Notes]:
    path = tmp_path / "secret.txt"
    path.write_bytes(content)
    notes = Notes()
    return read_text(Sources("psk", file=str(path)), notes), notes


@pytest.mark.parametrize(
    ("content", "secret", "notes"),
    [
        (b"key", "key", []),
        (b"key\n", "key", ["secret.stripped_line_end"]),
        (b"key\r\n", "key", ["secret.stripped_line_end"]),
        (b"key\n\n", "key\n", ["secret.stripped_line_end", "secret.kept_line_ends", ]),
        (b" key ", " key ", ["secret.kept_spaces"]),
        (b"\xef\xbb\xbfkey", "key", ["secret.stripped_bom"]),
        ("\ufeffkey\r\n".encode("utf-16-le"), "key", ["secret.stripped_bom", "secret.stripped_line_end"]),
        ("\ufeffkey".encode("utf-16-be"), "key", ["secret.stripped_bom"]),
        ("鍵\n".encode(), "鍵", ["secret.stripped_line_end"]),
    ],
)  # fmt: skip
def test_secret_files(tmp_path: Path, content: bytes, secret: str, notes: list[str]) -> None:
    assert read_file(tmp_path, content) == (secret, notes)


@pytest.mark.parametrize(
    ("content", "key", "offset"),
    [
        (b"", "secret.file_empty", None),
        (b"\n", "secret.file_empty", None),
        (b"\xef\xbb\xbf", "secret.file_empty", None),
        (b"ab\x00cd", "secret.file_nul", 2),
        (b"\xef\xbb\xbfa\x00", "secret.file_nul", 4),
        ("鍵".encode("cp932"), "secret.file_encoding", 0),
        (b"abc\xff", "secret.file_encoding", 3),
        ("\ufeffab".encode("utf-16-le") + b"c", "secret.file_encoding", 6),
        (b"x" * (MAX_SECRET_FILE + 1), "secret.file_long", None),
    ],
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes, key: str, offset: int | None) -> None:
    error = problem(read_file, tmp_path, content)
    assert error.key == key
    assert error.values.get("offset") == offset


def test_an_environment_variable_is_taken_away() -> None:
    environment = {"KEY": "value", "EMPTY": ""}
    sources = Sources("psk", environment="KEY")
    assert read_text(sources, Notes(), environment=environment) == "value"
    assert "KEY" not in environment
    assert problem(read_text, sources, Notes(), environment=environment).key == "secret.env_missing"
    empty = Sources("psk", environment="EMPTY")
    assert problem(read_text, empty, Notes(), environment=environment).key == "secret.env_empty"


def test_a_name_that_looks_like_a_secret_is_not_repeated() -> None:
    error = problem(read_text, Sources("psk", environment="hunter2!"), Notes(), environment={})
    assert error.key == "secret.env_name"
    assert "hunter2" not in str(error.values)


def test_no_source_is_no_secret_and_two_are_one_too_many() -> None:
    assert read_text(Sources("psk"), Notes()) is None
    both = Sources("psk", file="a", environment="B")
    assert problem(read_text, both, Notes()).key == "secret.two_sources"


def test_a_prompt_answers_for_a_dash() -> None:
    assert read_text(Sources("psk", file="-"), Notes(), prompt=lambda what: f"typed {what}") == "typed psk"
    empty = problem(read_text, Sources("psk", file="-"), Notes(), prompt=lambda _what: "")
    assert empty.key == "secret.stdin_empty"


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    sources = Sources("psk", keyring="office/vpn/alice")
    assert problem(read_text, sources, Notes()).key == "secret.keyring_package"
    module = ModuleType("keyring")
    stored = {("office/vpn", "alice"): "key"}
    vars(module)["get_password"] = lambda service, user: stored.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", module)
    assert read_text(sources, Notes()) == "key"
    assert problem(read_text, Sources("psk", keyring="x/y"), Notes()).key == "secret.keyring_missing"
    assert problem(read_text, Sources("psk", keyring="x"), Notes()).key == "secret.keyring_form"

    def broken(*_: str) -> str:
        raise RuntimeError("locked")

    vars(module)["get_password"] = broken
    assert problem(read_text, sources, Notes()).key == "secret.keyring_failed"


# Code points of JIS X 0208 row 16: U+4E9C is 0x88 0x9F in code page 932.
@pytest.mark.parametrize(
    ("encoding", "data"),
    [("utf-8", b"\xe4\xba\x9c"), ("cp932", b"\x88\x9f"), ("utf-16le", b"\x9c\x4e")],
)
def test_a_non_ascii_key_says_which_bytes_are_sent(encoding: str, data: bytes) -> None:
    notes = Notes()
    assert encode_psk("亜", encoding, notes).reveal() == data
    assert notes == ["secret.non_ascii"]


def test_ascii_keys_need_no_remark_and_impossible_ones_say_where() -> None:
    notes = Notes()
    assert encode_psk("key", "cp932", notes).reveal() == b"key"
    assert notes == []
    error = problem(encode_psk, "ab😀", "cp932", notes)
    assert (error.key, error.values["position"]) == ("secret.not_encodable", 3)


# -- certificates -------------------------------------------------------------------------------


def self_signed(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + datetime.timedelta(9))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_certificates_and_keys(tmp_path: Path) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    certificate = tmp_path / "cert.pem"
    certificate.write_bytes(self_signed(key) + self_signed(other))
    files = {}
    for name, private, protection in (
        ("good", key, NoEncryption()),
        ("other", other, NoEncryption()),
        ("locked", key, BestAvailableEncryption(b"x")),
    ):
        files[name] = tmp_path / name
        encoded = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        files[name].write_bytes(encoded)
    client = read_client_certificate(certificate, files["good"])
    assert client is not None
    assert client.private_key is not None
    assert len(client.chain) == 2
    assert client.private_key.reveal().startswith(b"\x30")
    for file, expected in (
        (files["other"], "certificate.key_mismatch"),
        (files["locked"], "certificate.key_encrypted"),
        (certificate, "certificate.key_not_pem"),
        (tmp_path / "none", "certificate.unreadable"),
    ):
        assert problem(read_client_certificate, certificate, file).key == expected
    assert problem(read_certificates, files["good"]).key == "certificate.not_pem"
    assert problem(read_certificates, tmp_path).key == "certificate.unreadable"


# -- files --------------------------------------------------------------------------------------


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"old")
    check_writable(path)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    assert problem(check_writable, tmp_path).key == "file.is_directory"
    assert problem(check_writable, tmp_path / "no" / "x").key == "file.no_folder"
    assert problem(check_writable, Path("/proc/l2tp-doctor")).key == "file.not_writable"


# -- language -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LC_ALL": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LC_ALL": "C", "LANG": "ja_JP"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "ja_JP", "LANG": "en_US"}, "ja"),
        ({"LANG": "de_DE"}, "en"),
    ],
)
def test_language_of_the_environment(environment: dict[str, str], language: str) -> None:
    assert from_system(environment) == language


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        (["--lang", "ja"], "ja"),
        (["check", "x", "--lang=en"], "en"),
        (["--lang", "ja", "check", "--lang", "en"], "en"),
        (["--", "--lang", "ja"], None),
        (["--lang"], None),
        (["--lang", "fr"], None),
        ([], None),
    ],
)
def test_language_of_the_command_line(arguments: list[str], language: str | None) -> None:
    assert from_arguments(arguments) == language
