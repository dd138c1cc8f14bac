nc -zvu vpn.example.com 500
nmap -sU -p 500,4500 vpn.example.com
ike-scan vpn.example.com
nc -z vpn.example.com 443
nc -lu 500
