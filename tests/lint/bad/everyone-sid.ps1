# expect: everyone-full-control@5
$sid = New-Object System.Security.Principal.SecurityIdentifier('S-1-1-0')
$account = $sid.Translate([System.Security.Principal.NTAccount])
$rule = New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $account, 'FullControl', 'Allow'
$acl.AddAccessRule($rule)
