REM expect: firewall-off@2 firewall-off@3 firewall-off@4
net stop mpssvc
sc stop BFE
sc config MpsSvc start= disabled
