"""Programs and cmdlets that run code given to them as a text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from l2tp_doctor.lint.model import Call, Nested, Verdict, constants, known
from l2tp_doctor.lint.rules.common import Bound, arguments, every, folded

Found = Iterator[Verdict | Nested]
# powershell.exe takes any beginning of an option's name that no earlier option begins with.
_WITH_VALUE = (
    "executionpolicy",
    "windowstyle",
    "version",
    "inputformat",
    "outputformat",
    "workingdirectory",
    "psconsolefile",
    "configurationname",
    "custompipename",
    "settingsfile",
    "configurationfile",
)
_SHORT = {
    "ep": "executionpolicy",
    "of": "outputformat",
    "if": "inputformat",
    "wd": "workingdirectory",
    "ec": "encodedcommand",
}
_ORDER = (
    "command",
    "encodedcommand",
    "executionpolicy",
    "file",
    "inputformat",
    "login",
    "mta",
    "noexit",
    "nologo",
    "noninteractive",
    "noprofile",
    "outputformat",
    "psconsolefile",
    "sta",
    "version",
    "windowstyle",
    "workingdirectory",
    "configurationname",
    "custompipename",
    "settingsfile",
    "help",
    "interactive",
)
_MAX_TEXT = 200_000


def _option(word: str) -> str:
    name = folded(word).lstrip("-/")
    if name in _SHORT:
        return _SHORT[name]
    return next((full for full in _ORDER if name and full.startswith(name)), "")


def powershell(call: Call, _bound: Bound) -> Found:
    """Judges powershell.exe's own options and hands on the code it is to run."""
    for argv in call.argvs():
        position = 0
        while position < len(argv):
            word = argv[position]
            if not word.startswith(("-", "/")) or len(word) < 2:
                yield from _texts(argv[position:])
                break
            name, following = _option(word.partition(":")[0]), argv[position + 1 :]
            position += 1
            if name == "command":
                if following[:1] == ["-"]:
                    continue
                yield from _texts(following)
                break
            if name == "file":
                break
            if name == "encodedcommand":
                if following:
                    yield from decoded(following[0])
                position += 1
            elif name == "executionpolicy":
                policy = folded(word.partition(":")[2] or (following[0] if following else ""))
                if policy in ("bypass", "unrestricted"):
                    yield Verdict("execution-policy-bypass")
                position += ":" not in word
            elif name in _WITH_VALUE:
                position += 1
        for text in constants(call.piped):
            if known(text):
                yield Nested(text, "powershell")


def _texts(words: list[str]) -> Found:
    text = " ".join(words)
    if text.strip() and text != "-":
        yield Nested(text, "powershell")


def decoded(word: str) -> Found:
    """Yields the code of an -EncodedCommand: base64 of UTF-16LE."""
    plain = word.strip("'\"")
    if len(plain) > _MAX_TEXT:
        return
    try:
        content = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    yield Nested(content.decode("utf-16-le", "replace"), "powershell", plain)


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word and '"' not in word else word


def cmd(call: Call, _bound: Bound) -> Found:
    """Hands on what follows ``/c`` or ``/k``."""
    for argv in call.argvs():
        for index, word in enumerate(argv):
            if folded(word)[:2] in ("/c", "/k", "/r"):
                rest = ([word[2:]] if len(word) > 2 else []) + argv[index + 1 :]
                yield Nested(rest[0] if len(rest) == 1 else " ".join(_quoted(one) for one in rest), "cmd")
                break


def start_process(call: Call, bound: Bound) -> Found:
    """Hands on Start-Process and New-ScheduledTaskAction as the command line they make."""
    programs = list(every(bound, "filepath", "execute"))
    lists = [*bound.get("argumentlist", ()), *bound.get("argument", ())] or [""]
    for program in programs:
        for value in lists:
            yield Nested(f"{_quoted(program)} {' '.join(constants((value,)))}", "cmd")


def static_start(call: Call, _bound: Bound) -> Found:
    """Hands on ``[Diagnostics.Process]::Start(program, arguments)``."""
    words = [next(constants(values), "") for values in arguments(call)]
    if words:
        yield Nested(" ".join([_quoted(words[0]), *words[1:2]]), "cmd")


def expression(call: Call, bound: Bound) -> Found:
    """Hands on Invoke-Expression's text, and script blocks made of text."""
    texts = [*every(bound, "command"), *constants(call.piped)]
    if call.name[:1] in ".s":  # a method
        texts = [text for values in arguments(call)[:1] for text in constants(values)]
    for text in texts:
        yield Nested(text, "powershell")


def start(call: Call, _bound: Bound) -> Found:
    """Hands on what cmd's ``start "title" /wait program`` starts."""
    for argv in call.argvs():
        rest = argv[1:] if argv and (argv[0] == "" or " " in argv[0]) else argv
        while rest and rest[0].startswith("/"):
            rest = rest[2:] if folded(rest[0]) in ("/d", "/node", "/affinity") else rest[1:]
        if rest:
            yield Nested(" ".join(_quoted(word) for word in rest), "cmd")


def last_word(call: Call, _bound: Bound) -> Found:
    """Hands on runas's and psexec's command."""
    for argv in call.argvs():
        rest = list(argv)
        while rest and rest[0].startswith(("/", "-", "\\\\")):
            rest = rest[2:] if folded(rest[0]) in ("-u", "-p", "-w", "-n", "-a") else rest[1:]
        if rest:
            yield Nested(rest[0] if len(rest) == 1 else " ".join(_quoted(word) for word in rest), "cmd")


def option_text(call: Call, _bound: Bound) -> Found:
    """Hands on schtasks' ``/tr`` and forfiles' ``/c``."""
    wanted = "/tr" if call.name == "schtasks" else "/c"
    for argv in call.argvs():
        for index, word in enumerate(argv[:-1]):
            if folded(word) == wanted:
                yield Nested(argv[index + 1], "cmd")


def shell(call: Call, _bound: Bound) -> Found:
    """Hands on ``sh -c``, ``su -c``, ``ssh host …``, ``eval`` and a script on standard input."""
    for argv in call.argvs():
        if call.name == "eval":
            yield Nested(" ".join(argv), "sh")
            continue
        if call.name == "ssh":
            bare = [word for word in argv if not word.startswith("-")]
            if len(bare) > 1:
                yield Nested(" ".join(bare[1:]), "sh")
            continue
        for index, word in enumerate(argv[:-1]):
            if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
                yield Nested(argv[index + 1], "sh")
                break
    for text in constants(call.piped):
        if known(text):
            yield Nested(text, "sh")


def find(call: Call, _bound: Bound) -> Found:
    """Hands on what ``find … -exec program … ;`` runs."""
    for argv in call.argvs():
        for index, word in enumerate(argv):
            if word in ("-exec", "-execdir", "-ok"):
                rest = argv[index + 1 :]
                ends = [place for place, one in enumerate(rest) if one in (";", "+")]
                yield Nested(" ".join(rest[: ends[0]] if ends else rest), "sh")
