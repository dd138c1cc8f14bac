# expect: service-disabled@2 service-disabled@3 service-disabled@4 service-disabled@5
Set-Service -Name RasMan -StartupType Disabled
Set-Service IKEEXT -StartupT Disabled
set-service -n 'PolicyAgent' -start:disabled
Set-Service -StartupType Disabled -Name RasMan, IKEEXT
