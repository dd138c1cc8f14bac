# expect: everyone-full-control@4
$acl = Get-Acl C:\x
$rule = New-Object System.Security.AccessControl.FileSystemAccessRule('Everyone','FullControl','ContainerInherit,ObjectInherit','None','Allow')
$acl.SetAccessRule($rule)
Set-Acl C:\x $acl
