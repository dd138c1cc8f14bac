"""Every command of an entry is one its shell can read, and every cmdlet has the parameters it is given."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from l2tp_doctor.lint import lint_text
from tests.knowledge.commands import Command, bridged, commands, invocations, mistakes, recorded

# Names of cmdlets and parameters, taken by scripts/make_cmdlet_table.py from
# MicrosoftDocs/PowerShell-Docs (reference/5.1, commit 27138b21b41d, 2026-08-20) and
# MicrosoftDocs/windows-powershell-docs (docset/winserver2025-ps, commit f113d6bda7df, 2026-04-25).
CMDLETS = recorded(json.loads((Path(__file__).parents[1] / "data" / "cmdlets.json").read_text("utf-8")))
# about_CommonParameters, with the aliases.
COMMON = frozenset(
    {"debug", "erroraction", "errorvariable", "informationaction", "informationvariable", "outvariable"}
    | {"outbuffer", "pipelinevariable", "verbose", "warningaction", "warningvariable"}
    | {"db", "ea", "ev", "infa", "iv", "ov", "ob", "pv", "vb", "wa", "wv"}
)
# Parameters that a provider adds: about_Certificate_Provider.
OF_PROVIDERS = {
    "get-childitem": {"codesigningcert", "documentencryptioncert", "dnsname", "eku", "expiringindays"},
    "remove-item": {"deletekey"},
}
CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]\w+")
# What must never be applied, by the id of the pitfall; undoing may bring back what was there.
FORBIDDEN = {
    "everyone-full-control": r"(everyone|\*?s-1-1-0)\W{0,3}:?\W{0,8}f\b",
    "service-disabled": r"-startuptype\s+'?disabled|start=\s*disabled|/d\s+4\b",
    "certificate-check-off": r"strongcrlcheck\s+0|certvalidationlevel\s+none|disableikenameekucheck",
    "firewall-off": r"-enabled\s+\W?false|state\s+off|(?:stop|disable) (?:ufw|firewalld|nft)|ufw disable",
    "defender-off": r"disablerealtimemonitoring|enablecontrolledfolderaccess\s+(?:disabled|0)|-exclusionpath",
    "takeown-system-folder": r"\btakeown\b",
    "prohibit-ipsec": r"prohibitipsec\b.*-value\s+1",
    "weak-crypto": r"\b3?des\b|\bdes3\b|modp1024|modp768|\bmd5|allowl2tpweakcrypto|dhgroup\s+'?group[12]\b",
    "psk-in-clear": r"""-l2tppsk\s+['"\w]|/psk:|secret\s*=\s*"[^"$]""",
    "execution-policy-bypass": r"set-executionpolicy|-executionpolicy\s+(?:bypass|unrestricted)|-ep\s+bypass",
    "setowner-is-no-rollback": r"/setowner",
}


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.where)
def test_a_command_can_be_read_by_its_shell(command: Command) -> None:
    text = bridged(command.text) if command.shell == "powershell" else command.text
    assert mistakes(command.shell, text) == []


@pytest.mark.parametrize(
    "gap",
    ["Set-VpnConnection -Name x -L2tpPsk $key", "Get-Service -Name BFE, IKEEXT", "Get-Service BFE, IKEEXT"],
)
def test_what_the_grammar_cannot_read_is_bridged_and_nothing_else(gap: str) -> None:
    # These are right; once the grammar reads them, the bridge can go.
    assert mistakes("powershell", gap)
    assert not mistakes("powershell", bridged(gap))


@pytest.mark.parametrize(
    "text",
    [
        "Get-NetUDPEndpoint -LocalPort 500, 4500",
        "Write-Output 'a -L2tpPsk b, c'",
        "$wanted = @{ BFE = 'Automatic'; IKEEXT = 'Manual' }",
        "Get-Thing -A $x, $y",
    ],
)
def test_the_bridge_leaves_alone_what_the_grammar_reads(text: str) -> None:
    assert bridged(text) == text


@pytest.mark.parametrize("text", ["Get-Service -Name (", "Get-Service | | Format-List", "if ($a) { "])
def test_a_real_mistake_is_still_seen(text: str) -> None:
    assert mistakes("powershell", bridged(text))


def test_invocations_are_found_with_their_parameters() -> None:
    text = (
        "if ($a) { Set-VpnConnection -Name x -L2tpPsk $key -Force }\n"
        "Get-Service BFE, RasMan | Format-List -Property *"
    )
    assert list(invocations(text)) == [
        ("Set-VpnConnection", ("Name", "L2tpPsk", "Force")),
        ("Get-Service", ()),
        ("Format-List", ("Property",)),
    ]


@pytest.mark.parametrize(
    "command", [item for item in commands() if item.shell == "powershell"], ids=lambda command: command.where
)
def test_every_cmdlet_has_the_parameters_it_is_given(command: Command) -> None:
    for name, parameters in invocations(command.text):
        if not CMDLET.fullmatch(name):
            continue  # a program, an alias or a variable
        known = CMDLETS.get(name.lower())
        assert known is not None, f"{name} is not in the reference"
        allowed = known | COMMON | OF_PROVIDERS.get(name.lower(), set())
        unknown = [parameter for parameter in parameters if parameter.lower() not in allowed]
        assert unknown == [], f"{name} has no such parameter"


@pytest.mark.parametrize("pitfall", FORBIDDEN)
def test_nothing_that_is_applied_does_what_a_pitfall_forbids(pitfall: str) -> None:
    pattern = re.compile(FORBIDDEN[pitfall], re.IGNORECASE)
    offenders = [
        item.where for item in commands() if item.changes and pattern.search(_without_comments(item))
    ]
    assert offenders == []


@pytest.mark.parametrize(
    "command",
    [item for item in commands() if item.where.startswith("fix:")],
    ids=lambda command: command.where,
)
def test_the_linter_finds_nothing_in_a_fix_or_its_undo(command: Command) -> None:
    assert [finding.rule for finding in lint_text(command.text, command.shell)] == []


def _without_comments(command: Command) -> str:
    return command.text if command.shell == "cmd" else re.sub(r"(?m)(?:^|(?<=\s))# .*$", "", command.text)


def test_no_secret_stands_in_a_command() -> None:
    pattern = re.compile(FORBIDDEN["psk-in-clear"] + r"|/password:\S|--(?:psk|password)[ =]\S", re.IGNORECASE)
    assert [item.where for item in commands() if pattern.search(item.text)] == []


def test_a_secret_read_into_a_variable_is_cleared() -> None:
    for item in commands():
        if "-AsSecureString" in item.text and "$plain" in item.text:
            assert "Remove-Variable -Name secret, plain" in item.text, item.where
