# expect: everyone-full-control@2
Add-NTFSAccess -Path C:\x -Account 'Everyone' -AccessRights FullControl
