"""``guide`` as a user meets it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from l2tp_doctor.cli.commands import root
from l2tp_doctor.cli.last_check import FILE_NAME as LAST
from l2tp_doctor.cli.last_check import remember
from l2tp_doctor.knowledge import articles
from l2tp_doctor.knowledge.entries import EXAMPLES
from l2tp_doctor.storage.database import FILE_NAME
from l2tp_doctor.storage.folder import HOME_VARIABLE
from tests.guide.last import HOST, recorded
from tests.guide.writing import article
from tests.platforms.command import COMMAND, ENVIRONMENT, serve
from tests.platforms.command import run as run_process


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A library with the package's articles, which takes half a second to make."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder))
        assert run("guide").exit_code == 0
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return (folder / FILE_NAME).read_bytes()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prepared: bytes) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(prepared)
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.delenv("L2TP_DOCTOR_TRACEBACK", raising=False)
    return folder


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(root, list(arguments), prog_name="l2tp-doctor")
    assert "Traceback" not in result.output
    assert "bug in l2tp-doctor" not in result.output
    return result


def last_check(home: Path, name: str) -> None:
    assert remember(recorded(name)) is None
    assert (home / LAST).is_file()


# -- finding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ja", "en"])
def test_without_words_it_lists_every_article(language: str) -> None:
    result = run("guide", "--lang", language)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(articles.case_ids())
    assert articles.bundled()["809"]["ja" if language == "ja" else "en"].title in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("guide", "809"),
        ("guide", "show", "809"),
        ("guide", "VPN 接続エラー 809"),
        ("guide", "error", "809"),
        ("guide", "--no-pager", "809"),
        ("--lang", "en", "guide", "809"),
        ("guide", "--lang", "en", "809"),
        ("guide", "--lang=en", "show", "809"),
    ],
)
def test_an_article_is_found_by_its_number_and_by_words(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("VPN connection error 809 (L2TP/IPsec)\n")
    assert "l2tp-doctor check vpn.example.com" in result.stdout


def test_an_entry_can_be_asked_for_by_its_name() -> None:
    result = run("guide", "fix:open-udp-4500")
    assert result.exit_code == 0
    assert "ufw delete allow 4500/udp" in result.stdout
    unknown = run("guide", "fix:no-such")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "fix:no-such" in unknown.stderr


def test_what_is_not_found_is_one_line_and_exit_code_1() -> None:
    result = run("guide", "!!!")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def test_a_tag_selects() -> None:
    tagged = run("guide", "--tag", "networking")
    assert tagged.exit_code == 0
    assert tagged.stdout == run("guide", "--tag", "Networking").stdout
    assert "809" in tagged.stdout
    found = run("guide", "--tag", "Networking", "809")
    assert found.stdout.startswith("VPN connection error 809")
    assert run("guide", "--tag", "no-such-tag").exit_code == 1
    assert run("guide", "--tag", "no-such-tag", "809").exit_code == 1


@pytest.mark.parametrize("language", ["ja", "en"])
def test_help_is_in_both_languages(language: str) -> None:
    for verb in ((), ("show",), ("import",), ("remove",)):
        result = run("guide", *verb, "--help", "--lang", language)
        assert result.exit_code == 0
        assert ("記事" in result.stdout) is (language == "ja")


# -- formats ------------------------------------------------------------------------------------


def test_every_format_says_what_it_is() -> None:
    assert run("guide", "809", "--format", "md").stdout.startswith("# VPN connection error 809")
    assert run("guide", "809", "--format", "html").stdout.startswith("<!doctype html>")
    assert run("guide", "809", "--format", "pdf").stdout_bytes.startswith(b"%PDF-")
    document = json.loads(run("guide", "809", "--format", "json").stdout)
    assert (document["case_id"], document["language"]) == ("809", "en")
    listed = json.loads(run("guide", "--format", "json").stdout)
    assert [row["id"] for row in listed] == list(articles.case_ids())


@pytest.mark.parametrize("chosen", ["text", "md", "html", "json", "pdf"])
def test_output_is_written_whole(tmp_path: Path, chosen: str) -> None:
    path = tmp_path / "809.out"
    result = run("guide", "809", "--format", chosen, "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert str(path) in result.stderr
    # The lines of a text are broken for the screen, and for a file at a width of its own.
    shown = run("guide", "809", "--format", chosen).stdout_bytes
    written = path.read_bytes()
    if chosen == "text":
        written, shown = b"".join(written.split()), b"".join(shown.split())
    assert written == shown


def test_output_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "no" / "such" / "folder.md", Path("/proc/none.md")):
        result = run("guide", "809", "--format", "md", "--output", str(target))
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_device_is_written_to_and_not_replaced() -> None:
    assert run("guide", "809", "--format", "md", "--output", "/dev/null").exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_list_has_no_html_and_a_format_has_to_exist() -> None:
    assert run("guide", "--format", "html").exit_code == 2
    assert run("guide", "809", "--format", "docx").exit_code == 2


# -- on a terminal ------------------------------------------------------------------------------


def on_terminal(
    *arguments: str, lines: int = 24, columns: int = 80, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Runs the command on a pseudo-terminal of that size; returns its exit code and what was shown."""
    import fcntl
    import pty
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    settings = {name: value for name, value in ENVIRONMENT.items() if name not in ("LINES", "COLUMNS")}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=child, stdout=child, stderr=child, close_fds=True,
        env={**settings, "TERM": "xterm-256color", HOME_VARIABLE: os.environ[HOME_VARIABLE],
             **(environment or {})},
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    return process.wait(timeout=20), shown.decode().replace("\r\n", "\n")


