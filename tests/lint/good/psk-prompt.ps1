$psk = Read-Host -Prompt 'Key' -AsSecureString
Set-VpnConnection -Name Office -L2tpPsk $psk
Set-VpnConnection -Name Office -L2tpPsk (Get-Secret OfficePsk -AsPlainText)
Set-VpnConnection -Name Office -L2tpPsk (Get-Content psk.txt -Raw).Trim()
Set-VpnConnection -Name Office -L2tpPsk $env:VPN_PSK
