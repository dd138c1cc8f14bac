# expect: psk-in-clear@3
param([string]$Psk = 'swordfish-9')
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -L2tpPsk $Psk
