"""What the linter promises whatever the text: it never raises, it prints no secret, it finds in any dress."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2tp_doctor.knowledge.entries import Action, Check, Fix, Measure, entry, entry_ids, fill
from l2tp_doctor.lint import LANGUAGES, SEVERITIES, decode, lint_text
from l2tp_doctor.lint.model import Finding
from tests.lint.test_corpus import BAD, GOOD, expected

# -- any text ---------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        "Set-Service",
        "RasMan",
        " -StartupType ",
        "Disabled",
        "icacls",
        "Everyone:F",
        "/grant",
        "$x",
        "${",
        "$(",
        "@(",
        "@{",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "'",
        '"',
        "`",
        "^",
        "%",
        "%x%",
        "!x!",
        "|",
        "&",
        ";",
        "\n",
        ",",
        "=",
        "+=",
        "@'\n",
        "\n'@",
        '@"\n',
        '\n"@',
        "<#",
        "#>",
        "#",
        "REM ",
        "::",
        "set x=",
        "set /p ",
        "for %%a in (",
        ") do ",
        "<<EOF",
        "EOF",
        "powershell -e ",
        "iex ",
        "cmd /c ",
        "-f ",
        "{0}",
        "+",
        "-join ",
        "-replace ",
        "%%a",
        "\\",
        "“",
        "あ",
        "\ufffc",
        "\0",
        "\ud800",
        "```",
        "```powershell\n",
        "- ",
        "command: |\n  ",
        "shell: sh\n",
        ": ",
        "function f ",
        "param(",
        "foreach ($x in ",
        "$_",
        "$x.a",
        "$x[0]",
        "::new(",
        "[Foo]",
        "~",
        "&&",
        "||",
        "if ",
        "else ",
        "--%",
    ]
)
_TEXTS = st.one_of(st.text(), st.lists(_PIECES, max_size=40).map("".join))


@settings(max_examples=400, deadline=None)
@given(_TEXTS, st.sampled_from(LANGUAGES))
def test_no_text_makes_it_raise(text: str, language: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    for one in lint_text(text, language):
        assert isinstance(one, Finding)
        assert one.severity in SEVERITIES
        assert 1 <= one.span.line <= one.span.end_line <= lines + 1
        assert one.span.column >= 1


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BAD + GOOD), st.data())
def test_no_damaged_script_makes_it_raise(path: Path, data: st.DataObject) -> None:
    text = path.read_text(encoding="utf-8")
    place = data.draw(st.integers(0, len(text)))
    size = data.draw(st.integers(0, 8))
    new = data.draw(_TEXTS)
    for language in LANGUAGES:
        lint_text(text[:place] + new + text[place + size :], language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "text", ["(" * 5000, "{" * 5000, "$(" * 5000, '"$(' * 3000, "[" * 9000, "- " * 3000, "`" * 9999]
)
def test_deep_nesting_does_not_exhaust_it(language: str, text: str) -> None:
    lint_text(text, language)
    lint_text("Set-Service " + text, language)


def test_values_do_not_multiply_without_end() -> None:
    doubling = "$x = 'Ras'\n" + '$x = "$x$x"\n' * 60 + "Set-Service $x -StartupType Disabled\n"
    choices = "".join(f"if ($c) {{ $v{i} = 'a' }} else {{ $v{i} = 'b' }}\n" for i in range(30))
    mixed = choices + 'icacls "' + "".join(f"$v{i}" for i in range(30)) + '" /grant Everyone:F\n'
    wide = "$x = '{0,999999999}' -f 'a'\nicacls $x /grant Everyone:F"
    started = time.perf_counter()
    assert not lint_text(doubling, "powershell")
    assert [one.rule for one in lint_text(mixed, "powershell")] == ["everyone-full-control"]
    assert [one.rule for one in lint_text(wide, "powershell")] == ["everyone-full-control"]
    lint_text("set a=x\n" + "set a=%a%%a%\n" * 60 + "icacls %a% /grant Everyone:F\n", "cmd")
    lint_text("a=x\n" + 'a="$a$a"\n' * 60 + 'chmod 777 "$a"\n', "sh")
    assert time.perf_counter() - started < 5


def test_a_value_that_rests_on_itself_is_unknown() -> None:
    assert not lint_text("function f($a) { f $a; Set-Service $a -StartupType Disabled }\nf $b", "powershell")
    assert not lint_text("$a = $b\n$b = $a\nSet-Service $a -StartupType Disabled", "powershell")


def test_an_unknown_language_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no such language"):
        lint_text("", "cobol")


# -- any dress --------------------------------------------------------------------------------------

_POWERSHELL = [path for path in BAD if path.suffix == ".ps1" and not path.name.startswith("suppression")]
_CMD = [path for path in BAD if path.suffix in (".cmd", ".bat")]


def _rules(text: str, language: str) -> list[str]:
    return sorted(one.rule for one in lint_text(text, language) if one.rule != "syntax")


def _wanted(path: Path) -> set[str]:
    return {word.partition("@")[0] for word in expected(path)}


def _other_case(text: str) -> str:
    """Swaps the case of what is no string, since base64 and labels care."""
    return text.swapcase()


def _plain(paths: list[Path]) -> list[Path]:
    """Leaves out what knows case: base64, variables of ``for``, and what a backtick escapes."""
    knows = ("encoded", "backtick", "base64")
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return [path for path, text in texts if not path.stem.endswith(knows) and "%%" not in text]


@pytest.mark.parametrize("path", _plain(_POWERSHELL), ids=lambda path: path.name)
def test_the_case_of_powershell_says_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _rules(_other_case(text), "powershell") == _rules(text, "powershell")


@pytest.mark.parametrize("path", _plain(_CMD), ids=lambda path: path.name)
def test_the_case_of_cmd_says_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _rules(_other_case(text), "cmd") == _rules(text, "cmd")


@pytest.mark.parametrize(
    "path",
    [path for path in _POWERSHELL if path.name != "psk-param.ps1"],  # a script's own parameters begin it
    ids=lambda path: path.name,
)
@pytest.mark.parametrize(
    "form",
    [
        "function Repair-It {{\n{0}\n}}\nRepair-It\n",
        "if ($env:X) {{\n{0}\n}}\n",
        "try {{\n{0}\n}} finally {{ Get-Date }}\n",
        "& {{\n{0}\n}}\n",
    ],
)
def test_a_function_or_a_block_around_it_hides_nothing(path: Path, form: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert _wanted(path) <= set(_rules(form.format(text), "powershell"))


@pytest.mark.parametrize("path", _POWERSHELL, ids=lambda path: path.name)
def test_lines_between_and_windows_line_ends_hide_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _rules(text.replace("\n", "\r\n"), "powershell") == _rules(text, "powershell")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_backticks_and_carets_hide_nothing(data: st.DataObject) -> None:
    def dressed(word: str, sign: str, allowed: str) -> str:
        places = [i for i, char in enumerate(word) if i and char in allowed and char.isalpha()]
        for place in sorted(data.draw(st.sets(st.sampled_from(places), max_size=3)), reverse=True):
            word = word[:place] + sign + word[place:]
        return word

    plain = (
        "".join(chr(code) for code in range(65, 91)) + "cdghijklmopqswxyz"
    )  # no `n, `t …: those are characters
    words = [dressed(word, "`", plain) for word in ("Set-Service", "RasMan", "Disabled")]
    assert _rules(f"{words[0]} {words[1]} -StartupType {words[2]}", "powershell") == ["service-disabled"]
    letters = plain + "abefnrtuv"
    words = [dressed(word, "^", letters) for word in ("icacls", "/grant", "Everyone")]
    assert _rules(f"{words[0]} C:\\x {words[1]} {words[2]}:F", "cmd") == ["everyone-full-control"]


@pytest.mark.parametrize("path", _POWERSHELL, ids=lambda path: path.name)
def test_an_encoded_command_hides_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = base64.b64encode(text.encode("utf-16-le")).decode()
    found = lint_text(f"Get-Date\npowershell -NoProfile -enc {code}\n", "powershell")
    assert _wanted(path) <= {one.rule for one in found}
    assert {one.span.line for one in found} <= {2}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932", "utf-32"]
)
def test_a_file_in_any_encoding_is_read(encoding: str) -> None:
    text = "# 設定を変える\r\nicacls C:\\共有 /grant Everyone:F\r\n"
    found = lint_text(decode(text.encode(encoding)), "powershell")
    assert [(one.rule, one.span.line) for one in found] == [("everyone-full-control", 2)]
    assert "共有" in found[0].excerpt.text


def test_columns_are_characters() -> None:
    found = lint_text("Write-Output 'あいう'; icacls C:\\共有 /grant Everyone:F\n", "powershell")
    assert (found[0].span.column, found[0].span.end_column) == (
        21,
        21 + len("icacls C:\\共有 /grant Everyone:F"),
    )


# -- secrets ----------------------------------------------------------------------------------------

_SECRETS = ("correct-horse", "battery-staple", "swordfish-9", "-staple")


@pytest.mark.parametrize(
    "path", [path for path in BAD if "psk" in path.name or "plan" in path.name], ids=lambda p: p.name
)
def test_no_finding_shows_a_key(path: Path) -> None:
    from l2tp_doctor.lint import language_of
    from l2tp_doctor.lint.output import as_json, as_sarif

    language = language_of(path.name)
    assert language is not None
    text = path.read_text(encoding="utf-8")
    found = lint_text(text, language, path.name)
    shown = repr(found) + repr(as_json(found, 1, [], "ja")) + repr(as_sarif(found, [], "en"))
    for secret in _SECRETS:
        assert secret not in shown
    for word in text.split():
        if len(word) > 100:  # an encoded command with the key inside
            assert word not in shown
            assert word[:60] not in shown


@settings(max_examples=80, deadline=None)
@given(st.text("abcdefghijkmnpqrstuvwxyz23456789-_@!", min_size=6, max_size=24), st.integers(1, 5))
def test_a_key_in_pieces_is_not_shown_either(key: str, cut: int) -> None:
    lines = [
        f"Set-VpnConnection -Name Office -L2tpPsk '{key}'",
        f"Set-VpnConnection -Name Office -L2tpPsk ('{key[:cut]}' + '{key[cut:]}')",
        f"$p = '{key}'; Set-VpnConnection -Name Office -L2tpPsk $p",
    ]
    for line in lines:
        found = [one for one in lint_text(line, "powershell") if one.rule == "psk-in-clear"]
        for one in found:
            assert key not in one.excerpt.text.replace("Set-VpnConnection -Name Office -L2tpPsk", "")


# -- our own texts ------------------------------------------------------------------------------------


def _actions(kind: str, identifier: str) -> list[Action]:
    found = entry(kind, identifier)
    first: list[Action] = []
    if isinstance(found, Check | Measure):
        first = list(found.actions)
    elif isinstance(found, Fix):
        first = list(found.apply)
    return [*first, *(undo for action in first for undo in action.undo)]


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [(kind, identifier) for kind in ("check", "fix", "measure") for identifier in entry_ids(kind)],
)
def test_what_we_advise_is_clean(kind: str, identifier: str) -> None:
    for action in _actions(kind, identifier):
        if action.shell != "gui":
            found = lint_text(fill(action.command, {}), action.shell, f"{kind}:{identifier}")
            # One check shows Test-NetConnection to say why it cannot answer.
            allowed = {"tcp-test-for-udp"} if identifier == "test-netconnection" else set()
            assert {one.rule for one in found} <= allowed, (action.command, found)


# -- speed ------------------------------------------------------------------------------------------


def test_ten_times_the_lines_take_ten_times_as_long() -> None:
    piece = (
        "function Get-Gate {\n    param([string]$Name = 'RasMan', [int]$Port)\n"
        "    if ($Name -eq 'x') { Get-Service $Name, IKEEXT | Out-Null; Write-Host \"hello $Name\" }\n"
        "    foreach ($one in 1..3) { Set-ItemProperty -Path HKLM:\\Software\\x -Name a$one -Value 'b' }\n"
        "    Set-Service -Name $Name -StartupType Manual\n}\n"
    )
    few, many = piece * 17, piece * 170
    lint_text(few, "powershell")  # imports and the grammar
    # Of this process alone, so that a busy machine changes neither: quadratic work would make it a hundred.
    assert min(_cpu_seconds(many) for _ in range(3)) < 30 * min(_cpu_seconds(few) for _ in range(3))


def _cpu_seconds(text: str) -> float:
    started = time.process_time()
    lint_text(text, "powershell")
    return time.process_time() - started
