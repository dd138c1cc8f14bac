# expect: psk-in-clear@2 psk-in-clear@4 psk-in-clear@6 psk-in-clear@8
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -L2tpPsk 'correct-horse' -Force
$psk = "battery-staple"
Set-VpnConnection -Name Office -L2tpPsk $psk
$p = @{ Name = 'Office'; ServerAddress = 'vpn.example.com'; TunnelType = 'L2tp'; L2tpPsk = 'swordfish-9' }
Add-VpnConnection @p
$part = 'battery' + '-staple'
Add-VpnConnection Office vpn.example.com -L2tpP $part
