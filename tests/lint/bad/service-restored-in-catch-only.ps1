# expect: service-disabled@3
try {
    Set-Service RasMan -StartupType Disabled
    Test-Something
} catch {
    Set-Service RasMan -StartupType Manual
}
