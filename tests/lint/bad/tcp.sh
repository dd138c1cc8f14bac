# expect: tcp-test-for-udp@2 tcp-test-for-udp@3 tcp-test-for-udp@4 tcp-test-for-udp@5 tcp-test-for-udp@6
nc -zv vpn.example.com 500
nmap -sT -p 500,4500 vpn.example.com
nmap -p500 vpn.example.com
telnet vpn.example.com 1701
echo > /dev/tcp/vpn.example.com/500
