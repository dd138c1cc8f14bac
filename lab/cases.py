"""The lab's cases: one small YAML file each, read strictly into typed values.

``lab/cases/<group>/<id>.yaml``; ``docs/lab.md`` says what the keys mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from lab.pki import Flaw
from lab.strict_yaml import CaseError, Table
from lab.topologies import SHAPES, Shape

CASES = Path(__file__).with_name("cases")
GROUPS = ("healthy", "network", "gateway", "credentials", "certificates", "ppp", "two-faults")
GATEWAYS = ("softether", "strongswan", "libreswan", "practice")
GatewayKind = Literal["softether", "strongswan", "libreswan", "practice"]
IPV6 = "ipv6"
"""In place of a host: the path's IPv6 address."""
DEFAULT_LIMIT = 75.0
"""Seconds for one dial: beyond the product's own 60 s, so that a run that ignores them shows itself."""

# Fault kind -> its arguments, with the type that each has.
_PATH_ARGUMENTS: Mapping[str, Mapping[str, type]] = {
    "drop-udp": {"port": int, "direction": str, "reject": str},
    "drop-esp": {"direction": str, "reject": str},
    "drop-all": {"direction": str, "reject": str},
    "drop-icmp": {"direction": str},
    "loss": {"percent": float, "direction": str, "match": str},
    "drop-fragments": {"direction": str, "first_too": bool},
    "drop-larger-than": {"octets": int, "direction": str},
    "rule": {"match": str, "direction": str, "verdict": str, "hook": str},
}
_GATEWAY_ARGUMENTS: Mapping[str, Mapping[str, type]] = {
    "stopped": {"service": str},
    "paused": {"service": str},
    # SoftEther's switches.
    "account-disabled": {},
    "account-expired": {},
    "no-dhcp": {},
    "l2tp-off": {},
    "hub-offline": {},
    # Inside a guest.
    "guest": {"run": str, "undo": str},
    # Main Mode 1 from the client's address, never continued.
    "half-open": {"count": int},
    # A second client behind the same NAT, connected before ours dials.
    "other-client": {},
}
DIRECTIONS = ("out", "in", "both")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "direction": DIRECTIONS,
    "reject": ("port-unreachable", "admin-prohibited", "host-unreachable", "no-route"),
    "hook": ("forward", "prerouting"),
}


@dataclass(frozen=True)
class Words:
    """A text in both languages."""

    ja: str
    en: str


@dataclass(frozen=True)
class FaultSpec:
    """One fault to put in force.

    Attributes:
        kind: a function of :mod:`lab.faults`, or something done to the gateway.
        where: ``path`` (the first router), ``router N`` (counted from 1), ``client-nat``, ``server-nat``.
        arguments: for the function.
        strikes: whether it must catch a packet; only for faults on the path.
    """

    kind: str
    where: str = "path"
    arguments: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    strikes: bool = True

    @property
    def on_path(self) -> bool:
        """Whether it belongs to a router; otherwise to the gateway or its surroundings."""
        return self.kind in _PATH_ARGUMENTS


@dataclass(frozen=True)
class Dial:
    """How the command is called.

    Attributes:
        host: name or address to dial; empty for the path's own, ``ipv6`` for its IPv6 address.
        names: host names of the client, each leading to the path's own address.
        profile: dial profile.
        nat_t: ``auto``, ``forced`` or ``native``.
        psk: a key other than the gateway's; empty for the right one.
        user: a name other than the gateway's first account.
        password: a password other than that account's.
        aggressive: dial in Aggressive Mode.
        certificate: the client's certificate by its flaw; None dials with the key.
        trust: hand over the lab's CA with the certificate.
        privileged: with raw sockets and ports below 1024.
    """

    host: str = ""
    names: tuple[str, ...] = ()
    profile: str = "windows-11"
    nat_t: str = "auto"
    psk: str = ""
    user: str = ""
    password: str = ""
    aggressive: bool = False
    certificate: Flaw | None = None
    trust: bool = True
    privileged: bool = True


@dataclass(frozen=True)
class GatewayCertificate:
    """What the gateway proves itself with, in place of the key.

    Attributes:
        flaw: what is wrong with its certificate.
        large: keys of 4096 bits on both sides, so that messages with certificates fit into no frame.
    """

    flaw: Flaw = "none"
    large: bool = False


