# expect: takeown-system-folder@2 takeown-system-folder@3
chown -R alice /usr
sudo chown --recursive alice:alice /etc/
