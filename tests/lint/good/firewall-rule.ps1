New-NetFirewallRule -DisplayName IKE -Direction Inbound -Protocol UDP -LocalPort 500, 4500 -Action Allow
Set-NetFirewallProfile -Profile Public -Enabled True -DefaultInboundAction Block
Set-NetFirewallProfile -All -LogBlocked True
