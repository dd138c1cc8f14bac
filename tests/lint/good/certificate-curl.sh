curl -fsSL https://vpn.example.com/ -o k
curl --cacert ca.pem https://vpn.example.com/
curl -H 'X-k: 1' -okfile https://vpn.example.com/
wget https://vpn.example.com/
