[Net.ServicePointManager]::ServerCertificateValidationCallback = { param($s, $c, $h, $e) $c.Thumbprint -eq $pin }
[Net.ServicePointManager]::SecurityProtocol = 'Tls12'
