"""Rights for everyone, and ownership taken or given away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from l2tp_doctor.lint.model import HOLE, Call, Instance, Items, Severity, Values, Verdict, constants
from l2tp_doctor.lint.rules.common import Bound, first, folded

# "Everyone" as Windows names S-1-1-0 in its languages.
EVERYONE = frozenset(
    {
        "everyone",
        "s-1-1-0",
        "wd",
        "jeder",
        "tout le monde",
        "todos",
        "tutti",
        "iedereen",
        "alla",
        "alle",
        "kaikki",
        "wszyscy",
        "mindenki",
        "все",
        "herkes",
        "所有人",
        "每个人",
        "모든 사용자",
        "全員",
        "όλοι",
        "všichni",
        "qualsiasi",
        "toata lumea",
        "toți",
        "everybody",
        "ทุกคน",
        "anonymous logon",
        "s-1-5-7",
    }
)
# Not everyone, but whoever has an account.
NEARLY_EVERYONE = frozenset(
    {
        "authenticated users",
        "nt authority\\authenticated users",
        "s-1-5-11",
        "users",
        "builtin\\users",
        "s-1-5-32-545",
        "authentifizierte benutzer",
        "benutzer",
        "utilisateurs authentifiés",
        "usuarios autenticados",
        "usuarios",
        "au",
        "bu",
    }
)
_FULL = frozenset(
    {"f", "full", "fullcontrol", "ga", "fa", "generic_all", "genericall", "268435456", "2032127"}
)
_WRITE = frozenset({"m", "modify", "w", "write", "c", "change", "rw", "wd,ad", "gw", "readandexecute,modify"})
_SYSTEM_OWNERS = frozenset(
    {
        "nt authority\\system",
        "system",
        "s-1-5-18",
        "localsystem",
        "autorite nt\\système",
        "nt-autorität\\system",
        "nt autorität\\system",
        "nt authority\\sistema",
    }
)
_PLACEHOLDERS = {
    "%systemroot%": "c:\\windows",
    "%windir%": "c:\\windows",
    "%systemdrive%": "c:",
    "%programfiles%": "c:\\program files",
    "%programfiles(x86)%": "c:\\program files (x86)",
    "%programw6432%": "c:\\program files",
    "%commonprogramfiles%": "c:\\program files\\common files",
    "%programdata%": "c:\\programdata",
    "%allusersprofile%": "c:\\programdata",
    "%env:windir%": "c:\\windows",
    "%homedrive%": "c:",
}
_SYSTEM_ROOTS = frozenset(
    {
        "\\program files",
        "\\program files (x86)",
        "\\programdata",
        "\\users",
        "\\windows",
        "\\program files\\common files",
        "\\program files\\windowsapps",
        "\\system volume information",
        "\\$recycle.bin",
        "\\recovery",
        "\\boot",
    }
)
_RULE = "everyone-full-control"


def _everyone(name: str) -> Severity | None:
    """Returns how bad full control is in these hands; ``None`` for hands that may have it."""
    who = folded(name).strip("*").strip()
    if who in EVERYONE or who.rpartition("\\")[2] in EVERYONE:
        return "error"
    return "warning" if who in NEARLY_EVERYONE else None


def _judged(who: str, right: str) -> Iterator[Verdict]:
    """Full control for Everyone is an error, change a warning; for all accounts full control only."""
    severity = _everyone(who)
    rights = {part.strip().strip("()") for part in folded(right).replace(";", ",").split(",")}
    rights |= {folded(right).strip("()")}
    if severity is None:
        return
    if rights & _FULL:
        yield Verdict(_RULE, severity=severity)
    elif severity == "error" and rights & _WRITE:
        yield Verdict(_RULE, severity="warning")


def _grants(text: str) -> tuple[str, str]:
    """``Everyone:(OI)(CI)F`` → who and which right; the brackets in front say only what inherits it."""
    who, _, right = text.rpartition(":")
    right = right.strip().strip('"')
    groups = [group.rstrip(")") for group in right.split("(") if group.rstrip(")")]
    tail = right.rpartition(")")[2]
    inherit = {"oi", "ci", "io", "np", "i"}
    meant = [group for group in groups if folded(group) not in inherit and group != tail]
    return who, ",".join([*(group for group in meant), *([tail] if tail else [])]).replace(")", ",")


def icacls(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``/grant``, ``/setowner`` and what puts an owner back."""
    for argv in call.argvs():
        lower = [folded(word) for word in argv]
        for index, word in enumerate(lower):
            if word.startswith("/grant") or word == "-grant":
                following = argv[index + 1 :]
                if ":" in word.removeprefix("/grant").removeprefix(":r") and word.count(":") > 1:
                    following = [argv[index].split(":", 1)[1], *following]
                for grant in following:
                    if grant.startswith("/") or ":" not in grant:
                        break
                    yield from _judged(*_grants(grant))
            if word in ("/setowner", "-setowner"):
                owner = lower[index + 1] if index + 1 < len(lower) else ""
                path = argv[0] if argv else ""
                if "/t" in lower and system_folder(path):
                    yield Verdict("takeown-system-folder")
                if owner.strip("*") in _SYSTEM_OWNERS:
                    yield Verdict("setowner-is-no-rollback", needs="takeown")


