"""Which rule looks at which call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from l2tp_doctor.lint.model import Call, Nested, Verdict
from l2tp_doctor.lint.rules import access, nested, network, registry, services, settings
from l2tp_doctor.lint.rules.common import Bound

Rule = Callable[[Call, Bound], Iterator[Verdict] | Iterator[Verdict | Nested]]

_PROGRAMS: Mapping[str, tuple[Rule, ...]] = {
    "icacls": (access.icacls,), "cacls": (access.cacls,), "xcacls": (access.cacls,),
    "setacl": (access.set_acl_program,), "subinacl": (access.subinacl,), "takeown": (access.takeown,),
    "sc": (services.sc,), "net": (services.net,), "net1": (services.net,), "wmic": (services.wmic,),
    "psservice": (services.psservice,), "psservice64": (services.psservice,),
    "reg": (registry.reg,), "netsh": (settings.netsh,), "dism": (settings.dism,), "mpcmdrun": (settings.mpcmdrun,),
    "powershell": (nested.powershell,), "pwsh": (nested.powershell,), "cmd": (nested.cmd,),
    "runas": (nested.last_word,), "psexec": (nested.last_word,), "psexec64": (nested.last_word,),
    "schtasks": (nested.option_text,), "forfiles": (nested.option_text,),
    "curl": (network.curl,), "wget": (network.curl,), "vpncmd": (network.vpncmd,), "ipsecenable": (network.vpncmd,),
    "nc": (network.netcat,), "ncat": (network.netcat,), "netcat": (network.netcat,), "nmap": (network.nmap,),
    "telnet": (network.telnet,), "tcping": (network.telnet,), "psping": (network.telnet,),
    "nmcli": (network.connection_manager,),
}  # fmt: skip
_CMD: Mapping[str, tuple[Rule, ...]] = {"start": (nested.start,), "echo": (network.written_lines,)}
_SH: Mapping[str, tuple[Rule, ...]] = {
    "chmod": (access.chmod,), "chown": (access.chown,), "setfacl": (access.setfacl,),
    "systemctl": (services.systemctl,), "service": (services.sysv,), "chkconfig": (services.sysv,),
    "update-rc.d": (services.sysv,), "ufw": (settings.ufw,), "nft": (settings.nft,),
    "pfctl": (settings.pfctl,), "socketfilterfw": (settings.pfctl,),
    **dict.fromkeys(("iptables", "ip6tables", "iptables-nft", "iptables-legacy", "iptables-restore", "ip6tables-restore"), (settings.iptables,)),
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "ash", "su", "ssh", "eval"), (nested.shell,)),
    **dict.fromkeys(("echo", "printf", "cat", "tee"), (network.written_lines,)),
}  # fmt: skip
_CMDLETS: Mapping[str, tuple[Rule, ...]] = {
    "set-service": (services.set_service,),
    **dict.fromkeys(("stop-service", "start-service", "restart-service", "remove-service", "suspend-service"), (services.stop_service,)),
    "invoke-cimmethod": (services.cim_method,), "invoke-wmimethod": (services.cim_method,),
    ".changestartmode": (services.change_start_mode,), ".stopservice": (services.change_start_mode,),
    ".startservice": (services.change_start_mode,), ".stop": (services.change_start_mode,),
    "set-itemproperty": (registry.item_property,), "new-itemproperty": (registry.item_property,),
    "remove-itemproperty": (registry.item_property,), "set-gpregistryvalue": (registry.group_policy,),
    "set-gpprefregistryvalue": (registry.group_policy,),
    "registry::setvalue": (registry.static_set_value,), ".setvalue": (registry.key_set_value,),
    ".deletevalue": (registry.key_set_value,), ".setdwordvalue": (registry.std_reg_provider,),
    "set-netfirewallprofile": (settings.firewall_profile,), "set-netfirewallsetting": (settings.firewall_setting,),
    "set-mppreference": (settings.preference,), "add-mppreference": (settings.preference,),
    "remove-mppreference": (settings.preference,), "uninstall-windowsfeature": (settings.feature,),
    "remove-windowsfeature": (settings.feature,), "disable-windowsoptionalfeature": (settings.feature,),
    "set-executionpolicy": (settings.execution_policy,), "=env:psexecutionpolicypreference": (settings.policy_variable,),
    "=psdefaultparametervalues": (settings.default_parameters,),
    "set-vpnconnectionipsecconfiguration": (settings.ipsec_configuration,),
    "=servercertificatevalidationcallback": (network.callback,), "=certificatepolicy": (network.callback,),
    "=servercertificatecustomvalidationcallback": (network.callback,),
    "=remotecertificatevalidationcallback": (network.callback,),
    "invoke-webrequest": (network.skip_switch,), "invoke-restmethod": (network.skip_switch,),
    "new-pssessionoption": (network.skip_switch,), "new-cimsessionoption": (network.skip_switch,),
    "test-netconnection": (network.test_net_connection,), "test-connection": (network.test_net_connection,),
    "new-object": (network.new_object,), "tcpclient::new": (network.tcp_client,),
    ".connect": (network.tcp_client,), ".beginconnect": (network.tcp_client,), ".connectasync": (network.tcp_client,),
    **dict.fromkeys(("add-vpnconnection", "set-vpnconnection", "set-vpnserverconfiguration", "set-vpnauthprotocol", "add-vpns2sinterface", "set-vpns2sinterface"), (network.pre_shared_key,)),
    "set-content": (network.write_file,), "add-content": (network.write_file,), "out-file": (network.write_file,),
    "tee-object": (network.write_file,), "new-item": (network.write_file,),
    "add-ntfsaccess": (access.ntfs_access,), "set-ntfsowner": (access.ntfs_owner,),
    "new-smbshare": (access.share,), "grant-smbshareaccess": (access.share,),
    **dict.fromkeys((".setaccessrule", ".addaccessrule", ".resetaccessrule", ".modifyaccessrule"), (access.access_rule,)),
    ".setsecuritydescriptorsddlform": (access.security_descriptor,),
    "start-process": (nested.start_process,), "new-scheduledtaskaction": (nested.start_process,),
    "process::start": (nested.static_start,), "invoke-expression": (nested.expression,),
    "scriptblock::create": (nested.expression,), ".invokescript": (nested.expression,), ".addscript": (nested.expression,),
}  # fmt: skip

RULES: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    "powershell": {**_PROGRAMS, **_CMDLETS},
    "cmd": {**_PROGRAMS, **_CMD},
    "sh": {**_PROGRAMS, **_SH},
}
WANTED = {shell: frozenset(rules) for shell, rules in RULES.items()}
