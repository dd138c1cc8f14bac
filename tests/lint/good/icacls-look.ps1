icacls "C:\Path\To\Folder"
icacls $env:TEMP /save $env:USERPROFILE\acl.txt /T /C
icacls "C:\Path\To\Folder" /inheritance:e
icacls "C:\Path\To\Folder" /reset
icacls C:\Path /restore acl.txt