pty_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")


@pty_only
def test_what_is_longer_than_the_terminal_goes_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\n", encoding="utf-8")
    pager.chmod(0o755)
    code, shown = on_terminal("guide", "809", environment={"PAGER": str(pager)})
    assert code == 0
    assert "VPN connection error 809" not in shown
    paged = (tmp_path / "paged").read_text(encoding="utf-8")
    assert "VPN connection error 809" in paged
    assert "\x1b[" in paged
    (tmp_path / "paged").unlink()
    for arguments in (("guide", "809", "--no-pager"), ("guide", "--tag", "Networking")):
        code, shown = on_terminal(*arguments, environment={"PAGER": str(pager)})
        assert code == 0
        assert "VPN connection error 809" in shown
        assert not (tmp_path / "paged").exists()


@pty_only
@pytest.mark.parametrize(
    "off", [("--no-color", {}), ("--no-pager", {"NO_COLOR": "1"})], ids=["option", "NO_COLOR"]
)
def test_colours_can_be_turned_off(off: tuple[str, dict[str, str]]) -> None:
    option, environment = off
    _, shown = on_terminal("guide", "868", "--no-pager", option, environment=environment)
    assert "868" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)


@pty_only
def test_a_narrow_terminal_and_one_without_unicode() -> None:
    _, shown = on_terminal("guide", "868", "--no-pager", "--no-color", columns=40)
    prose = [line for line in shown.split("\n") if line and not line.startswith("     ")]
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in prose) <= 40
    _, shown = on_terminal(
        "guide",
        "868",
        "--no-pager",
        environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )
    assert shown.isascii()
    assert "868" in shown


@pty_only
def test_a_pdf_does_not_go_to_a_terminal() -> None:
    code, shown = on_terminal("guide", "809", "--format", "pdf")
    assert code == 2
    assert "%PDF" not in shown


# -- the last check -----------------------------------------------------------------------------


def test_last_without_a_check_is_one_line(home: Path) -> None:
    result = run("guide", "--last")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert not (home / LAST).exists()


WHOLE = """{"schema_version":1,"target":{"host":"h","address":null},"verdict":"faulty","stage":"nat_t",
"windows_error":null,"causes":[],"observations":[],"timeline":[],"elapsed_seconds":1.0"""


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", 2), ("{}", 2), ("[1,2]", 2), ("\x00\xff", 2), ('{"target": 1}', 2), ("{" * 20000, 2),
        (WHOLE, 2), (WHOLE + "}", 0), (WHOLE.replace("1", "99", 1) + "}", 2),
        (WHOLE + ',"started_at":1e300}', 0), (WHOLE + ',"started_at":-1e17}', 0),
        (WHOLE.replace('"h"', '"\\u001b[2J`x`\\u202e"') + "}", 0),
        (WHOLE.replace('"causes":[]', '"causes":[{"id":"psk-mismatch","probability":1e308,'
         '"title":{"ja":"","en":""},"evidence":[],"fixes":[]}]') + "}", 0),
        (WHOLE.replace('"causes":[]', '"causes":[{"id":"of-the-future","probability":1,'
         '"title":{"ja":"","en":""},"evidence":[],"fixes":[]}]') + "}", 0),
    ],
)  # fmt: skip
def test_a_last_check_that_is_broken_or_strange(home: Path, content: str, code: int) -> None:
    (home / LAST).write_text(content, encoding="utf-8")
    result = run("guide", "--last")
    assert result.exit_code == code
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    if code:
        assert len(result.stderr.splitlines()) == 1


def test_a_last_check_that_is_a_folder(home: Path) -> None:
    (home / LAST).mkdir()
    assert run("guide", "--last").exit_code == 2


