# expect: firewall-off@2 firewall-off@3 firewall-off@4 firewall-off@5
Set-NetFirewallProfile -Profile Domain,Public,Private -Enabled False
Set-NetFirewallProfile -All -Enabled:$false
Get-NetFirewallProfile | Set-NetFirewallProfile -Enabled False
Set-NetFirewallProfile -Name Public -DefaultInboundAction Allow
