# expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4
Start-Process -FilePath icacls.exe -ArgumentList 'C:\x','/grant','Everyone:F' -Wait
start icacls "C:\x /grant Everyone:F" -Verb RunAs
[System.Diagnostics.Process]::Start('icacls', 'C:\x /grant Everyone:F')
