netsh advfirewall set allprofiles state on
netsh advfirewall show allprofiles state
netsh advfirewall firewall add rule name="IKE" dir=in action=allow protocol=UDP localport=500,4500
