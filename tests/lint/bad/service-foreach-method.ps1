# expect: service-disabled@2 service-disabled@3 service-disabled@5 service-disabled@6
@('RasMan', 'IKEEXT').ForEach({ Set-Service $_ -StartupType Disabled })
('PolicyAgent', 'BFE').foreach{ Set-Service -Name $_ -StartupType Disabled }
$needed = 'Spooler', 'RasMan'
$needed.ForEach( { Set-Service $_ -StartupType Disabled } )
(Get-Service IKEEXT).ForEach({ $_ | Set-Service -StartupType Disabled })
