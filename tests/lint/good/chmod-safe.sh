chmod 755 /opt/vpn
chmod 600 /etc/ipsec.secrets
chmod 1777 /tmp/share
chmod u+rwx,go-w file
chmod a+r file
chmod +x script.sh
