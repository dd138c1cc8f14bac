$psk = 'just a text nobody uses'
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -AuthenticationMethod MSChapv2
