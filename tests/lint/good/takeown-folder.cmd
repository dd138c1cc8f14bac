takeown /F "C:\Path\To\Folder" /R /D Y
takeown /F C:\Windows\System32\drivers\etc\hosts
takeown /F D:\Data\Windows /R
takeown /F "C:\Program Files\Vendor\App" /R
