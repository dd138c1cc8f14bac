Add-MpPreference -ControlledFolderAccessAllowedApplications 'C:\Windows\System32\rasphone.exe'
Get-MpPreference | Select EnableControlledFolderAccess
Set-MpPreference -EnableControlledFolderAccess Enabled
Set-MpPreference -DisableRealtimeMonitoring $false
Add-MpPreference -ExclusionPath 'C:\Program Files\Vpn\client.exe'
