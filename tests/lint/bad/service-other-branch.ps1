# expect: service-disabled@3
if ($off) {
    Set-Service RasMan -StartupType Disabled
} else {
    Set-Service RasMan -StartupType Manual
}
