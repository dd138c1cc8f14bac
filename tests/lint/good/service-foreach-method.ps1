@('Fax', 'Spooler').ForEach({ Set-Service $_ -StartupType Disabled })
$needed = 'RasMan', 'IKEEXT'
$needed.ForEach({ Set-Service $_ -StartupType Automatic })
$needed.ForEach({ Get-Service $_ }) | Format-Table
