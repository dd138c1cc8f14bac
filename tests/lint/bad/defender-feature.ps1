# expect: defender-off@2 defender-off@3
Uninstall-WindowsFeature -Name Windows-Defender
& "$env:ProgramFiles\Windows Defender\MpCmdRun.exe" -RemoveDefinitions -All
