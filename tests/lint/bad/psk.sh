# expect: psk-in-clear@2 psk-in-clear@5 psk-in-clear@8 psk-in-clear@9
echo ': PSK "swordfish-9"' >> /etc/ipsec.secrets

key=swordfish-9
cat > /etc/ipsec.secrets <<EOF
%any %any : PSK "$key"
EOF
printf '%s\n' '10.0.0.1 %any : PSK "swordfish-9"' | sudo tee /etc/ipsec.secrets >/dev/null
sudo sh -c 'echo ": PSK \"swordfish-9\"" > /etc/ipsec.secrets'
