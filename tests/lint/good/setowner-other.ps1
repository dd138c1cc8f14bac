takeown /F C:\Path\To\Folder
icacls C:\Path\To\Folder /setowner alice
