# expect: tcp-test-for-udp@3 tcp-test-for-udp@4
$client = New-Object Net.Sockets.TcpClient
$client.Connect('vpn.example.com', 500)
$wait = $client.BeginConnect("vpn.example.com", 4500, $null, $null)
