Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -L2tpPsk '<your key>'
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -L2tpPsk '********'
Add-VpnConnection -Name Office -ServerAddress vpn.example.com -TunnelType L2tp -L2tpPsk 'YOUR_PRE_SHARED_KEY'
