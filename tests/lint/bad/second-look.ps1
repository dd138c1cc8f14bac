# expect: service-disabled@4 service-disabled@8 everyone-full-control@10 certificate-check-off@11 tcp-test-for-udp@12 service-disabled@13 service-disabled@14
$s = "Ras"
$s += "Man"
Set-Service $s -StartupType Disabled
$h = @{}
$h.Name = 'RasMan'
$h['StartupType'] = 'Disabled'
Set-Service @h
$a = "Everyone", "FullControl", "Allow"
$acl.SetAccessRule((New-Object System.Security.AccessControl.FileSystemAccessRule $a))
$handler.ServerCertificateCustomValidationCallback = [System.Net.Http.HttpClientHandler]::DangerousAcceptAnyServerCertificateValidator
500, 4500 | ForEach-Object { tnc vpn.example.com -Port $_ }
Get-Service | Where-Object { $_.Name -eq 'RasMan' } | Set-Service -StartupType Disabled
Get-Service | Where-Object Name -in 'RasMan', 'IKEEXT' | Set-Service -StartupType Disabled
