# Set-Service RasMan -StartupType Disabled
Write-Host 'Set-Service RasMan -StartupType Disabled'
Write-Warning "Never run: icacls C:\x /grant Everyone:F"
<# sc.exe config RasMan start= disabled #>
$help = @'
Set-MpPreference -DisableRealtimeMonitoring $true
netsh advfirewall set allprofiles state off
'@
$text = "icacls C:\x /grant Everyone:F"
