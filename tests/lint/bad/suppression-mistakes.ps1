# expect: suppression-without-reason@2 service-disabled@3 suppression-unknown-rule@4 suppression-unused@6
# l2tp-doctor: ignore[service-disabled]
Set-Service RasMan -StartupType Disabled
# l2tp-doctor: ignore[no-such-rule] because
Get-Date
# l2tp-doctor: ignore[firewall-off] a test machine
Get-Date
