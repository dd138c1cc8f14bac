$before = (Get-Service RasMan).StartType
Set-Service RasMan -StartupType Disabled
Test-Something
Set-Service RasMan -StartupType $before
