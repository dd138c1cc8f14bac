function Restore-Vpn { Set-Service RasMan -StartupType Manual }
function Test-Vpn {
    Set-Service RasMan -StartupType Disabled
    try { Test-Something } finally { Set-Service RasMan -StartupType Manual }
}
Test-Vpn
