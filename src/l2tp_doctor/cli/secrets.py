"""Reads pre-shared keys and passwords from everywhere but the command line itself."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from l2tp_doctor.cli.problems import UsageProblemError
from l2tp_doctor.protocol.secret import Secret

MAX_SECRET_FILE = 64 * 1024  # a key is a line; more is a mistaken file name
ENCODINGS = ("utf-8", "cp932", "utf-16le")
Say = Callable[[str, dict[str, object]], None]
"""Takes a text key and its values: what was done to a secret, without its content."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 LE"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 BE"),
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where one secret may come from; at most one is given.

    Attributes:
        what: option stem, ``psk`` or ``password``.
        file: path, or ``-`` for a prompt (a terminal) or one line of standard input.
        environment: name of an environment variable.
        keyring: ``SERVICE/USER`` in the operating system's keyring.
    """

    what: str
    file: str | None = None
    environment: str | None = None
    keyring: str | None = None

    def given(self) -> list[str]:
        """Returns the options that were given."""
        pairs = (("file", self.file), ("env", self.environment), ("keyring", self.keyring))
        return [f"--{self.what}-{suffix}" for suffix, value in pairs if value is not None]


def read_text(
    sources: Sources,
    say: Say,
    *,
    prompt: Callable[[str], str] | None = None,
    environment: MutableMapping[str, str] | None = None,
) -> str | None:
    """Returns the secret as text, or ``None`` when no source was given.

    Raises:
        UsageProblemError: more than one source, or one that cannot be read; never with the content.
    """
    given = sources.given()
    if len(given) > 1:
        raise UsageProblemError("secret.two_sources", options=", ".join(given))
    if sources.environment is not None:
        return _from_environment(sources.environment, os.environ if environment is None else environment)
    if sources.keyring is not None:
        return _from_keyring(sources.keyring)
    if sources.file == "-":
        return _from_terminal(sources.what, prompt)
    if sources.file is not None:
        return _from_file(Path(sources.file), say)
    return None


def encode_psk(text: str, encoding: str, say: Say) -> Secret:
    """Returns the key's bytes, and says which they are when that is not obvious.

    Raises:
        UsageProblemError: a character that ``encoding`` cannot express.
    """
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        raise UsageProblemError("secret.not_encodable", encoding=encoding, position=error.start + 1) from None
    if not text.isascii():
        say("secret.non_ascii", {"encoding": encoding, "bytes": len(data), "characters": len(text)})
    return Secret(data)


def _from_environment(name: str, environment: MutableMapping[str, str]) -> str:
    if not _VARIABLE.fullmatch(name):
        raise UsageProblemError("secret.env_name")  # without repeating it: it may be the secret itself
    value = environment.pop(name, None)  # children of ours shall not inherit it
    if value is None:
        raise UsageProblemError("secret.env_missing", name=name)
    if not value:
        raise UsageProblemError("secret.env_empty", name=name)
    if any("\udc80" <= character <= "\udcff" for character in value):
        raise UsageProblemError("secret.env_encoding", name=name)
    return value


def _from_keyring(entry: str) -> str:
    service, separator, user = entry.rpartition("/")
    if not separator or not service or not user:
        raise UsageProblemError("secret.keyring_form", entry=entry)
    try:
        keyring: Any = import_module("keyring")  # an optional extra
    except ImportError:
        raise UsageProblemError("secret.keyring_package") from None
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # each backend has errors of its own
        raise UsageProblemError("secret.keyring_failed", entry=entry, reason=type(error).__name__) from None
    if not value:
        raise UsageProblemError("secret.keyring_missing", entry=entry)
    return str(value)


def _from_terminal(what: str, prompt: Callable[[str], str] | None) -> str:
    if prompt is not None:
        value = prompt(what)
    elif sys.stdin is None or sys.stdin.closed:
        raise UsageProblemError("secret.stdin_empty", what=what)
    else:
        value = sys.stdin.readline()
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageProblemError("secret.stdin_empty", what=what)
    return value


def _from_file(path: Path, say: Say) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_FILE + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageProblemError("secret.file_unreadable", path=path, reason=reason) from None
    if len(data) > MAX_SECRET_FILE:
        raise UsageProblemError("secret.file_long", path=path, limit=MAX_SECRET_FILE)
    text = _decode(path, data, say)
    stripped = _strip_one_line_end(text)
    if len(stripped) != len(text):
        say("secret.stripped_line_end", {"path": path})
    if not stripped:
        raise UsageProblemError("secret.file_empty", path=path)
    if "\n" in stripped or "\r" in stripped:
        say("secret.kept_line_ends", {"path": path})
    if stripped != stripped.strip(" \t\u3000"):
        say("secret.kept_spaces", {"path": path})
    return stripped


def _decode(path: Path, data: bytes, say: Say) -> str:
    encoding, offset = "utf-8", 0
    for mark, codec, label in _MARKS:
        if data.startswith(mark):
            encoding, offset = codec, len(mark)
            say("secret.stripped_bom", {"path": path, "mark": label})
            break
    try:
        text = data[offset:].decode(encoding)
    except UnicodeDecodeError as error:
        position = offset + error.start
        raise UsageProblemError("secret.file_encoding", path=path, offset=position) from None
    nul = text.find("\0")
    if nul >= 0:
        position = offset + len(text[:nul].encode(encoding))
        raise UsageProblemError("secret.file_nul", path=path, offset=position)
    return text


def _strip_one_line_end(text: str) -> str:
    for end in ("\r\n", "\n", "\r"):
        if text.endswith(end):
            return text[: -len(end)]
    return text
