REM expect: service-disabled@2 service-disabled@3
reg add "HKLM\SYSTEM\CurrentControlSet\Services\RasMan" /v Start /t REG_DWORD /d 4 /f
reg.exe add HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\IKEEXT /f /v Start /d 0x4 /t REG_DWORD
