REM expect: firewall-off@2 firewall-off@3 firewall-off@4 firewall-off@5
netsh advfirewall set allprofiles state off
netsh advfirewall set currentprofile state off
NetSh AdvFirewall Set AllProfiles State Off
netsh firewall set opmode disable
