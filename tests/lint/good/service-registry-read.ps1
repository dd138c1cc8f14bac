Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan -Name Start
Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan -Name Start -Value 3
Set-ItemProperty HKLM:\Software\Vpn -Name Start -Value 4
