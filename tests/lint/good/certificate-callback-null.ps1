[Net.ServicePointManager]::ServerCertificateValidationCallback = $null
