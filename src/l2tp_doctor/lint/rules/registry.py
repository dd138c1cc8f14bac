"""Values of the registry, whichever tool writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from l2tp_doctor.lint.model import HOLE, Call, Severity, Verdict, constants
from l2tp_doctor.lint.rules.common import Bound, arguments, every, folded, number, option
from l2tp_doctor.lint.rules.services import start_type


@dataclass(frozen=True)
class _Value:
    """A value of the registry that opens a pitfall.

    Attributes:
        name: of the value, lower case.
        within: what its key's path must contain, lower case; a path we cannot tell passes.
        bad: whether a number does.
        rule: the pitfall.
        severity: where it is not the pitfall's own.
    """

    name: str
    within: str
    bad: Callable[[int], bool]
    rule: str
    severity: Severity | None = None


def _is(*numbers: int) -> Callable[[int], bool]:
    return lambda value: value in numbers


_CERTIFICATE, _DEFENDER, _FIREWALL = "certificate-check-off", "defender-off", "firewall-off"
_VALUES = (
    _Value("prohibitipsec", "", _is(1), "prohibit-ipsec"),
    _Value("allowl2tpweakcrypto", "", _is(1), "weak-crypto"),
    # IKE neither compares the certificate's name with the gateway's nor looks at what it was issued for.
    _Value("disableikenameekucheck", "", _is(1), _CERTIFICATE),
    # Network Policy Server, certificate revocation list check registry settings.
    _Value("norevocationcheck", "\\eap\\", _is(1), _CERTIFICATE),
    _Value("norootrevocationcheck", "\\eap\\", _is(1), _CERTIFICATE, "warning"),
    _Value("ignorenorevocationcheck", "\\eap\\", _is(1), _CERTIFICATE, "warning"),
    _Value("ignorerevocationoffline", "\\eap\\", _is(1), _CERTIFICATE, "warning"),
    _Value("strongcrlcheck", "", _is(0), _CERTIFICATE),
    _Value("strongcertificatebindingenforcement", "", _is(0), _CERTIFICATE),
    # IKEEXT_CERT_AUTH_FLAG_DISABLE_CRL_CHECK is 2, …_ENABLE_CRL_CHECK_STRONG is 4.
    _Value("certauthflags", "ikev2", lambda flags: flags & 2 != 0, _CERTIFICATE),
    _Value("enablefirewall", "", _is(0), _FIREWALL),
    _Value("disableantispyware", "defender", _is(1), _DEFENDER),
    _Value("disableantivirus", "defender", _is(1), _DEFENDER),
    _Value("disablerealtimemonitoring", "defender", _is(1), _DEFENDER),
    _Value("disablebehaviormonitoring", "defender", _is(1), _DEFENDER),
    _Value("disableonaccessprotection", "defender", _is(1), _DEFENDER),
    _Value("disablescanonrealtimeenable", "defender", _is(1), _DEFENDER),
    _Value("disableioavprotection", "defender", _is(1), _DEFENDER),
    _Value("enablecontrolledfolderaccess", "defender", _is(0), _DEFENDER),
    _Value("enablenetworkprotection", "defender", _is(0), _DEFENDER),
    _Value("tamperprotection", "defender", _is(0, 4), _DEFENDER),
    _Value("enablesmartscreen", "", _is(0), _DEFENDER),
)
_BY_NAME = {value.name: value for value in _VALUES}


def written(path: str, name: str, data: str | None) -> Iterator[Verdict]:
    """Judges one value written (``None``: deleted, which brings the default back)."""
    key, value = folded(path).replace("/", "\\"), folded(name)
    amount = number(data) if data is not None else None
    parts = key.split("\\")
    if value == "start" and "services" in parts and parts.index("services") + 1 < len(parts):
        if data is not None:
            yield from start_type(parts[parts.index("services") + 1], data)
        return
    if value == "executionpolicy" and data is not None:
        bad = folded(data) in ("bypass", "unrestricted")
        yield Verdict("execution-policy-bypass", bad=bad, keys=frozenset({"registry:executionpolicy"}))
    if value == "smartscreenenabled" and data is not None:
        yield Verdict(_DEFENDER, bad=folded(data) == "off", keys=frozenset({"registry:smartscreenenabled"}))
    known = _BY_NAME.get(value)
    if known is None or (known.within not in key and HOLE not in key and "%" not in key):
        return
    where = f"registry:{parts[-1] if value == 'enablefirewall' else ''}:{value}"
    bad = amount is not None and known.bad(amount)
    yield Verdict(known.rule, bad=bad, keys=frozenset({where}), severity=known.severity)


def reg(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``reg add`` and ``reg delete``."""
    for argv in call.argvs():
        if len(argv) < 2:
            continue
        name = option(argv, "v")
        if name is not None and folded(argv[0]) == "add":
            yield from written(argv[1], name, option(argv, "d") or "")
        elif name is not None and folded(argv[0]) == "delete":
            yield from written(argv[1], name, None)


def item_property(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges New-, Set- and Remove-ItemProperty."""
    paths = list(every(bound, "path", "literalpath")) or [HOLE]
    deleted = call.name == "remove-itemproperty"
    for path in paths:
        for name in every(bound, "name"):
            for data in [None] if deleted else every(bound, "value"):
                yield from written(path, name, data)


def group_policy(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-GPRegistryValue."""
    for path in every(bound, "key"):
        for name in every(bound, "valuename"):
            for data in every(bound, "value"):
                yield from written(path, name, data)


def static_set_value(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``[Microsoft.Win32.Registry]::SetValue(key, name, value, kind)``."""
    words = arguments(call)
    if len(words) > 2:
        yield from _method(next(constants(words[0]), HOLE), [next(constants(w), HOLE) for w in words[1:3]])


def key_set_value(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``$key.SetValue(name, value)`` and ``$key.DeleteValue(name)``."""
    words = [next(constants(values), HOLE) for values in arguments(call)]
    if call.name == ".deletevalue" and words:
        yield from written(next(constants(call.piped), HOLE), words[0], None)
    elif len(words) > 1:
        yield from _method(next(constants(call.piped), HOLE), words[:2])


def _method(key: str, pair: list[str]) -> Iterator[Verdict]:
    yield from written(key, pair[0], pair[1])


def std_reg_provider(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges StdRegProv's ``SetDWORDValue(hive, key, name, value)``."""
    words = [next(constants(values), HOLE) for values in arguments(call)]
    if len(words) > 3:
        yield from written(words[1], words[2], words[3])


def registry_text(text: str) -> Iterator[tuple[int, str, Verdict]]:
    """Yields what a .reg file would do, each with its row (from 0) and its line.

    The format is lines of ``[key]``, ``[-key]``, ``"name"=data``, ``@=data`` and ``; comment``; a trailing
    backslash goes on with the next line.
    """
    key = HOLE
    for row, line in enumerate(text.split("\n")):
        plain = line.strip()
        if plain.startswith("[") and plain.endswith("]"):
            key = plain[1:-1].lstrip("-")
        elif plain.startswith('"') and '"=' in plain:
            name, _, data = plain[1:].partition('"=')
            for verdict in written(key, name, None if data == "-" else data.strip('"')):
                yield row, line, verdict
