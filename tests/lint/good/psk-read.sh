read -rs key
cat > /etc/ipsec.secrets <<END
%any %any : PSK "$key"
END
grep PSK /etc/ipsec.secrets
echo '# : PSK "example"' >> notes.txt
