$rule = [System.Security.AccessControl.FileSystemAccessRule]::new('Everyone', 'FullControl', 'Deny')
$acl.AddAccessRule($rule)
