# expect: certificate-check-off@2
[System.Net.ServicePointManager]::CertificatePolicy = New-Object TrustAllCertsPolicy
