"""Services disabled or stopped: those of the VPN, of the firewall and of Defender."""

from __future__ import annotations

from collections.abc import Iterator

from l2tp_doctor.lint.model import HOLE, Call, Instance, Severity, Values, Verdict, constants
from l2tp_doctor.lint.rules.access import net_share, sddl
from l2tp_doctor.lint.rules.common import Bound, arguments, every, first, folded

VPN = frozenset(
    [
        "rasman",
        "ikeext",
        "policyagent",
        "bfe",
        "remoteaccess",
        "sstpsvc",
        "tapisrv",
        "rasauto",
        "rasl2tp",
        "rasagilevpn",
        "raspptp",
        "rassstp",
        "ndiswan",
        "wanarp",
        "ndistapi",
    ]
)
_FIREWALL = frozenset({"mpssvc", "bfe"})
_DEFENDER = frozenset(
    {"windefend", "wdnissvc", "sense", "wdfilter", "wdboot", "wdnisdrv", "mdcoresvc", "wscsvc"}
)
# Display names, as Get-Service and net take them too.
_DISPLAY = {
    "remote access connection manager": "rasman",
    "ike and authip ipsec keying modules": "ikeext",
    "ipsec policy agent": "policyagent",
    "base filtering engine": "bfe",
    "routing and remote access": "remoteaccess",
    "secure socket tunneling protocol service": "sstpsvc",
    "telephony": "tapisrv",
    "remote access auto connection manager": "rasauto",
    "windows defender firewall": "mpssvc",
    "windows firewall": "mpssvc",
    "microsoft defender antivirus service": "windefend",
    "windows defender antivirus service": "windefend",
    "windows defender": "windefend",
}
_UNIX_VPN = frozenset(
    [
        "strongswan",
        "strongswan-starter",
        "strongswan-swanctl",
        "ipsec",
        "libreswan",
        "openswan",
        "xl2tpd",
        "charon",
        "pluto",
        "softether",
        "vpnserver",
        "softether-vpnserver",
        "accel-ppp",
    ]
)
_UNIX_FIREWALL = frozenset(
    ["firewalld", "nftables", "ufw", "iptables", "ip6tables", "netfilter-persistent", "shorewall"]
)


def _service(name: str) -> str:
    plain = folded(name).strip("'\"")
    return _DISPLAY.get(plain, plain)


def start_type(name: str, kind: str) -> Iterator[Verdict]:
    """Judges a start type given to a service."""
    service, bad = _service(name), folded(kind) in ("disabled", "4", "0x4")
    for rule, services in (
        ("service-disabled", VPN),
        ("firewall-off", _FIREWALL),
        ("defender-off", _DEFENDER),
    ):
        if service in services and not (rule == "firewall-off" and service == "bfe"):
            yield Verdict(rule, bad=bad, keys=frozenset({f"start:{service}"}))
            if not bad:
                yield Verdict(rule, bad=False, keys=frozenset({f"delete:{service}"}))


def state(name: str, *, running: bool) -> Iterator[Verdict]:
    """Judges a service stopped or started.  Stopping one of the VPN is no pitfall: a restart does it too."""
    service = _service(name)
    for rule, services in (("firewall-off", _FIREWALL), ("defender-off", _DEFENDER)):
        if service in services:
            yield Verdict(rule, bad=not running, keys=frozenset({f"state:{service}"}))


def _names(call: Call, bound: Bound) -> Iterator[str]:
    yield from every(bound, "name", "displayname")
    if "name" not in bound and "displayname" not in bound:
        for values in (bound.get("inputobject", ()), call.piped):
            yield from service_names(values)


def service_names(values: Values) -> Iterator[str]:
    """Yields the names of services among values: strings, ``Get-Service x``, CIM objects by their filter."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Instance) and value.kind == "get-service":
            yield from constants(value.arguments[0])
        elif isinstance(value, Instance) and value.kind == "cim" and len(value.arguments) > 1:
            for text in constants(value.arguments[1]):
                yield from filtered_names(text)
        elif not isinstance(value, Instance):
            yield from constants((value,))


def filtered_names(text: str) -> Iterator[str]:
    """Yields the names in a WQL filter such as ``Name='RasMan' OR Name='IKEEXT'``."""
    pieces = text.replace('"', "'").split("'")
    for before, quoted in zip(pieces[0::2], pieces[1::2], strict=False):
        if folded(before).replace(" ", "").endswith(("name=", "namelike")):
            yield quoted.strip("%")


def set_service(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-Service."""
    for name in _names(call, bound):
        for kind in every(bound, "startuptype"):
            yield from start_type(name, kind)
        for kind in every(bound, "status"):
            yield from state(name, running=folded(kind) != "stopped")


