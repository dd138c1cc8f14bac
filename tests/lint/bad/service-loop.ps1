# expect: service-disabled@3 service-disabled@5 service-disabled@6
foreach ($s in 'RasMan', 'IKEEXT') {
    Set-Service -Name $s -StartupType Disabled
}
'Tapisrv','BFE' | ForEach-Object { Set-Service $_ -StartupType Disabled }
Get-Service RasMan, IKEEXT | Set-Service -StartupType Disabled
