chown -R alice /home/alice
chown -R root:root /etc/ipsec.d
chown root /etc/ipsec.secrets
