Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters -Name AllowL2TPWeakCrypto -Value 0
New-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters -Name NegotiateDH2048_AES256 -Value 1
Set-VpnConnectionIPsecConfiguration -ConnectionName Office -AuthenticationTransformConstants GCMAES256 -CipherTransformConstants GCMAES256 -EncryptionMethod AES256 -IntegrityCheckMethod SHA256 -DHGroup Group14 -PfsGroup None
