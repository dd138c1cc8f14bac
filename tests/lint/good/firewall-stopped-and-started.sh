systemctl stop firewalld
dial
systemctl start firewalld
