REM expect: certificate-check-off@2
reg add HKLM\SYSTEM\CurrentControlSet\Services\RasMan\Parameters /v DisableIKENameEkuCheck /t REG_DWORD /d 1 /f
