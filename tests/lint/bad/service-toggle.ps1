# expect: service-disabled@2
function Disable-Vpn { Set-Service RasMan -StartupType Disabled }
function Enable-Vpn { Set-Service RasMan -StartupType Manual }
Disable-Vpn
