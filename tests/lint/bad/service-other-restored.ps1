# expect: service-disabled@2
Set-Service RasMan -StartupType Disabled
Set-Service IKEEXT -StartupType Automatic