def stop_service(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Stop-Service, Start-Service, Restart-Service and Remove-Service."""
    for name in _names(call, bound):
        if call.name == "remove-service":
            yield from _deleted(name)
        else:
            yield from state(name, running=call.name not in ("stop-service", "suspend-service"))


def _deleted(name: str) -> Iterator[Verdict]:
    service = _service(name)
    for rule, services in (
        ("service-disabled", VPN),
        ("firewall-off", _FIREWALL),
        ("defender-off", _DEFENDER),
    ):
        if service in services and not (rule == "firewall-off" and service == "bfe"):
            yield Verdict(rule, keys=frozenset({f"delete:{service}"}))


def sc(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``sc config x start= disabled`` and what else sc.exe does to a service."""
    for words in call.argvs():
        argv = words[1:] if words and words[0].startswith("\\\\") else words
        if len(argv) < 2:
            continue
        verb, name = folded(argv[0]), argv[1]
        if verb == "config":
            rest = " ".join(argv[2:]).lower().replace("= ", "=").split()
            for word in rest:
                if word.startswith("start="):
                    for verdict in start_type(name, word[6:]):
                        severity: Severity | None = "warning" if call.cast_off and verdict.bad else None
                        yield Verdict(verdict.rule, verdict.bad, verdict.keys, severity)
        elif verb in ("stop", "start", "pause"):
            yield from state(name, running=verb == "start")
        elif verb == "delete":
            yield from _deleted(name)
        elif verb == "sdset":
            yield from sddl(argv[2] if len(argv) > 2 else "")


def net(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``net stop`` and ``net share``."""
    for argv in call.argvs():
        verb = folded(argv[0]) if argv else ""
        if verb in ("stop", "start", "pause") and len(argv) > 1:
            yield from state(argv[1], running=verb == "start")
        elif verb == "share":
            yield from net_share(argv)


def wmic(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``wmic service where name='x' call ChangeStartMode Disabled``."""
    for argv in call.argvs():
        text = " ".join(argv)
        lower = [folded(word) for word in argv]
        names = list(filtered_names(text))
        for index, word in enumerate(lower[:-1]):
            if word == "where" and not names:
                names = [lower[index + 1].strip("()").partition("=")[2].strip("'\"")]
            if word == "service" and not names and lower[index + 1] != "where":
                names = [lower[index + 1]]
        if "service" not in lower or not names:
            continue
        for name in names:
            if "changestartmode" in lower:
                yield from start_type(name, lower[-1].strip("()'\""))
            if "stopservice" in lower or "startservice" in lower:
                yield from state(name, running="startservice" in lower)


def change_start_mode(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``$service.ChangeStartMode('Disabled')`` and ``.StopService()``."""
    kinds = [text for values in arguments(call)[:1] for text in constants(values)]
    for name in service_names(call.piped):
        if call.name == ".changestartmode":
            for kind in kinds:
                yield from start_type(name, kind)
        else:
            yield from state(name, running=call.name in (".startservice", ".start"))


def cim_method(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Invoke-CimMethod and Invoke-WmiMethod with ChangeStartMode."""
    method = folded(first(bound, "methodname") or first(bound, "name"))
    names = list(service_names(call.piped)) + list(service_names(bound.get("inputobject", ())))
    for text in every(bound, "query", "path", "filter"):
        names += filtered_names(text)
    kinds: list[str] = []
    for value in (*bound.get("arguments", ()), *bound.get("argumentlist", ())):
        entries = getattr(value, "entries", None)
        kinds += (
            list(constants(entries.get("startmode", (HOLE,))))
            if entries is not None
            else list(constants((value,)))
        )
    for name in names:
        if method == "changestartmode":
            for kind in kinds:
                yield from start_type(name, kind)
        elif method in ("stopservice", "startservice"):
            yield from state(name, running=method == "startservice")


def psservice(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges PsService's ``setconfig x disabled``."""
    for argv in call.argvs():
        bare = [word for word in argv if not word.startswith(("-", "/", "\\\\"))]
        if len(bare) > 2 and folded(bare[0]) == "setconfig":
            yield from start_type(bare[1], bare[2])


# -- Unix -----------------------------------------------------------------------------------------


def _unit(name: str) -> str:
    return name.partition("@")[0].removesuffix(".service")


def _unix(name: str, *, off: bool, for_good: bool) -> Iterator[Verdict]:
    unit = _unit(name)
    if unit in _UNIX_VPN and (for_good or not off):
        yield Verdict("service-disabled", bad=off and for_good, keys=frozenset({f"unit:{unit}"}))
    if unit in _UNIX_FIREWALL:
        yield Verdict("firewall-off", bad=off, keys=frozenset({f"unit:{unit}"}))


def systemctl(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges systemctl's stop, disable and mask."""
    for argv in call.argvs():
        bare = [word for word in argv if not word.startswith("-")]
        verb = bare[0] if bare else ""
        off = verb in ("stop", "disable", "mask", "kill")
        if not off and verb not in ("start", "restart", "enable", "unmask", "reenable", "reload-or-restart"):
            continue
        if verb == "unmask":
            continue
        if not off and verb in ("start", "restart") and any(_unit(name) in _UNIX_VPN for name in bare[1:]):
            continue  # started once, still disabled for the next boot
        for name in bare[1:]:
            yield from _unix(name, off=off, for_good=verb in ("disable", "mask", "enable"))


def sysv(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``service x stop``, ``chkconfig x off`` and ``update-rc.d x disable``."""
    for argv in call.argvs():
        bare = [word for word in argv if not word.startswith("-")]
        if len(bare) < 2:
            continue
        off = bare[1] in ("stop", "off", "disable", "remove", "del")
        if off or bare[1] in ("start", "restart", "on", "enable", "defaults", "add"):
            yield from _unix(bare[0], off=off, for_good=call.name != "service")
