reg query HKLM\SYSTEM\CurrentControlSet\Services\RasMan /v Start
reg add HKLM\SYSTEM\CurrentControlSet\Services\RasMan /v Start /t REG_DWORD /d 3 /f
reg add HKLM\SYSTEM\CurrentControlSet\Services\Fax /v Start /t REG_DWORD /d 4 /f
