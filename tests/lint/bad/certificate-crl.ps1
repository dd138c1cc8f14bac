# expect: certificate-check-off@2 certificate-check-off@3 certificate-check-off@4 certificate-check-off@5
Set-NetFirewallSetting -CertValidationLevel None
netsh advfirewall set global ipsec strongcrlcheck 0
Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\PPP\EAP\13 -Name NoRevocationCheck -Value 1 -Type DWord
New-ItemProperty -Path HKLM:\SYSTEM\CurrentControlSet\Services\Kdc -Name StrongCertificateBindingEnforcement -Value 0
