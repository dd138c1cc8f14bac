# expect: weak-crypto@2 weak-crypto@3 weak-crypto@4
Set-ItemProperty -Path HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters -Name AllowL2TPWeakCrypto -Value 1
reg add HKLM\SYSTEM\CurrentControlSet\Services\RasMan\Parameters /v AllowL2TPWeakCrypto /t REG_DWORD /d 1 /f
Set-VpnConnectionIPsecConfiguration -ConnectionName Office -EncryptionMethod DES -IntegrityCheckMethod SHA1 -DHGroup Group14 -PfsGroup None -AuthenticationTransformConstants SHA196 -CipherTransformConstants DES
