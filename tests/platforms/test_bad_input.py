"""What users get wrong, through the real command: one line, the right exit code, never a traceback."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.platforms.command import COMMAND, ENVIRONMENT, USER, Served, run, serve, text

PSK = "practice-psk"


def check_with(served: Served, path: Path, *more: str) -> tuple[int, str, str]:
    """Runs a check with a key file; returns exit code, verdict or first cause, and what stderr says."""
    done = run(*served.target("--psk-file", str(path), *USER), *more, "--json")
    error = done.stderr.decode()
    assert "Traceback" not in error
    if done.returncode == 2:
        assert done.stdout == b""
        problems = [line for line in error.splitlines() if not line.startswith("note:")]
        assert len(problems) == 1, error
        return 2, "", error
    document = json.loads(done.stdout)
    causes = document["causes"]
    return done.returncode, causes[0]["id"] if causes else document["verdict"], error


GOOD_FILES = {
    "plain": (PSK.encode(), ()),
    "trailing newline": (f"{PSK}\n".encode(), ("the one line end at its end",)),
    "CRLF": (f"{PSK}\r\n".encode(), ("the one line end at its end",)),
    "BOM": (f"\ufeff{PSK}".encode(), ("the byte order mark (UTF-8)",)),
    "UTF-16 of Notepad": (
        f"\ufeff{PSK}\r\n".encode("utf-16-le"),
        ("the byte order mark (UTF-16 LE)", "the one line end at its end"),
    ),
    "UTF-16 big end": (f"\ufeff{PSK}".encode("utf-16-be"), ("the byte order mark (UTF-16 BE)",)),
}
WRONG_KEYS = {
    "spaces": (f" {PSK} ".encode(), "spaces at either end are sent"),
    "two line ends": (f"{PSK}\n\n".encode(), "line ends inside are sent"),
    "not ASCII": ("事前共有鍵".encode(), "sent as 15 bytes of utf-8"),
}
UNUSABLE = {
    "empty": (b"", "is empty"),
    "only a newline": (b"\n", "is empty"),
    "only a BOM": (b"\xef\xbb\xbf", "is empty"),
    "binary": (b"\x7fELF\x02\x01\x01\x00\x00", "NUL at byte offset 7"),
    "cp932": ("事前共有鍵".encode("cp932"), "is not UTF-8 at byte offset 0"),
    "odd UTF-16": (b"\xff\xfea\x00b", "is not UTF-8"),
    "huge": (b"x" * 65537, "longer than 65536 bytes"),
}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_a_key_file_of_any_editor_works_and_what_was_left_out_is_said(name: str, tmp_path: Path) -> None:
    content, remarks = GOOD_FILES[name]
    path = tmp_path / "psk.txt"
    path.write_bytes(content)
    with serve() as served:
        code, verdict, error = check_with(served, path)
    assert (code, verdict) == (0, "healthy")
    notes = [line for line in error.splitlines() if line.startswith("note:")]
    assert len(notes) == len(remarks)
    for remark in remarks:
        assert remark in error
    assert PSK not in error.replace(str(path), "")


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_what_is_sent_as_part_of_a_key_is_said(name: str, tmp_path: Path) -> None:
    content, remark = WRONG_KEYS[name]
    path = tmp_path / "psk.txt"
    path.write_bytes(content)
    with serve() as served:
        code, cause, error = check_with(served, path)
    assert (code, cause) == (1, "psk-mismatch")
    assert remark in error


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_a_key_is_refused_before_anything_is_sent(name: str, tmp_path: Path) -> None:
    content, reason = UNUSABLE[name]
    path = tmp_path / "psk.txt"
    path.write_bytes(content)
    with serve() as served:
        code, _, error = check_with(served, path)
        assert served.ask(lambda server: server.status()).counters.get("received", 0) == 0
    assert code == 2
    assert reason in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ike-port", "0"],
        ["--ike-port", "65536"],
        ["--ike-port", "-1"],
        ["--ike-port", "isakmp"],
        ["--nat-t-port", "4500.5"],
        ["--ike-port", "4500"],
        ["--budget", "0"],
        ["--budget", "-3"],
        ["--budget", "1e9"],
        ["--budget", "nan"],
        ["--budget", "inf"],
        ["--budget", "soon"],
        ["--psk-file", "/nowhere/psk.txt"],
        ["--psk-file", "/"],
        ["--pcap", "/nowhere/x.pcapng"],
        ["--ca", "/"],
        ["--user", "a", "--password-file", "/nowhere/password"],
    ],
    ids=" ".join,
)
def test_one_line_and_exit_2(arguments: list[str]) -> None:
    done = run("check", "127.0.0.1", *arguments)
    assert done.returncode == 2, text(done)
    assert done.stdout == b""
    assert len(done.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "needed", "stage"),
    [
        ((), "pre-shared key", "ike_auth"),
        (("--psk-env", "PRACTICE_PSK"), "user name and password", "auth"),
        (("--psk-env", "PRACTICE_PSK", "--user", "practice"), "user name and password", "auth"),
    ],
)
def test_missing_credentials_say_what_is_needed_and_how_far_it_got(
    options: tuple[str, ...], needed: str, stage: str
) -> None:
    with serve() as served:
        target = ("check", "127.0.0.1", *served.ports, *options)
        done = run(*target)
        assert done.returncode == 3, text(done)
        assert needed in " ".join(done.stdout.decode().split()), done.stdout.decode()
        document = json.loads(run(*target, "--json").stdout)
        assert (document["verdict"], document["stage"]) == ("undetermined", stage)
        assert served.wait_until(lambda status: status.sessions == 0 and status.tunnels == 0)


# -- terminals, pipes, encodings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "environment"),
    [
        ("ja", {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}),
        ("en", {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
        ("ja", {"PYTHONIOENCODING": "cp932"}),
        ("ja", {"COLUMNS": "40"}),
        ("en", {"COLUMNS": "1"}),
        ("en", {"COLUMNS": "none of your business"}),
        ("en", {"TERM": "dumb"}),
        ("ja", {"NO_COLOR": "1"}),
        ("en", {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}),
    ],
    ids=str,
)
def test_any_terminal_gets_the_verdict(lang: str, environment: dict[str, str]) -> None:
    with serve("ppp-credentials-rejected") as served:
        done = run(*served.target(), "--verbose", "--why", environment=environment, lang=lang)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"691" in done.stdout


def test_json_with_verbose_and_why_is_still_one_document() -> None:
    with serve() as served:
        done = run(*served.target(), "--json", "--verbose", "--why")
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "healthy"


@pytest.mark.parametrize(
    ("closed", "more"),
    [
        ("<&-", ()),
        (">&-", ()),
        (">&-", ("--json",)),
        ("2>&-", ("--verbose",)),
        ("<&- >&- 2>&-", ("--why",)),
        ("<&- >&- 2>&-", ("--json",)),
    ],
)
def test_closed_standard_streams(closed: str, more: tuple[str, ...]) -> None:
    with serve() as served:
        done = run(*served.target(), *more, command=["sh", "-c", f'exec "$0" "$@" {closed}', *COMMAND])
    assert done.returncode == 0, text(done)
    assert "Traceback" not in text(done)


def test_a_reader_that_leaves_at_once() -> None:
    with serve("psk-mismatch") as served:
        done = subprocess.run(
            ["sh", "-c", '"$0" "$@" | true', *COMMAND, *served.target(), "--verbose", "--why"],
            capture_output=True, env=ENVIRONMENT, timeout=30,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
        assert b"BrokenPipe" not in done.stderr
        assert served.wait_until(lambda status: status.sessions == 0)


def test_standard_input_that_is_no_terminal_gives_one_secret() -> None:
    with serve() as served:
        done = run(*served.target("--psk-file", "-", *USER), stdin=b"practice-psk\n")
        assert done.returncode == 0, text(done)
        done = run(*served.target("--psk-file", "-", *USER), stdin=b"")
        assert done.returncode == 2
        assert b"no psk was entered" in done.stderr


def test_no_secret_twice_from_standard_input() -> None:
    done = run(
        "check", "127.0.0.1", "--psk-file", "-", "--user", "a", "--password-file", "-", stdin=b"x\ny\n"
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
