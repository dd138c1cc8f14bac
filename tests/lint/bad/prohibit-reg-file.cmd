REM expect: prohibit-ipsec@4
echo Windows Registry Editor Version 5.00 > x.reg
echo [HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\RasMan\Parameters] >> x.reg
echo "ProhibitIpSec"=dword:00000001 >> x.reg
reg import x.reg
