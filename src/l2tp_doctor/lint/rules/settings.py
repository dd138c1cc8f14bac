"""Firewall, Defender, execution policy and weak algorithms, set by cmdlets and programs."""

from __future__ import annotations

from collections.abc import Iterator

from l2tp_doctor.lint.model import Call, Severity, Table, Verdict, constants
from l2tp_doctor.lint.rules.access import system_folder
from l2tp_doctor.lint.rules.common import Bound, arguments, every, falsy, first, folded, truthy

_PROFILES = ("domain", "private", "public")
_OFF = {"0", "disabled", "false"}
# Preference, the values that switch a protection off, and how bad that is.
_PREFERENCES: dict[str, tuple[frozenset[str], Severity | None]] = {
    **{
        name: (frozenset({"true", "1"}), None)
        for name in [
            "disablerealtimemonitoring",
            "disablebehaviormonitoring",
            "disableioavprotection",
            "disablescriptscanning",
            "disableblockatfirstseen",
            "disableintrusionpreventionsystem",
            "disablearchivescanning",
        ]
    },
    "enablecontrolledfolderaccess": (frozenset({"disabled", "0", "false"}), None),
    "enablenetworkprotection": (frozenset({"disabled", "0", "false"}), None),
    "puaprotection": (frozenset({"disabled", "0", "false"}), "warning"),
    "mapsreporting": (frozenset({"disabled", "0"}), "warning"),
    "attacksurfacereductionrules_actions": (frozenset({"disabled", "0"}), "warning"),
    "highthreatdefaultaction": (frozenset({"allow", "6", "noaction", "9"}), None),
    "severethreatdefaultaction": (frozenset({"allow", "6", "noaction", "9"}), None),
}


def _profiles(names: list[str], *, bad: bool) -> Iterator[Verdict]:
    chosen = [folded(part) for name in names for part in name.split(",")]
    if not chosen or any(name in ("any", "all", "*") or name not in _PROFILES for name in chosen):
        chosen = list(_PROFILES) if not chosen or not set(chosen) <= set(_PROFILES) else chosen
    for name in dict.fromkeys(chosen):
        yield Verdict("firewall-off", bad=bad, keys=frozenset({f"profile:{name}"}))


