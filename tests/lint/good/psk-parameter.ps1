param([Parameter(Mandatory)][string]$Psk)
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -L2tpPsk $Psk -Force
