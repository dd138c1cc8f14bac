(Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters).ProhibitIpSec
Remove-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters -Name ProhibitIpSec
if ($value.ProhibitIpSec -eq 1) { Write-Output 'ProhibitIpSec = 1' }
