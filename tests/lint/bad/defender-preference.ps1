# expect: defender-off@2 defender-off@3 defender-off@4 defender-off@5 defender-off@6
Set-MpPreference -DisableRealtimeMonitoring $true
Set-MpPreference -DisableRealtime 1
Set-MpPreference -EnableControlledFolderAccess Disabled
Set-MpPreference -DisableIOAVProtection:$true -DisableScriptScanning $true
Add-MpPreference -ExclusionPath 'C:\'
