# expect: everyone-full-control@2 everyone-full-control@3 firewall-off@4 tcp-test-for-udp@8
find / -name x -exec chmod 777 {} \;
install -m 777 x /usr/local/bin/x
bash <<X
ufw disable
X
for port in 500 4500; do
  nc -zv vpn.example.com $port
done
