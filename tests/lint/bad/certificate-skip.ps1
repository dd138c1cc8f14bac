# expect: certificate-check-off@2 certificate-check-off@3 certificate-check-off@5 certificate-check-off@6
Invoke-WebRequest -Uri https://vpn.example.com -SkipCertificateCheck
irm https://vpn.example.com -SkipCert
$p = @{ Uri = 'https://vpn.example.com'; SkipCertificateCheck = $true }
iwr @p
$PSDefaultParameterValues['Invoke-RestMethod:SkipCertificateCheck'] = $true
