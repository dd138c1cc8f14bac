$old = (Get-MpPreference).DisableRealtimeMonitoring
Set-MpPreference -DisableRealtimeMonitoring $true
try { Test-Something } finally { Set-MpPreference -DisableRealtimeMonitoring $old }
