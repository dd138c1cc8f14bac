function Get-Disabled { param($Name) Get-Service $Name | Where-Object StartType -eq 'Disabled' }
Get-Disabled RasMan
