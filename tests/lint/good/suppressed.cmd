REM l2tp-doctor: ignore[service-disabled, firewall-off] this machine is retired
sc config RasMan start= disabled & netsh advfirewall set allprofiles state off
:: l2tp-doctor: ignore[everyone-full-control] scratch
icacls C:\x /grant Everyone:F
