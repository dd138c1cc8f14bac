"""The cmdlets the rules look at: their parameters, in the order in which PowerShell fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from l2tp_doctor.lint.model import Call, Items, Table, Values


@dataclass(frozen=True)
class Cmdlet:
    """What binding needs to know of a cmdlet.

    Attributes:
        positional: parameters that take words without a name, in order.
        named: further parameters that take a value.
        switches: parameters that take none.
        aliases: short names of parameters.
    """

    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


_COMMON_NAMED = (
    "erroraction",
    "warningaction",
    "informationaction",
    "errorvariable",
    "warningvariable",
    "outvariable",
    "outbuffer",
    "pipelinevariable",
    "computername",
    "cimsession",
    "credential",
    "throttlelimit",
    "inputobject",
)
_COMMON_SWITCHES = ("whatif", "confirm", "verbose", "debug", "force", "passthru", "asjob")
_COMMON_ALIASES = {
    "ea": "erroraction",
    "wa": "warningaction",
    "wi": "whatif",
    "cf": "confirm",
    "vb": "verbose",
}


def _cmdlet(
    positional: str = "", named: str = "", switches: str = "", aliases: Mapping[str, str] | None = None
) -> Cmdlet:
    return Cmdlet(
        tuple(positional.split()),
        (*named.split(), *_COMMON_NAMED),
        (*switches.split(), *_COMMON_SWITCHES),
        {**_COMMON_ALIASES, **(aliases or {})},
    )


_MP = _cmdlet(
    named="disablerealtimemonitoring disablebehaviormonitoring disableioavprotection disablescriptscanning "
    "disableblockatfirstseen disableintrusionpreventionsystem disablearchivescanning disableemailscanning "
    "disableremovabledrivescanning disableprivacymode mapsreporting submitsamplesconsent puaprotection "
    "enablecontrolledfolderaccess enablenetworkprotection attacksurfacereductionrules_ids "
    "attacksurfacereductionrules_actions exclusionpath exclusionextension exclusionprocess "
    "controlledfolderaccessallowedapplications controlledfolderaccessprotectedfolders scanscheduleday "
    "highthreatdefaultaction lowthreatdefaultaction moderatethreatdefaultaction severethreatdefaultaction "
    "disabletlsparsing disablehttpparsing disablednsparsing disablerdpparsing disablesshparsing "
    "disableftpparsing disableinboundconnectionfiltering disabledatagramprocessing",
    aliases={"drtm": "disablerealtimemonitoring"},
)
_WEB = _cmdlet(
    "uri",
    "method headers body outfile useragent timeoutsec proxy sessionvariable websession contenttype",
    "usebasicparsing skipcertificatecheck skiphttperrorcheck usedefaultcredentials",
)
_VPN = _cmdlet(
    "name serveraddress",
    "tunneltype encryptionlevel authenticationmethod eapconfigxmlstream l2tppsk dnssuffix "
    "idledisconnectseconds "
    "machinecertificateekufilter machinecertificateissuerfilter pluginapplicationid customconfiguration "
    "serverlist",
    "alluserconnection remembercredential splittunneling usewinlogoncredential allowunlisted",
)
_ITEM_PROPERTY = _cmdlet(
    "path name value",
    "literalpath propertytype filter include exclude",
    aliases={"type": "propertytype", "pspath": "literalpath"},
)
_CONTENT = _cmdlet("path value", "literalpath encoding filter", "nonewline append", {"pspath": "literalpath"})
_FILE = _cmdlet("filepath encoding", "literalpath width", "append noclobber nonewline", {"path": "filepath"})
_ARGUMENTS = _cmdlet(
    "filepath argumentlist",
    "verb workingdirectory windowstyle redirectstandardoutput redirectstandarderror",
    "wait nonewwindow",
    {"args": "argumentlist"},
)
_SERVICE_BY_NAME = _cmdlet(
    "name", "displayname include exclude", "nowait", {"servicename": "name", "sn": "name"}
)
_FIREWALL_PROFILE = _cmdlet(
    "name",
    "profile enabled defaultinboundaction defaultoutboundaction allowinboundrules policystore gposession "
    "logallowed logblocked notifyonlisten",
    "all",
)
_FEATURE = _cmdlet("name", "featurename path", "online norestart restart remove", {"featurename": "name"})

CMDLETS: Mapping[str, Cmdlet] = {
    "set-service": _cmdlet(
        "name",
        "displayname description startuptype status securitydescriptorsddl",
        "",
        {
            "st": "startuptype",
            "startmode": "startuptype",
            "sm": "startuptype",
            "starttype": "startuptype",
            "servicename": "name",
            "sn": "name",
            "dn": "displayname",
        },
    ),
    "stop-service": _SERVICE_BY_NAME,
    "start-service": _SERVICE_BY_NAME,
    "restart-service": _SERVICE_BY_NAME,
    "get-service": _SERVICE_BY_NAME,
    "remove-service": _SERVICE_BY_NAME,
    "suspend-service": _SERVICE_BY_NAME,
    "set-itemproperty": _ITEM_PROPERTY,
    "new-itemproperty": _ITEM_PROPERTY,
    "remove-itemproperty": _cmdlet("path name", "literalpath filter", "", {"pspath": "literalpath"}),
    "set-mppreference": _MP,
    "add-mppreference": _MP,
    "remove-mppreference": _MP,
    "set-netfirewallprofile": _FIREWALL_PROFILE,
    "set-netfirewallsetting": _cmdlet("", "certvalidationlevel exemptions policystore"),
    "add-vpnconnection": _VPN,
    "set-vpnconnection": _VPN,
    "set-vpnconnectionipsecconfiguration": _cmdlet(
        "connectionname authenticationtransformconstants ciphertransformconstants dhgroup encryptionmethod "
        "integritycheckmethod pfsgroup",
        "",
        "reverttodefault alluserconnection",
        {"name": "connectionname"},
    ),
    "set-vpnserverconfiguration": _cmdlet(
        "", "tunneltype sharedsecret encryptiontype encryptionmethod integritycheckmethod", "custompolicy"
    ),
    "set-vpnauthprotocol": _cmdlet(
        "", "userauthprotocoladvanced tunnelauthprotocolsadvertised sharedsecret rootcertificatenametoaccept"
    ),
    "add-vpns2sinterface": _cmdlet("name destination", "authenticationmethod sharedsecret"),
    "set-vpns2sinterface": _cmdlet("name destination", "authenticationmethod sharedsecret"),
    "set-executionpolicy": _cmdlet("executionpolicy scope"),
    "test-netconnection": _cmdlet(
        "computername commontcpport",
        "port hops constrainsourceaddress informationlevel",
        "traceroute diagnoserouting",
        {"remoteaddress": "computername", "cn": "computername", "remoteport": "port"},
    ),
    "test-connection": _cmdlet("targetname", "tcpport count timeoutseconds", "quiet traceroute ipv4 ipv6"),
    "invoke-webrequest": _WEB,
    "invoke-restmethod": _WEB,
    "new-pssessionoption": _cmdlet(
        "", "operationtimeout idletimeout", "skipcacheck skipcncheck skiprevocationcheck noencryption"
    ),
    "new-cimsessionoption": _cmdlet(
        "", "protocol", "skipcacheck skipcncheck skiprevocationcheck usessl noencryption"
    ),
    "add-ntfsaccess": _cmdlet("path account accessrights", "accesstype inheritanceflags appliesto"),
    "set-ntfsowner": _cmdlet("path account", "", "", {"owner": "account"}),
    "grant-smbshareaccess": _cmdlet("name", "accountname accessright"),
    "new-smbshare": _cmdlet("name path", "fullaccess changeaccess readaccess noaccess description"),
    "set-acl": _cmdlet("path aclobject", "literalpath"),
    "start-process": _ARGUMENTS,
    "invoke-expression": _cmdlet("command"),
    "invoke-command": _cmdlet("computername scriptblock", "argumentlist session filepath hostname"),
    "invoke-wmimethod": _cmdlet("class name argumentlist", "path namespace"),
    "invoke-cimmethod": _cmdlet(
        "classname methodname arguments", "query namespace", "", {"name": "methodname", "class": "classname"}
    ),
    "get-wmiobject": _cmdlet("class property", "filter query namespace list"),
    "get-ciminstance": _cmdlet("classname", "filter query namespace property", "", {"class": "classname"}),
    "set-content": _CONTENT,
    "add-content": _CONTENT,
    "out-file": _FILE,
    "tee-object": _FILE,
    "new-item": _cmdlet("path name", "itemtype value", "", {"type": "itemtype"}),
    "new-object": _cmdlet("typename argumentlist", "comobject property strict", "", {"args": "argumentlist"}),
    "convertto-securestring": _cmdlet("string", "key securekey", "asplaintext"),
    "join-path": _cmdlet("path childpath", "additionalchildpath", "resolve"),
    "get-item": _cmdlet("path", "literalpath filter"),
    "get-process": _cmdlet("name", "id"),
    "set-alias": _cmdlet("name value", "description option scope"),
    "new-alias": _cmdlet("name value", "description option scope"),
    "set-gpregistryvalue": _cmdlet("", "guid name key valuename value type domain"),
    "set-gpprefregistryvalue": _cmdlet("", "guid name key valuename value type context action"),
    "uninstall-windowsfeature": _FEATURE,
    "remove-windowsfeature": _FEATURE,
    "disable-windowsoptionalfeature": _FEATURE,
    "new-scheduledtaskaction": _cmdlet("execute argument workingdirectory", "id"),
    "set-location": _cmdlet("path", "literalpath"),
    "push-location": _cmdlet("path", "literalpath"),
    "register-scheduledtask": _cmdlet("taskname"),
}

ALIASES: Mapping[str, str] = {
    "tnc": "test-netconnection",
    "sp": "set-itemproperty",
    "rp": "remove-itemproperty",
    "spsv": "stop-service",
    "sasv": "start-service",
    "gsv": "get-service",
    "iwr": "invoke-webrequest",
    "irm": "invoke-restmethod",
    "iex": "invoke-expression",
    "icm": "invoke-command",
    "saps": "start-process",
    "start": "start-process",
    "ac": "add-content",
    "tee": "tee-object",
    "ni": "new-item",
    "gi": "get-item",
    "sal": "set-alias",
    "nal": "new-alias",
    "gwmi": "get-wmiobject",
    "gcim": "get-ciminstance",
    "iwmi": "invoke-wmimethod",
    "icim": "invoke-cimmethod",
    "%": "foreach-object",
    "foreach": "foreach-object",
    "?": "where-object",
    "where": "where-object",
    "sl": "set-location",
    "cd": "set-location",
    "chdir": "set-location",
    "pushd": "push-location",
    "gps": "get-process",
    "ps": "get-process",
    "select": "select-object",
    "sort": "sort-object",
    "write": "write-output",
    "md": "mkdir",
    "get-netfirewallprofiles": "",
}


def _full_name(name: str, cmdlet: Cmdlet) -> str:
    """Resolves an abbreviated parameter; PowerShell takes any prefix that only one parameter has."""
    known = (*cmdlet.positional, *cmdlet.named, *cmdlet.switches)
    if name in known:
        return name
    if name in cmdlet.aliases:
        return cmdlet.aliases[name]
    fits = [full for full in known if full.startswith(name)]
    own = [full for full in fits if full not in _COMMON_NAMED and full not in _COMMON_SWITCHES]
    return (own or fits or [name])[0]


def bind(call: Call, cmdlet: Cmdlet | None, positional: tuple[str, ...] = ()) -> dict[str, Values]:
    """Returns the values of a call's parameters; a switch that is set has the value ``True``."""
    what = cmdlet or Cmdlet(positional)
    found: dict[str, Values] = {}
    loose: list[Values] = []
    waiting = ""
    for word in call.words:
        if word.splat:
            loose += _splatted(word.values, what, found)
        elif word.parameter:
            if waiting:
                found.setdefault(waiting, ("True",))
            waiting = ""
            name = _full_name(word.parameter, what)
            if word.attached:
                found[name] = word.values
            elif name in what.switches:
                found[name] = ("True",)
            else:
                waiting = name
        elif waiting:
            found[waiting], waiting = word.values, ""
        else:
            loose.append(word.values)
    if waiting:
        found.setdefault(waiting, ("True",))
    free = iter([name for name in what.positional if name not in found])
    for values in loose:
        name = next(free, "")
        if not name:
            break
        found[name] = values
    return found


def _splatted(values: Values, cmdlet: Cmdlet, found: dict[str, Values]) -> list[Values]:
    loose: list[Values] = []
    for value in values:
        if isinstance(value, Table):
            for key, one in value.entries.items():
                found[_full_name(key, cmdlet)] = one
        elif isinstance(value, Items):
            loose += value.items
    return loose
