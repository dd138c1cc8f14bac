Set-Service -Name RasMan -StartupType Manual
Set-Service IKEEXT -StartupType Automatic -Status Running
