REM expect: tcp-test-for-udp@2
telnet vpn.example.com 500
