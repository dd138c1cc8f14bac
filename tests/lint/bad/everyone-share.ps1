# expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4
New-SmbShare -Name x -Path C:\x -FullAccess Everyone
Grant-SmbShareAccess x -AccountName Everyone -AccessRight Full -Force
net share x=C:\x /grant:Everyone,FULL
