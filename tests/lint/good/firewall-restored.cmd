netsh advfirewall set allprofiles state off
call test.cmd
netsh advfirewall set allprofiles state on
