# expect: prohibit-ipsec@6
@'
Windows Registry Editor Version 5.00
[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\RasMan\Parameters]
"ProhibitIpSec"=dword:00000001
'@ | Set-Content vpn.reg
reg import vpn.reg
