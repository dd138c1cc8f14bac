Test-NetConnection vpn.example.com -Port 443
Test-NetConnection vpn.example.com
$client = New-Object Net.Sockets.UdpClient('vpn.example.com', 500)
$udp = [System.Net.Sockets.UdpClient]::new()
$udp.Connect('vpn.example.com', 500)
Get-NetUDPEndpoint -LocalPort 500, 4500
