# expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4 everyone-full-control@5
icacls C:\x /grant Everyone:F
icacls "C:\x" /grant "Everyone:(OI)(CI)F" /T | Out-Null
& 'icacls.exe' C:\x /grant Everyone:`(OI`)`(CI`)F
& "$env:windir\System32\icacls.exe" C:\x '/grant' 'Everyone:F'
