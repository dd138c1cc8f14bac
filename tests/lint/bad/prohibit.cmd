REM expect: prohibit-ipsec@2 prohibit-ipsec@3
reg add "HKLM\SYSTEM\CurrentControlSet\Services\RasMan\Parameters" /v ProhibitIpSec /t REG_DWORD /d 1 /f
REG ADD HKLM\System\CurrentControlSet\Services\Rasman\Parameters /v prohibitipsec /d 0x1 /t REG_DWORD
