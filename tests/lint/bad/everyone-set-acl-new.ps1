# expect: everyone-full-control@3
$rule = [System.Security.AccessControl.FileSystemAccessRule]::new("Everyone", [System.Security.AccessControl.FileSystemRights]::FullControl, "Allow")
$acl.AddAccessRule($rule)
