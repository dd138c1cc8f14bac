Get-Service | Where-Object { $_.Name -eq 'Fax' } | Set-Service -StartupType Disabled
Get-Service | Where-Object { $_.Name -ne 'RasMan' -and $_.Name -eq 'Fax' } | Set-Service -StartupType Disabled
Get-Service | Where-Object Name -notin 'RasMan', 'IKEEXT' | Stop-Service
