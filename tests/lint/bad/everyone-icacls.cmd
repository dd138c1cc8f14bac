REM expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4 everyone-full-control@5
icacls "C:\Path\To\Folder" /grant Everyone:F /T
icacls C:\x /grant:r Everyone:(OI)(CI)F
icacls C:\x /grant *S-1-1-0:(OI)(CI)(F) /inheritance:e
ICACLS.EXE C:\x /GRANT everyone:(F)
