# expect: firewall-off@2 firewall-off@3
Stop-Service -Name MpsSvc -Force
spsv bfe
