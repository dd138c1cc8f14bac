# expect: service-disabled@2 service-disabled@3 service-disabled@5 service-disabled@6
Set-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Services\RasMan' -Name Start -Value 4
New-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\IKEEXT Start -PropertyType DWord -Value 4 -Force
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services'
sp "$key\PolicyAgent" Start 4
sp (Join-Path $key 'RasMan') -Name 'Start' -Value 4
