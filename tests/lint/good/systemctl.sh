systemctl enable --now strongswan-starter
systemctl restart ipsec
systemctl status firewalld
systemctl disable bluetooth
