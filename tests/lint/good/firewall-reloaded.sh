iptables -F
iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
iptables -P INPUT DROP
nft flush ruleset
nft -f /etc/nftables.conf
