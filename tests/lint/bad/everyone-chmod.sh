# expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4 everyone-full-control@5 everyone-full-control@6
chmod 777 /opt/vpn
sudo chmod -R 0777 /etc/ipsec.d
chmod a+rwx file
chmod 666 /etc/ipsec.secrets
find . -type f | xargs chmod ugo+rwx