def cacls(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges the old ``cacls`` and ``xcacls``: ``/G user:perm``, ``/P user:perm``."""
    for argv in call.argvs():
        for index, word in enumerate(argv):
            if folded(word) in ("/g", "/p"):
                for grant in argv[index + 1 :]:
                    if grant.startswith("/") or ":" not in grant:
                        break
                    who, _, right = grant.partition(":")
                    yield from _judged(who, right)


def set_acl_program(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges SetACL's ``-ace "n:Everyone;p:full"``."""
    for argv in call.argvs():
        for index, word in enumerate(argv[:-1]):
            if folded(word) == "-ace":
                parts = [part.partition(":") for part in argv[index + 1].split(";")]
                fields = {folded(name): value for name, _, value in parts}
                if folded(fields.get("m", "grant")) in ("grant", "set"):
                    yield from _judged(fields.get("n", ""), fields.get("p", ""))
            if (
                folded(word) == "-ownr"
                and any(system_folder(one) for one in argv)
                and "-rec" in map(folded, argv)
            ):
                yield Verdict("takeown-system-folder")


def subinacl(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges SubInACL's ``/grant=Everyone=F``."""
    for argv in call.argvs():
        for word in argv:
            parts = word.split("=")
            if folded(parts[0]) == "/grant" and len(parts) > 2:
                yield from _judged(parts[1], parts[2])


def ntfs_access(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Add-NTFSAccess of the NTFSSecurity module."""
    if folded(first(bound, "accesstype") or "allow") == "allow":
        for account in constants(bound.get("account", ())):
            for right in constants(bound.get("accessrights", ())):
                yield from _judged(account, right)


def ntfs_owner(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-NTFSOwner."""
    if any(system_folder(path) for path in constants(bound.get("path", ()))):
        yield Verdict("takeown-system-folder")
    if any(folded(who) in _SYSTEM_OWNERS for who in constants(bound.get("account", ()))):
        yield Verdict("setowner-is-no-rollback", needs="takeown")


def share(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges shares: full access for Everyone."""
    if call.name == "new-smbshare":
        grants = [(who, "full") for who in constants(bound.get("fullaccess", ()))]
    else:
        rights = list(constants(bound.get("accessright", ())))
        grants = [(who, right) for who in constants(bound.get("accountname", ())) for right in rights]
    for who, right in grants:
        for verdict in _judged(who, right):
            yield Verdict(verdict.rule, severity="warning")


def net_share(argv: list[str]) -> Iterator[Verdict]:
    """Judges ``net share x=C:\\x /grant:Everyone,FULL``."""
    for index, word in enumerate(argv):
        if folded(word).startswith("/grant:"):
            who, _, right = word[7:].partition(",")
            right = right or next(iter(argv[index + 1 :]), "")  # PowerShell makes two words of it
            for verdict in _judged(who, right):
                yield Verdict(verdict.rule, severity="warning")


def access_rule(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``$acl.SetAccessRule(rule)`` and its kin: the rule's own constructor says who gets what."""
    for word in call.words[:1]:
        for value in word.values:
            if isinstance(value, Instance) and value.kind.endswith("accessrule"):
                arguments = value.arguments
                if len(arguments) < 2:
                    continue
                kind = next(constants(arguments[-1]), "") if len(arguments) > 2 else "Allow"
                if folded(kind) in ("deny", "1"):
                    continue
                for who in identities(arguments[0]):
                    for right in constants(arguments[1]):
                        yield from _judged(who, right)


def identities(values: Values) -> Iterator[str]:
    """Yields the names an identity can have: a string, an NTAccount, a SecurityIdentifier."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Instance) and value.kind in ("ntaccount", "securityidentifier"):
            names = [next(constants(argument), HOLE) for argument in value.arguments]
            yield "\\".join(names[:2]) if value.kind == "ntaccount" else (names[0] if names else HOLE)
        elif isinstance(value, Items):
            for item in value.items:
                yield from identities(item)


def security_descriptor(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges an SDDL string: ``(A;…;FA;;;WD)`` gives everyone everything."""
    for word in call.words:
        for text in constants(word.values):
            yield from sddl(text)


def sddl(text: str) -> Iterator[Verdict]:
    """Judges the allow entries of an SDDL string."""
    for entry in text.upper().split("(")[1:]:
        fields = entry.split(")")[0].split(";")
        full = len(fields) == 6 and (
            fields[2] in ("FA", "GA", "KA") or "GA" in fields[2] or fields[2] == "0X1F01FF"
        )
        if full and fields[0] == "A" and fields[5] in ("WD", "S-1-1-0"):
            yield Verdict(_RULE)


# -- ownership ----------------------------------------------------------------------------------


def system_folder(path: str) -> bool:
    """Returns whether a path is a drive's root or one of the folders Windows itself lives in."""
    text = folded(path).replace("/", "\\").strip('"')
    text = text.removeprefix("\\\\?\\").removeprefix("microsoft.powershell.core\\filesystem::")
    for placeholder, folder in _PLACEHOLDERS.items():
        if text.startswith(placeholder):
            text = folder + text[len(placeholder) :]
    while "\\\\" in text:
        text = text.replace("\\\\", "\\")
    text = text.rstrip("*").rstrip("\\").removesuffix("\\*.").rstrip("\\")
    if len(text) < 2 or not text[0].isalpha() or text[1] != ":":
        return False
    inside = text[2:]
    if inside == "" or inside in _SYSTEM_ROOTS:
        return True
    return inside.startswith("\\windows\\") and not inside.startswith("\\windows\\temp")


def takeown(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``takeown``: recursively on a folder of the system it cannot be undone."""
    for argv in call.argvs():
        lower = [folded(word) for word in argv]
        yield Verdict("setowner-is-no-rollback", bad=False, keys=frozenset({"takeown"}))
        for index, word in enumerate(lower):
            named = word in ("/f", "-f") and index + 1 < len(argv) and system_folder(argv[index + 1])
            if named and {"/r", "-r"} & set(lower):
                yield Verdict("takeown-system-folder")


# -- shells -------------------------------------------------------------------------------------

_UNIX_SYSTEM = frozenset(
    [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib64",
        "/opt",
        "/proc",
        "/root",
        "/sbin",
        "/sys",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/var",
    ]
)


def chmod(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``chmod``: 777 and a+rwx are an error, what else lets others write a warning."""
    for argv in call.argvs():
        modes = [word for word in argv if not word.startswith("-")][:1]
        if call.name in ("install", "mkdir"):
            modes = [after for word, after in itertools.pairwise(argv) if word == "-m"]
            modes += [word.partition("=")[2] for word in argv if word.startswith("--mode=")]
        for mode in modes:
            if mode.isdecimal():
                digits = mode.zfill(4)
                sticky = int(digits[-4]) & 1 if digits[-4].isdecimal() else 0
                others = int(digits[-1], 8) if digits[-1] in "01234567" else 0
                if others == 7 and not sticky:
                    yield Verdict(_RULE, severity="error" if digits[-3:] == "777" else "warning")
                elif others & 2 and not sticky:
                    yield Verdict(_RULE, severity="warning")
                continue
            for clause in mode.split(","):
                who, _, rights = clause.partition("+") if "+" in clause else clause.partition("=")
                opens = ("+" in clause or "=" in clause) and "w" in rights and "t" not in rights
                if opens and ({"a", "o"} & set(who)):
                    yield Verdict(_RULE, severity="error" if {"r", "x"} <= set(rights) else "warning")


def setfacl(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``setfacl -m o::rwx``."""
    for argv in call.argvs():
        for entry in (part for word in argv if ":" in word for part in word.split(",")):
            fields = entry.removeprefix("d:").removeprefix("default:").split(":")
            if fields[0] in ("o", "other") and "w" in fields[-1]:
                yield Verdict(_RULE, severity="error" if set("rwx") <= set(fields[-1].lower()) else "warning")


def chown(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``chown -R user /etc``."""
    for argv in call.argvs():
        recursive = any(
            word == "--recursive" or (word.startswith("-") and not word.startswith("--") and "R" in word)
            for word in argv
        )
        bare = [word for word in argv if not word.startswith("-")]
        if not recursive or len(bare) < 2 or bare[0].split(":")[0] in ("root", "0"):
            continue
        if any((path.rstrip("/*") or "/") in _UNIX_SYSTEM for path in bare[1:]):
            yield Verdict("takeown-system-folder")
