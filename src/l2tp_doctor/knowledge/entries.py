"""What articles are made of: checks, fixes, lasting measures, pitfalls and references, one YAML file each.

An article's line points at an entry by a link (``check:services-running``); the words and the commands
live in the entry, in both languages, so that every article, the guide and the program itself say the same.
Commands are written once for all languages.  What differs from one machine to the next is a placeholder,
``{{server}}``, filled in by whoever shows the command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar

import msgspec

from l2tp_doctor.knowledge.files import load_mapping, names
from l2tp_doctor.knowledge.localized import LocalizedText

# Where a command is typed or a dialog is opened.
Platform = Literal[
    "windows", "windows-server", "linux", "macos", "strongswan", "libreswan", "softether", "router", "any"
]
Shell = Literal["powershell", "cmd", "sh", "gui"]
# What of this program does a check or a fix by itself.
Verb = Literal["check", "reflect", "lint", "guide", "practice"]
FixClass = Literal["safe", "needs-reboot", "changes-security"]
Place = Literal["client", "network", "gateway"]
Severity = Literal["error", "warning", "note"]

# Placeholders of commands, with what stands there as long as nothing better is known.
EXAMPLES: Mapping[str, str] = {
    "server": "vpn.example.com",
    "profile": "Office VPN",
    "user": "alice",
    "path": r"C:\Path\To\Folder",
    "program": r"C:\Path\To\installer-or-script.exe",
    "psk_file": "psk.txt",
    "password_file": "password.txt",
    "backup": r"%USERPROFILE%\Desktop\acl-backup.txt",
    "interface": "eth0",
    "connection": "l2tp-psk",
}
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strict: a key that is not known is a mistake in the file."""


class Action(_Entry, frozen=True):
    """One thing to type or to click.

    Attributes:
        platform: where.
        shell: which shell ``command`` is written for; ``gui`` has none.
        elevated: whether it needs administrator rights (root).
        command: what to type, with placeholders; empty for ``gui``.
        text: what it does, or the path through the dialogs.
        changes: what is different afterwards; ``None`` when nothing is.
        undo: what restores what was there, in this order.
        irreversible: why nothing can or need undo it, where ``changes`` stands without ``undo``.
    """

    platform: Platform
    shell: Shell
    text: LocalizedText
    elevated: bool = False
    command: str = ""
    changes: LocalizedText | None = None
    undo: tuple[Action, ...] = ()
    irreversible: LocalizedText | None = None

    def __post_init__(self) -> None:
        if (self.shell == "gui") == bool(self.command.strip()):
            raise ValueError("a gui action has no command, every other has one")
        unknown = set(_PLACEHOLDER.findall(self.command)) - set(EXAMPLES)
        if unknown:
            raise ValueError(f"unknown placeholder {sorted(unknown)}")
        if self.changes is not None and not (self.undo or self.irreversible):
            raise ValueError("an action that changes something says how to undo it or why not")
        if self.changes is None and (self.undo or self.irreversible):
            raise ValueError("an action with an undo says what it changes")

    def filled(self, values: Mapping[str, str]) -> str:
        """Returns the command with ``values`` for the placeholders, and examples where there is none."""
        return fill(self.command, values)


class Check(_Entry, frozen=True):
    """Something that can be looked at without changing anything.

    Attributes:
        title: what is looked at.
        purpose: what the answer decides.
        actions: how a person does it.
        reading: how to read what comes back.
        automatic: the command of this program that does it by itself, if one does.
        observations: names of the vocabulary under which the program records it.
        causes: ids of the causes it speaks for or against.
        references: ids in ``references.yaml``.
    """

    title: LocalizedText
    purpose: LocalizedText
    actions: tuple[Action, ...]
    reading: tuple[LocalizedText, ...] = ()
    automatic: Verb | None = None
    observations: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.actions:
            raise ValueError("a check says how it is done")
        if any(action.changes is not None for action in self.actions):
            raise ValueError("a check changes nothing")


class Fix(_Entry, frozen=True):
    """A change that removes a cause.

    Attributes:
        title: what is changed.
        fix_class: ``safe``, ``needs-reboot`` or ``changes-security``.
        place: where: ``client``, ``network`` or ``gateway``.
        explanation: why it helps, and what it costs.
        apply: how, with the undo of each action.
        verify: ids of checks that show that it worked.
        automatic: the command of this program that does it by itself, if one does.
        references: ids in ``references.yaml``.
    """

    title: LocalizedText
    fix_class: FixClass = msgspec.field(name="class")
    place: Place
    explanation: LocalizedText
    apply: tuple[Action, ...]
    verify: tuple[str, ...]
    automatic: Verb | None = None
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.apply or not self.verify:
            raise ValueError("a fix says how it is applied and which check verifies it")


