# expect: certificate-check-off@2 certificate-check-off@3 certificate-check-off@4
curl -k https://vpn.example.com/
curl -fsSLk -o x https://vpn.example.com/
wget --no-check-certificate https://vpn.example.com/
