# expect: service-disabled@2 service-disabled@3
Set-Ser"vi"ce RasMan -StartupType Disabled
Microsoft.PowerShell.Management\Set-Service RasMan -StartupType Disabled
