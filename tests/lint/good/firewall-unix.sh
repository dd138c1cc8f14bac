ufw allow 500/udp
ufw allow 4500/udp
iptables -A INPUT -p udp --dport 500 -j ACCEPT
iptables -L -n
iptables -t nat -F
nft list ruleset
