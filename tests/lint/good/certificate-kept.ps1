Invoke-WebRequest -Uri https://vpn.example.com -SkipCertificateCheck:$false
Invoke-RestMethod https://vpn.example.com -SkipHttpErrorCheck
