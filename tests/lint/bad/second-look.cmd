REM expect: execution-policy-bypass@2 everyone-full-control@3 everyone-full-control@4 everyone-full-control@5 service-disabled@6
set PSExecutionPolicyPreference=Bypass
schtasks /create /tn x /tr "icacls C:\x /grant Everyone:F" /sc once /st 00:00
forfiles /p C:\x /c "cmd /c icacls @path /grant Everyone:F"
runas /user:Administrator "icacls C:\x /grant Everyone:F"
echo Set-Service RasMan -StartupType Disabled | powershell -NoProfile -Command -