@pytest.mark.parametrize("language", ["ja", "en"])
def test_last_rewrites_the_article(home: Path, language: str) -> None:
    last_check(home, "udp-4500-dropped-server-behind-nat")
    result = run("guide", "--last", "--lang", language)
    assert result.exit_code == 0
    assert HOST in result.stdout
    assert "vpn.example.com" not in result.stdout
    everything = run("guide", "--last", "--all", "--lang", language)
    assert len(everything.stdout) > len(result.stdout)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_profiles_name_stands_in_every_command(home: Path, language: str) -> None:
    name = "本社 VPN (L2TP)'s"
    arguments = ("guide", "--all", "--vpn-profile", f" {name} ", "--lang", language)
    for more in ((), ("--last",)):
        last_check(home, "udp-4500-dropped-server-behind-nat")
        shown = run(*arguments, *more, "809").stdout
        assert f'Get-VpnConnection -Name "{name}"' in shown
        assert EXAMPLES["profile"] not in shown
    alone = run(*arguments, "--last", "check:profile-properties").stdout
    assert f'"{name}"' in alone
    assert HOST in alone


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        'a" -Force; Remove-Item C:\\ "',
        "$(calc)",
        "`$x",
        "%PATH%",
        "a“b",
        "two\nlines",
        "\x1b[2J",
        ".x",
        "x" * 257,
    ],
)
def test_a_profile_name_that_a_shell_would_read_otherwise_is_refused(home: Path, name: str) -> None:
    result = run("guide", "809", "--vpn-profile", name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr


def test_last_chooses_the_article_unless_one_is_named(home: Path) -> None:
    last_check(home, "wrong-key")
    assert run("guide", "--last").stdout.startswith("VPN connection error 789")
    assert run("guide", "--last", "809").stdout.startswith("VPN connection error 809")


@pytest.mark.parametrize(
    ("options", "title", "found"),
    [
        (("--psk-env", "WRONG"), "VPN connection error 789", "The pre-shared keys differ"),
        ((), "VPN connection error 809", "dialled to the end"),
    ],
)
def test_a_real_check_is_remembered_and_read(
    home: Path, options: tuple[str, ...], title: str, found: str
) -> None:
    environment = {HOME_VARIABLE: str(home), "WRONG": "not-the-key"}
    user = ("--user", "practice", "--password-env", "PRACTICE_PASSWORD")
    with serve() as gateway:
        arguments = gateway.target(*(*options, *user)) if options else gateway.target()
        run_process(*arguments, environment=environment)
    result = run_process("guide", "--last", environment=environment)
    shown = result.stdout.decode()
    assert result.returncode == 0
    assert shown.startswith(title)
    assert found in " ".join(shown.split())
    assert "127.0.0.1" in shown


# -- importing ----------------------------------------------------------------------------------


def test_an_article_is_imported_found_shown_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "kyoto.md"
    path.write_text(article("en", title="Router of the Kyoto office"), encoding="utf-8")
    assert (run("guide", "import", str(path))).stdout == "1 taken in, 0 refused\n"
    assert "kyoto " in run("guide").stdout
    assert run("guide", "Kyoto office router").stdout.startswith("Router of the Kyoto office")
    assert run("guide", "KYOTO").stdout.startswith("Router of the Kyoto office")
    assert run("guide", "remove", "kyoto").exit_code == 0
    assert run("guide", "remove", "kyoto").exit_code == 1
    assert run("guide", "remove", "809").exit_code == 1
    assert "kyoto" not in run("guide").stdout


@pytest.mark.parametrize("language", ["ja", "en"])
def test_mistakes_are_lines_an_editor_can_jump_to(tmp_path: Path, language: str) -> None:
    (tmp_path / "good.md").write_text(article(), encoding="utf-8")
    bad = tmp_path / "bad\x1b[2J.md"
    bad.write_text(article(sections={"check": "- [x](check:gone)"}), encoding="utf-8")
    result = run("guide", "import", str(tmp_path), "--lang", language)
    assert result.exit_code == 1
    assert re.search(r"bad\ufffd\[2J\.md:\d+: ", result.stderr)
    assert "\x1b" not in result.output
    assert "1" in result.stdout


def test_what_cannot_be_imported_at_all(tmp_path: Path) -> None:
    assert run("guide", "import").exit_code == 2
    assert run("guide", "import", str(tmp_path / "gone")).exit_code == 2
    assert run("guide", "import", str(tmp_path)).exit_code == 2  # a folder without articles


def test_a_title_that_steers_terminals_does_not(tmp_path: Path) -> None:
    path = tmp_path / "ours.md"
    path.write_text(article("en", title="\\e[2J\\u202e\\nx"), encoding="utf-8")
    assert run("guide", "import", str(path)).exit_code == 0
    for arguments in (("guide",), ("guide", "ours"), ("guide", "ours", "--format", "md")):
        shown = run(*arguments).output
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_the_language_may_stand_before_the_verb(tmp_path: Path) -> None:
    path = tmp_path / "ours.md"
    path.write_text(article(), encoding="utf-8")
    assert "1 taken in" in run("guide", "--lang", "en", "import", str(path)).stdout
    assert "1 taken in" in run("guide", "--no-color", "import", str(path)).stdout


def test_a_thousand_articles_with_mistakes_among_them(tmp_path: Path) -> None:
    for number in range(1000):
        text = article(title=f"手順 {number}")
        if number % 100 == 7:
            text = text.replace("## 要約", "## よう")
        (tmp_path / f"ours-{number:04}.md").write_text(text, encoding="utf-8")
    result = run("guide", "import", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "990 taken in, 10 refused\n")
    assert len({line.partition(":")[0] for line in result.stderr.splitlines()}) == 10
    assert len(run("guide").stdout.splitlines()) == 990 + len(articles.case_ids())


# -- a library that cannot be used --------------------------------------------------------------


def corrupt_header(path: Path) -> None:
    path.write_bytes(b"a shopping list" * 1000)


def corrupt_inside(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 3])


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [corrupt_header, corrupt_inside, truncated, newer, folder])
def test_a_library_that_is_broken_leaves_the_articles_of_the_package(home: Path, damage: object) -> None:
    assert callable(damage)
    damage(home / FILE_NAME)
    before = None if damage is folder else (home / FILE_NAME).read_bytes()
    result = run("guide", "809")
    assert result.exit_code == 0
    assert result.stdout.startswith("VPN connection error 809")
    assert len(result.stderr.splitlines()) == 1
    assert FILE_NAME in result.stderr
    if before is not None:
        assert (home / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("damage", [corrupt_header, corrupt_inside, truncated, newer, folder])
@pytest.mark.parametrize("verb", ["import", "remove"])
def test_nothing_is_imported_into_or_removed_from_a_broken_library(
    home: Path, tmp_path: Path, damage: object, verb: str
) -> None:
    assert callable(damage)
    damage(home / FILE_NAME)
    (tmp_path / "ours.md").write_text(article(), encoding="utf-8")
    result = run("guide", verb, str(tmp_path / "ours.md") if verb == "import" else "ours")
    assert result.exit_code in (2, 3)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("place", ["file", "/proc/nowhere"])
def test_a_folder_that_cannot_be_made(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place == "file":
        place = str(tmp_path / "file")
        Path(place).write_text("", encoding="utf-8")
    monkeypatch.setenv(HOME_VARIABLE, place)
    result = run("guide", "809")
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert run("guide", "remove", "x").exit_code == 2
    assert run("guide", "--last").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(home: Path) -> None:
    (home / FILE_NAME).chmod(0o400)
    home.chmod(0o500)
    try:
        result = run("guide", "809")
        assert result.exit_code == 0
        assert len(result.stderr.splitlines()) <= 1
    finally:
        home.chmod(0o700)


# -- several processes --------------------------------------------------------------------------


def test_processes_that_make_and_fill_a_library_at_once(tmp_path: Path) -> None:
    """Each makes the library, its tables and its index, and imports its own articles and one of all."""
    processes = []
    fresh = tmp_path / "fresh"
    for process in range(4):
        own = tmp_path / f"of-{process}"
        own.mkdir()
        for number in range(10):
            (own / f"ours-{process}-{number}.md").write_text(article(), encoding="utf-8")
        (own / "shared.md").write_text(article(title=f"共有 {process}"), encoding="utf-8")
        processes.append(
            subprocess.Popen(
                [*COMMAND, "--lang", "en", "guide", "import", str(own)],
                env={**ENVIRONMENT, HOME_VARIABLE: str(fresh)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for started in processes:
        out, error = started.communicate(timeout=60)
        assert (started.returncode, out, error) == (0, "11 taken in, 0 refused\n", "")
    with sqlite3.connect(fresh / FILE_NAME) as connection:
        rows = connection.execute("SELECT count(*), count(DISTINCT case_id) FROM article").fetchone()
        indexed = {row for (row,) in connection.execute("SELECT rowid FROM article_index")}
        stored = {row for (row,) in connection.execute("SELECT id FROM article")}
    connection.close()
    assert rows == (41 + 2 * len(articles.case_ids()), 41 + len(articles.case_ids()))
    assert indexed == stored


def test_words_that_do_not_decide_give_the_articles_to_choose_from() -> None:
    result = run("guide", "つながらない", "--lang", "ja")
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.splitlines()]
    assert {"809", "unstable-behind-nat"} <= set(listed)
    assert run("guide", "つながらない", "--lang", "ja", "--format", "md").stdout.startswith("# ")
