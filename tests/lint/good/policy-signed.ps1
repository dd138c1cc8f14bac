Set-ExecutionPolicy RemoteSigned -Scope CurrentUser
Set-ExecutionPolicy -ExecutionPolicy AllSigned
Get-ExecutionPolicy -List
powershell -ExecutionPolicy RemoteSigned -File x.ps1
Unblock-File -Path C:\x.exe
