REM expect: execution-policy-bypass@2 execution-policy-bypass@3 execution-policy-bypass@4 execution-policy-bypass@5
powershell -ExecutionPolicy Bypass -File x.ps1
powershell.exe -NoProfile -Exec Unrestricted -File x.ps1
pwsh -ex bypass x.ps1
PowerShell -NoLogo -NonInteractive -W Hidden -EP ByPass -Command "exit"
