REM expect: service-disabled@2 service-disabled@3
powershell -NoProfile -Command "Set-Service -Name RasMan -StartupType Disabled"
powershell "& {Set-Service 'IKEEXT' -StartupType Disabled; exit}"
