icacls "C:\Path\To\Folder" /setowner "NT AUTHORITY\SYSTEM"
