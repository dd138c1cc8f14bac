"""A key and a password that can be recognised, looked for in everything that comes out."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.secret import Secret
from tests.platforms.command import COMMAND, ENVIRONMENT, ROOT, serve, start

PSK = "Kestrel-Quince-42/pre-shared"
PASSWORD = "Walnut!Harbour_77-word"
USER = "alice"
WORDS = {"psk": PSK, "password": PASSWORD}


def forms(word: str) -> Iterator[bytes]:
    """The text, its UTF-16, and both in hexadecimal and in base64 at each of the three alignments."""
    for data in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
        yield data
        yield data.hex().encode()
        yield data.hex().upper().encode()
        yield data.hex(":").encode()
        yield data[::-1]
        for offset in range(3):
            encoded = base64.b64encode(bytes(offset) + data)
            # The first and last characters depend on the neighbours.
            yield encoded[4 if offset else 0 : -4]


def found_in(content: bytes) -> list[str]:
    return [name for name, word in WORDS.items() for form in forms(word) if form in content]


def test_the_search_finds_what_it_looks_for() -> None:
    for name, word in WORDS.items():
        for form in forms(word):
            assert found_in(b"..." + form + b"...") != []
        assert found_in(base64.b64encode(b"{'x': '" + word.encode() + b"'}")) == [name]
    assert found_in(b"nothing") == []


@pytest.fixture(scope="module", params=["healthy", "wrong key", "refused"])
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every output of a check, by name."""
    folder = tmp_path_factory.mktemp("secrets")
    key, password = folder / "key", folder / "password"
    key.write_text(PSK if request.param != "wrong key" else PSK + "x", encoding="utf-8")
    password.write_text(PASSWORD, encoding="utf-8")
    wanted = {
        "credentials": Credentials(psk=Secret(PSK.encode())),
        "users": MappingProxyType({USER: Secret(PASSWORD.encode())}),
    }
    fault = "ppp-credentials-rejected" if request.param == "refused" else None
    collected: dict[str, bytes] = {}
    with serve(fault, **wanted) as served:
        for name, options in (("text", ["--verbose", "--why"]), ("json", ["--json"])):
            capture, clear = folder / f"{name}.pcapng", folder / f"{name}-clear.pcapng"
            secrets = ["--psk-file", str(key), "--user", USER, "--password-file", str(password)]
            files = ["--pcap", str(capture), "--pcap-decrypted", str(clear)]
            process = start(*served.target(*secrets, *files, *options))
            if sys.platform.startswith("linux"):
                assert process.stderr is not None
                process.stderr.readline()
                for what in ("cmdline", "environ"):
                    collected[f"{name} {what}"] = Path(f"/proc/{process.pid}/{what}").read_bytes()
            out, error = process.communicate(timeout=30)
            assert process.returncode in (0, 1)
            collected |= {
                f"{name} stdout": out,
                f"{name} stderr": error,
                f"{name} pcap": capture.read_bytes(),
                f"{name} pcap-decrypted": clear.read_bytes(),
            }
    return collected


def test_no_secret_comes_out_anywhere(everything: dict[str, bytes]) -> None:
    assert {name: found for name, content in everything.items() if (found := found_in(content))} == {}
    assert all(everything[name] for name in everything if "stderr" in name or "pcap" in name)


def mschap_response(capture: bytes) -> bytes | None:
    """The NT-Response in a decrypted capture (RFC 2759 §4), or ``None``."""
    # PPP protocol C223, code 2, identifier, length, value size 49; then peer challenge and eight zeros.
    start_of = capture.find(b"\xc2\x23\x02")
    while start_of >= 0:
        if capture[start_of + 6 : start_of + 7] == b"\x31":
            value = capture[start_of + 7 : start_of + 56]
            return value[24:48]
        start_of = capture.find(b"\xc2\x23\x02", start_of + 1)
    return None


def test_what_a_password_can_be_guessed_from_is_in_the_decrypted_capture_only(
    everything: dict[str, bytes],
) -> None:
    for name in ("text", "json"):
        response = mschap_response(everything[f"{name} pcap-decrypted"])
        if response is None:
            continue  # the dial did not get that far
        shown = everything[f"{name} stdout"] + everything[f"{name} stderr"] + everything[f"{name} pcap"]
        assert response not in shown
        assert response.hex().encode() not in shown.lower()
        assert base64.b64encode(response) not in shown
        assert repr(response)[2:-1].encode() not in shown
    text = everything["text stdout"]
    assert (b"auth" in text.lower()) is True


def test_a_crash_with_traceback_quotes_no_secret(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(PSK, encoding="utf-8")
    code = (
        "import l2tp_doctor.probes.offers as offers\n"
        "def broken(request): raise RuntimeError(f'{request!r} {vars(type(request))!r}')\n"
        "offers.credentials = broken\n"
        "from l2tp_doctor.cli.main import run\n"
        "run()\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code, "check", "127.0.0.1", "--psk-file", str(key), "--verbose", "--lang", "en"],
        capture_output=True, env=ENVIRONMENT, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert done.returncode == 3
    assert b"bug in l2tp-doctor" in done.stderr
    assert found_in(done.stdout + done.stderr) == []


def test_a_secret_from_the_environment_is_taken_out_of_it() -> None:
    code = (
        "import os\n"
        "from l2tp_doctor.cli.secrets import Sources, read_text\n"
        "value = read_text(Sources('psk', environment='THE_KEY'), lambda *_: None)\n"
        "import subprocess, sys\n"
        "print(value is not None, 'THE_KEY' in os.environ)\n"
        "subprocess.run([sys.executable, '-c', 'import os; print(\"THE_KEY\" in os.environ)'])\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-u", "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=30,
        env={**ENVIRONMENT, "THE_KEY": PSK},
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False", "False"], done.stderr
