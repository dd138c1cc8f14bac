# expect: setowner-is-no-rollback@4
takeown /F "C:\Path\To\Folder" /R /D Y
$p = "C:\Path\To\Folder"
icacls $p /setowner "NT AUTHORITY\SYSTEM" /T
