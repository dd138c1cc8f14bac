REM expect: everyone-full-control@2 everyone-full-control@3
icacls C:\x /grant Everyone:(OI)(CI)M
icacls C:\x /grant *S-1-1-0:(W)
