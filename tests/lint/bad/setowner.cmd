REM expect: setowner-is-no-rollback@3
takeown /F "C:\Path\To\Folder"
icacls "C:\Path\To\Folder" /setowner *S-1-5-18