@dataclass(frozen=True)
class Expected:
    """The true answer.

    Attributes:
        causes: what may be named first; empty when the dial must connect.
        stages: furthest stage reached; empty for any.
        warnings: warnings that must be there.
        may_warn: warnings that may be there besides.
        present: observations that must have been made; the value None stands for any.
        absent: observations that must not have been measured.
    """

    causes: tuple[str, ...]
    stages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    may_warn: tuple[str, ...] = ()
    present: Mapping[str, object] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["healthy", "faulty"]:
        """The verdict that goes with it."""
        return "faulty" if self.causes else "healthy"

    @property
    def answer(self) -> str:
        """In one word: the cause (or causes), or ``healthy``."""
        return " | ".join(self.causes) or "healthy"


@dataclass(frozen=True)
class Step:
    """One dial with what is in force then.

    Attributes:
        faults: faults in force.
        options: the gateway's options that differ from its standard.
        dial: how the command is called.
        expect: the true answer.
    """

    faults: tuple[FaultSpec, ...]
    options: Mapping[str, object]
    dial: Dial
    expect: Expected


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        id: file name without suffix, unique.
        group: folder.
        what: one line for readers.
        gateway: which gateway.
        shape: the path.
        certificate: the gateway's certificate, or None for a key.
        steps: the dial, and with two faults the dial after the first was mended.
        limit: seconds for one dial.
        peers: also worth the slow peer's time.
    """

    id: str
    group: str
    what: Words
    gateway: GatewayKind
    shape: Shape
    certificate: GatewayCertificate | None
    steps: tuple[Step, ...]
    limit: float = DEFAULT_LIMIT
    peers: bool = False

    @property
    def causes(self) -> tuple[str, ...]:
        """Every cause that it proves."""
        return tuple(dict.fromkeys(cause for step in self.steps for cause in step.expect.causes[:1]))


def load_cases(folder: Path = CASES) -> tuple[Case, ...]:
    """Read all cases, in the order of groups and ids.

    Raises:
        CaseError: a file is not a case, or an id is there twice.
    """
    found: dict[str, Case] = {}
    for group in sorted(entry.name for entry in folder.iterdir() if entry.is_dir()):
        if group not in GROUPS:
            raise CaseError(f"{folder / group}:1: the group is none of {', '.join(GROUPS)}")
    for group in GROUPS:
        for path in sorted((folder / group).glob("*.yaml")):
            case = load_case(path)
            if case.id in found:
                raise CaseError(f"{path}:1: another case has the id {case.id!r} too")
            found[case.id] = case
    return tuple(found.values())


def load_case(path: Path) -> Case:
    """Read one case.

    Raises:
        CaseError: with file and line, for whatever a case cannot be.
    """
    table = Table.read(path)
    identifier = table.text("id")
    if identifier != path.stem:
        raise table.error(f"the id {identifier!r} is not the file's name")
    what = _words(table)
    gateway = cast(GatewayKind, table.text("gateway", among=GATEWAYS))
    shape = _shape(table)
    certificate = _certificate(table.table("certificate"))
    first = Step(
        tuple(_fault(item) for item in table.tables("faults")),
        _options(table.table("options")),
        _dial(table.table("dial"), Dial()),
        _expected(table, table.table("expect")),
    )
    case = Case(
        identifier, path.parent.name, what, gateway, shape, certificate,
        (first, *_then(table.tables("then"), first)),
        table.number("limit", DEFAULT_LIMIT), table.flag("peers", False),
    )  # fmt: skip
    table.finish()
    return case


def _words(table: Table) -> Words:
    inner = table.table("what")
    if inner is None:
        raise table.error("'what' is missing")
    words = Words(inner.text("ja"), inner.text("en"))
    inner.finish()
    return words


def _shape(table: Table) -> Shape:
    inner = table.table("topology")
    if inner is None:
        return SHAPES["direct"]
    shape = SHAPES[inner.text("shape", "direct", among=SHAPES)]
    shape = replace(
        shape,
        rewrite_ports=inner.flag("rewrite_ports", shape.rewrite_ports),
        hops=int(inner.number("hops", shape.hops)),
        one_way_delay=float(inner.number("one_way_delay", shape.one_way_delay)),
        mtu=int(inner.number("mtu", shape.mtu)),
    )
    inner.finish()
    return shape


def _certificate(table: Table | None) -> GatewayCertificate | None:
    if table is None:
        return None
    flaw = cast(Flaw, table.text("flaw", "none", among=get_args(Flaw)))
    found = GatewayCertificate(flaw, table.flag("large", False))
    table.finish()
    return found


def _fault(table: Table) -> FaultSpec:
    known = {**_PATH_ARGUMENTS, **_GATEWAY_ARGUMENTS}
    kind = table.text("kind", among=known)
    where = table.checked("where", "path", _place) if kind in _PATH_ARGUMENTS else "gateway"
    strikes = table.flag("strikes", True) if kind in _PATH_ARGUMENTS else False
    arguments: dict[str, str | int | float | bool] = {}
    for name, wanted in known[kind].items():
        if name not in table:
            continue
        if wanted is str:
            arguments[name] = table.text(name, among=_WORDS.get(name, ()))
        elif wanted is bool:
            arguments[name] = table.flag(name, True)
        else:
            arguments[name] = wanted(table.number(name))
    table.finish()
    return FaultSpec(kind, where, arguments, strikes)


def _place(text: str) -> str:
    words = text.split()
    router = len(words) == 2 and words[0] == "router" and words[1].isdigit() and int(words[1]) > 0
    if not router and text not in ("path", "client-nat", "server-nat"):
        raise ValueError("path, router N, client-nat or server-nat is wanted")
    return text


def _options(table: Table | None) -> Mapping[str, object]:
    if table is None:
        return MappingProxyType({})
    found = {}
    for key in table.rest():
        value = table.plain(key, None)
        found[key] = tuple(value) if isinstance(value, list) else value
    return MappingProxyType(found)


def _dial(table: Table | None, before: Dial) -> Dial:
    if table is None:
        return before
    certificate = before.certificate
    if "certificate" in table:
        certificate = cast(Flaw, table.text("certificate", among=get_args(Flaw)))
    dial = Dial(
        host=table.text("host", before.host),
        names=table.texts("names", before.names),
        profile=table.text("profile", before.profile),
        nat_t=table.text("nat_t", before.nat_t, among=("auto", "forced", "native")),
        psk=table.text("psk", before.psk),
        user=table.text("user", before.user),
        password=table.text("password", before.password),
        aggressive=table.flag("aggressive", before.aggressive),
        certificate=certificate,
        trust=table.flag("trust", before.trust),
        privileged=table.flag("privileged", before.privileged),
    )
    table.finish()
    return dial


def _expected(owner: Table, table: Table | None) -> Expected:
    if table is None:
        raise owner.error("'expect' is missing")
    causes = table.texts("cause")
    verdict = table.text("verdict", "faulty" if causes else "healthy", among=("healthy", "faulty"))
    if (verdict == "faulty") != bool(causes):
        raise table.error("a faulty verdict names its cause, a healthy one has none")
    present = table.table("present")
    expected = Expected(
        causes,
        table.texts("stage"),
        table.texts("warnings"),
        table.texts("may_warn"),
        MappingProxyType({key: _value(present, key) for key in present.rest()} if present else {}),
        table.texts("absent"),
    )
    table.finish()
    return expected


def _value(table: Table, name: str) -> object:
    value = table.plain(name, None)
    return None if value == "any" else value


def _then(tables: Iterable[Table], first: Step) -> list[Step]:
    """Each further step: the first fault that is left is mended, or what the step says is changed."""
    steps: list[Step] = []
    before = first
    for table in tables:
        mend = table.text("mend", "fault", among=("fault", "nothing"))
        options = _options(table.table("options")) if "options" in table else before.options
        step = Step(
            before.faults[1:] if mend == "fault" else before.faults,
            options,
            _dial(table.table("dial"), before.dial),
            _expected(table, table.table("expect")),
        )
        table.finish()
        steps.append(step)
        before = step
    return steps


def option_names(options: type[object]) -> frozenset[str]:
    """Return the field names of a gateway's options, to check a case's against."""
    return frozenset(item.name for item in fields(options))  # type: ignore[arg-type]  # a dataclass
