icacls "C:\Path\To\Folder" /grant Administrators:F /T
icacls C:\x /grant *S-1-5-32-544:(OI)(CI)F
icacls C:\x /grant "NT AUTHORITY\SYSTEM:(OI)(CI)F"
