REM sc config RasMan start= disabled
:: icacls C:\x /grant Everyone:F
echo icacls C:\x /grant Everyone:F
echo netsh advfirewall set allprofiles state off > notes.txt
