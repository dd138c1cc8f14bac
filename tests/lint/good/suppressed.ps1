# l2tp-doctor: ignore[service-disabled] this machine is retired
Set-Service RasMan -StartupType Disabled
icacls C:\x /grant Everyone:F # l2tp-doctor: ignore[everyone-full-control] a scratch folder of the test lab
