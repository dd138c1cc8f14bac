@REM expect: everyone-full-control@5 everyone-full-control@6
@echo off
set WHO=Everyone
set "RIGHT=(OI)(CI)F"
icacls "%ProgramData%\vpn" /grant %WHO%:%RIGHT% >nul 2>&1
%SystemRoot%\System32\icacls.exe "C:\x" /grant "%WHO%":F
