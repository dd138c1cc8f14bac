# expect: service-disabled@3
Set-Alias -Name change -Value Set-Service
change RasMan -StartupType Disabled
