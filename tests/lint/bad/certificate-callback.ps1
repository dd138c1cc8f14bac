# expect: certificate-check-off@2 certificate-check-off@3 certificate-check-off@4
[System.Net.ServicePointManager]::ServerCertificateValidationCallback = { $true }
[Net.ServicePointManager]::ServerCertificateValidationCallback={return $true}
[net.servicepointmanager]::servercertificatevalidationcallback = [System.Net.Security.RemoteCertificateValidationCallback]{ param($s,$c,$h,$e) $true }
