REM expect: psk-in-clear@3 psk-in-clear@4
set PSK=swordfish-9
powershell -Command "Add-VpnConnection -Name Office -ServerAddress vpn.example.com -L2tpPsk '%PSK%' -Force"
vpncmd localhost /SERVER /CMD IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:swordfish-9 /DEFAULTHUB:DEFAULT