def firewall_profile(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-NetFirewallProfile."""
    names = list(every(bound, "profile", "name"))
    for enabled in every(bound, "enabled"):
        if folded(enabled) != "notconfigured":
            yield from _profiles(names, bad=falsy(enabled))
    for action in every(bound, "defaultinboundaction"):
        yield Verdict("firewall-off", bad=folded(action) == "allow", keys=frozenset({"inbound"}))


def firewall_setting(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-NetFirewallSetting -CertValidationLevel."""
    for level in every(bound, "certvalidationlevel"):
        yield Verdict("certificate-check-off", bad=folded(level) in ("none", "0"), keys=frozenset({"crl"}))


def netsh(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``netsh advfirewall``, the older ``netsh firewall`` and the CRL check of IPsec."""
    for argv in call.argvs():
        words = [folded(word) for word in argv]
        if words[:2] == ["advfirewall", "set"] and len(words) > 3:
            yield from _advfirewall(words[2], words[3:])
        elif words[:3] == ["firewall", "set", "opmode"]:
            mode = [word.removeprefix("mode=") for word in words[3:4]]
            yield from _profiles([], bad=mode == ["disable"])


def _advfirewall(what: str, rest: list[str]) -> Iterator[Verdict]:
    name = what.removesuffix("profile").removesuffix("profiles")
    if what in ("global", "allprofiles", "currentprofile") or what.endswith("profile"):
        names = [name] if name in _PROFILES else []
        if rest[0] == "state" and len(rest) > 1:
            yield from _profiles(names, bad=rest[1] == "off")
        if rest[0] == "firewallpolicy" and len(rest) > 1:
            bad = rest[1].startswith("allowinbound")
            yield Verdict("firewall-off", bad=bad, keys=frozenset({"inbound"}))
        joined = " ".join(rest).replace("=", " ").split()
        if joined[:2] == ["ipsec", "strongcrlcheck"] and len(joined) > 2:
            yield Verdict("certificate-check-off", bad=joined[2] == "0", keys=frozenset({"crl"}))


def preference(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set- and Add-MpPreference."""
    for name, (bad, severity) in _PREFERENCES.items():
        for value in every(bound, name):
            yield Verdict(
                "defender-off", bad=folded(value) in bad, keys=frozenset({f"mp:{name}"}), severity=severity
            )
    removed = call.name == "remove-mppreference"
    for path in every(bound, "exclusionpath"):
        if system_folder(path) or folded(path) in ("*", "c:", "\\"):
            yield Verdict("defender-off", bad=not removed, keys=frozenset({f"exclusion:{folded(path)}"}))
    for extension in every(bound, "exclusionextension"):
        if folded(extension).lstrip("*.") in ("exe", "dll", "ps1", ""):
            yield Verdict("defender-off", bad=not removed, keys=frozenset({f"extension:{folded(extension)}"}))


def feature(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Defender removed as a Windows feature."""
    if any(folded(name).startswith("windows-defender") for name in every(bound, "name", "featurename")):
        yield Verdict("defender-off")


def dism(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``dism /Disable-Feature /FeatureName:Windows-Defender``."""
    for argv in call.argvs():
        words = [folded(word) for word in argv]
        if "/disable-feature" in words and any(
            word.startswith("/featurename:windows-defender") for word in words
        ):
            yield Verdict("defender-off")


def mpcmdrun(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``MpCmdRun -RemoveDefinitions -All``."""
    for argv in call.argvs():
        words = [folded(word).lstrip("-/") for word in argv]
        if "removedefinitions" in words and "all" in words:
            yield Verdict("defender-off")


def execution_policy(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-ExecutionPolicy."""
    scope = folded(first(bound, "scope") or "localmachine")
    for policy in every(bound, "executionpolicy"):
        bad = folded(policy) in ("bypass", "unrestricted", "4", "0")
        yield Verdict("execution-policy-bypass", bad=bad, keys=frozenset({f"policy:{scope}"}))


def policy_variable(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``$env:PSExecutionPolicyPreference = 'Bypass'``."""
    for values in arguments(call):
        for policy in constants(values):
            bad = folded(policy) in ("bypass", "unrestricted")
            yield Verdict("execution-policy-bypass", bad=bad, keys=frozenset({"policy:env"}))


def default_parameters(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``$PSDefaultParameterValues``: a switch set there is set in every call."""
    for values in arguments(call):
        for value in values:
            for key, found in value.entries.items() if isinstance(value, Table) else ():
                off = any(truthy(text) for text in constants(found))
                if key.endswith(":skipcertificatecheck") and off:
                    yield Verdict("certificate-check-off")


def ipsec_configuration(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-VpnConnectionIPsecConfiguration: single DES, MD5, 768-bit Diffie-Hellman."""
    weak = {
        "encryptionmethod": {"des"},
        "ciphertransformconstants": {"des", "none"},
        "dhgroup": {"group1", "none"},
        "integritycheckmethod": {"md5"},
        "authenticationtransformconstants": {"md596", "none"},
    }
    gcm = any("gcm" in folded(text) for text in every(bound, "ciphertransformconstants"))
    for name, values in weak.items():
        for text in every(bound, name):
            if folded(text) in values and not (gcm and folded(text) == "none"):
                yield Verdict("weak-crypto")


# -- firewalls of Unix --------------------------------------------------------------------------------


def ufw(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ufw."""
    for argv in call.argvs():
        words = [word for word in argv if not word.startswith("-")]
        if words[:1] in (["disable"], ["reset"], ["enable"]):
            yield Verdict("firewall-off", bad=words[0] != "enable", keys=frozenset({"ufw"}))
        if words[:2] == ["default", "allow"] and words[2:3] in ([], ["incoming"]):
            yield Verdict("firewall-off", keys=frozenset({"ufw-default"}))
        if words[:1] == ["default"] and words[1:2] in (["deny"], ["reject"]):
            yield Verdict("firewall-off", bad=False, keys=frozenset({"ufw-default"}))


def iptables(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges iptables: all rules flushed, or everything let in, and nothing put in their place."""
    for argv in call.argvs():
        keys = frozenset({call.name.removesuffix("-restore").removesuffix("-nft").removesuffix("-legacy")})
        table = argv[argv.index("-t") + 1] if "-t" in argv[:-1] else "filter"
        bare = [word for word in argv if word not in ("-w", "--wait", "-v", "-t", table)]
        if call.name.endswith("-restore") or {"-A", "-I", "--append", "--insert"} & set(argv):
            yield Verdict("firewall-off", bad=False, keys=keys)
        elif bare in (["-F"], ["--flush"], ["-F", "INPUT"]) and table == "filter":
            yield Verdict("firewall-off", keys=keys)
        elif bare[:1] in (["-P"], ["--policy"]) and bare[1:2] in (["INPUT"], ["FORWARD"]):
            drop = bare[2:3] in (["DROP"], ["REJECT"])
            if bare[1] == "INPUT":
                yield Verdict("firewall-off", bad=not drop, keys=keys)


def nft(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``nft flush ruleset``."""
    for argv in call.argvs():
        text = " ".join(argv)
        if "flush ruleset" in text:
            yield Verdict("firewall-off", keys=frozenset({"nft"}))
        elif "-f" in argv or "--file" in argv or "add rule" in text or "insert rule" in text:
            yield Verdict("firewall-off", bad=False, keys=frozenset({"nft"}))


def pfctl(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges macOS: ``pfctl -d`` and ``socketfilterfw --setglobalstate off``."""
    for argv in call.argvs():
        if call.name == "pfctl" and ({"-d", "-e"} & set(argv)):
            yield Verdict("firewall-off", bad="-d" in argv, keys=frozenset({"pf"}))
        if "--setglobalstate" in argv[:-1]:
            off = argv[argv.index("--setglobalstate") + 1] == "off"
            yield Verdict("firewall-off", bad=off, keys=frozenset({"alf"}))
