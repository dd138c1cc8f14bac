Set-NetFirewallSetting -CertValidationLevel RequireCrlCheck
netsh advfirewall set global ipsec strongcrlcheck 2
New-ItemProperty -Path HKLM:\SYSTEM\CurrentControlSet\Services\Kdc -Name StrongCertificateBindingEnforcement -Value 2
reg add HKLM\SYSTEM\CurrentControlSet\Services\RasMan\Parameters /v DisableIKENameEkuCheck /t REG_DWORD /d 0 /f
Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RemoteAccess\Parameters\Ikev2 -Name CertAuthFlags -Value 4
