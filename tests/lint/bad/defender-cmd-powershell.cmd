REM expect: execution-policy-bypass@2 defender-off@2
powershell -ExecutionPolicy Bypass -Command "Set-MpPreference -DisableRealtimeMonitoring $true"
