# expect: tcp-test-for-udp@2 tcp-test-for-udp@3 tcp-test-for-udp@5 tcp-test-for-udp@6 tcp-test-for-udp@7
Test-NetConnection -ComputerName vpn.example.com -Port 500
tnc vpn.example.com -p 4500
$ports = 500, 4500
foreach ($port in $ports) { Test-NetConnection vpn.example.com -Port $port }
$client = New-Object System.Net.Sockets.TcpClient('vpn.example.com', 4500)
[System.Net.Sockets.TcpClient]::new('vpn.example.com', 500)
