$rule = [System.Security.AccessControl.FileSystemAccessRule]::new('Everyone', 'ReadAndExecute', 'Allow')
$acl.AddAccessRule($rule)
