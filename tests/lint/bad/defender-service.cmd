REM expect: defender-off@2 defender-off@3
sc stop WinDefend
reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows Defender" /v DisableAntiSpyware /t REG_DWORD /d 1 /f
