"""The lab's cases: one small YAML file each, read strictly into typed values.

``lab/cases/<group>/<id>.yaml``; ``docs/lab.md`` says what the keys mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from lab.pki import CrlKind, Flaw
from lab.strict_yaml import CaseError, Table
from lab.topologies import SHAPES, Shape

CASES = Path(__file__).with_name("cases")
SUBSET = Path(__file__).with_name("subset.txt")
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
    "bad-checksum": {"port": int, "direction": str},
    "rewrite-port": {"port": int, "to": int, "direction": str},
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
    "session-limit": {"count": int},
    "small-pool": {},
    # Clocks that others may ask (NTP): in the guest, and on the first router.
    "gateway-ntp": {"unsynchronised": bool},
    "reference-ntp": {},
    # Inside a guest.
    "guest": {"run": str, "undo": str},
    "netem": {"settings": str, "direction": str},
    "clock": {"days": float, "behind": bool},
    # Main Mode 1 from the client's address, never continued.
    "half-open": {"count": int},
    # A second client behind the same NAT, connected before ours dials.
    "other-client": {},
}
_COUNTED = frozenset({*_PATH_ARGUMENTS, "netem"})
"""Kinds that count the packets that they catch."""
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
        strikes: whether it must catch a packet; only for faults that count what they catch.
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
        intermediate: an authority between the root and the client's certificate, ``sent`` along or not.
        key: hand over that certificate's private key too.
        auth: what the profile is said to be set to.
        trust: hand over the lab's CA with the certificate.
        crl: hand over a revocation list of this kind.
        clock_days: days the client's own clock is wrong.
        clock_behind: it is behind, not ahead.
        ntp: compare the client's clock with that of the first router, which has ``reference-ntp``.
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
    intermediate: str = "none"
    key: bool = True
    auth: str = "auto"
    trust: bool = True
    crl: CrlKind | None = None
    clock_days: float = 0.0
    clock_behind: bool = False
    ntp: bool = False
    privileged: bool = True


@dataclass(frozen=True)
class GatewayCertificate:
    """What the gateway proves itself with, in place of the key.

    Attributes:
        flaw: what is wrong with its certificate.
        large: keys of 4096 bits on both sides, so that messages with certificates fit into no frame.
        intermediate: an authority between the root and the gateway's certificate, ``sent`` along or not.
        revocation: the gateway knows the list of revoked client certificates.
        beside_key: the gateway takes the key and only knows the authority, as one that serves others too.
    """

    flaw: Flaw = "none"
    large: bool = False
    intermediate: str = "none"
    revocation: bool = False
    beside_key: bool = False


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
        reflect: a reflector runs on a host beside the gateway, and the dial asks it.
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
    reflect: bool = False

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


def load_subset(cases: Iterable[Case], path: Path = SUBSET) -> tuple[Case, ...]:
    """Return the cases that the tests run for real, as the list names them.

    Raises:
        CaseError: the list names a case that is not there, or names one twice.
    """
    by_id = {case.id: case for case in cases}
    found: dict[str, Case] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name = line.partition("#")[0].strip()
        if name and (name in found or name not in by_id):
            raise CaseError(f"{path}:{number}: {name!r} is there twice, or is no case")
        if name:
            found[name] = by_id[name]
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
        table.flag("reflect", False),
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
    found = GatewayCertificate(
        flaw,
        table.flag("large", False),
        table.text("intermediate", "none", among=("none", "sent", "missing")),
        table.flag("revocation", False),
        table.flag("beside_key", False),
    )
    table.finish()
    return found


def _fault(table: Table) -> FaultSpec:
    known = {**_PATH_ARGUMENTS, **_GATEWAY_ARGUMENTS}
    kind = table.text("kind", among=known)
    where = table.checked("where", "path", _place) if kind in _PATH_ARGUMENTS else "gateway"
    strikes = table.flag("strikes", True) if kind in _COUNTED else False
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
    crl = before.crl
    if "crl" in table:
        crl = cast(CrlKind, table.text("crl", among=get_args(CrlKind)))
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
        intermediate=table.text("intermediate", before.intermediate, among=("none", "sent", "missing")),
        key=table.flag("key", before.key),
        auth=table.text("auth", before.auth, among=("auto", "psk", "certificate")),
        trust=table.flag("trust", before.trust),
        crl=crl,
        clock_days=float(table.number("clock_days", before.clock_days)),
        clock_behind=table.flag("clock_behind", before.clock_behind),
        ntp=table.flag("ntp", before.ntp),
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
