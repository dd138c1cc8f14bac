$rule = New-Object System.Security.AccessControl.FileSystemAccessRule('Everyone', 'FullControl', 'Allow')
$acl.RemoveAccessRule($rule)
$acl.RemoveAccessRuleAll($rule)