class Measure(_Entry, frozen=True):
    """Something that keeps the fault from coming back: a lasting measure or a line of a checklist.

    Attributes:
        title: what to do.
        explanation: how, and what it prevents.
        actions: commands for it, where there are any.
        checks: ids of checks that show whether it is in place.
        causes: ids of the causes it prevents.
        automatic: the command of this program that does it by itself, if one does.
        references: ids in ``references.yaml``.
    """

    title: LocalizedText
    explanation: LocalizedText
    actions: tuple[Action, ...] = ()
    checks: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    automatic: Verb | None = None
    references: tuple[str, ...] = ()


class Pitfall(_Entry, frozen=True):
    """What must not be done, although it seems to help; the linter finds it in scripts under the same id.

    Attributes:
        title: what not to do.
        severity: how bad it is in a script.
        reason: what it breaks.
        instead: what to do in its place.
        checks: ids of checks that find it on a machine.
        references: ids in ``references.yaml``.
    """

    title: LocalizedText
    severity: Severity
    reason: LocalizedText
    instead: LocalizedText
    checks: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Reference(_Entry, frozen=True):
    """A primary source.

    Attributes:
        title: its title.
        url: its address; ``{locale}`` stands for ``ja-jp`` or ``en-us``.
    """

    title: LocalizedText
    url: str

    def address(self, language: str) -> str:
        """Returns the address of the page in ``language``."""
        return self.url.replace("{locale}", "ja-jp" if language == "ja" else "en-us")


Entry = Check | Fix | Measure | Pitfall
_E = TypeVar("_E", Check, Fix, Measure, Pitfall)
# A link's scheme, the folder its entries are in, and their type.
KINDS: Mapping[str, tuple[str, type[Any]]] = {
    "check": ("checks", Check),
    "fix": ("fixes", Fix),
    "measure": ("measures", Measure),
    "pitfall": ("pitfalls", Pitfall),
}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Returns ``text`` with its placeholders filled in; a placeholder nobody knows stays as it is."""
    return _PLACEHOLDER.sub(
        lambda match: values.get(match[1]) or EXAMPLES.get(match[1], match[0]),
        text,
    )


def _load(kind: str, identifier: str) -> Any:
    folder, entry_type = KINDS[kind]
    try:
        return msgspec.convert(load_mapping(folder, f"{identifier}.yaml"), entry_type)
    except msgspec.ValidationError as error:
        raise ValueError(f"{folder}/{identifier}.yaml: {error}") from error


@cache
def entry_ids(kind: str) -> tuple[str, ...]:
    """Returns the ids of all ``check``, ``fix``, ``measure`` or ``pitfall`` entries, sorted."""
    return names(KINDS[kind][0])


@cache
def entry(kind: str, identifier: str) -> Entry:
    """Returns one entry.

    Raises:
        KeyError: there is none of that kind and id.
        ValueError: its file is malformed.
    """
    if identifier not in entry_ids(kind):
        raise KeyError(f"{kind}:{identifier}")
    loaded: Entry = _load(kind, identifier)
    return loaded


def check(identifier: str) -> Check:
    """Returns a check; ``KeyError`` when there is none of that id."""
    return _of(Check, "check", identifier)


def fix(identifier: str) -> Fix:
    """Returns a fix; ``KeyError`` when there is none of that id."""
    return _of(Fix, "fix", identifier)


def measure(identifier: str) -> Measure:
    """Returns a lasting measure; ``KeyError`` when there is none of that id."""
    return _of(Measure, "measure", identifier)


def pitfall(identifier: str) -> Pitfall:
    """Returns a pitfall; ``KeyError`` when there is none of that id."""
    return _of(Pitfall, "pitfall", identifier)


def _of(entry_type: type[_E], kind: str, identifier: str) -> _E:
    found = entry(kind, identifier)
    if not isinstance(found, entry_type):
        raise TypeError(f"{kind}:{identifier} is a {type(found).__name__}")
    return found


@cache
def references() -> Mapping[str, Reference]:
    """Returns all primary sources by id.

    Raises:
        ValueError: the file is malformed.
    """
    try:
        return msgspec.convert(load_mapping("references.yaml"), dict[str, Reference])
    except msgspec.ValidationError as error:
        raise ValueError(f"references.yaml: {error}") from error
