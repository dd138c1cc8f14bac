Set-Service RasMan -StartupType Disabled
try {
    Test-Something
} finally {
    Set-Service RasMan -StartupType Manual
}
