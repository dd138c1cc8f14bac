# expect: service-disabled@2 service-disabled@3 service-disabled@4
systemctl disable --now strongswan-starter
sudo systemctl mask xl2tpd.service
update-rc.d ipsec disable
