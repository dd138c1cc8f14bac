$profiles = Get-NetFirewallProfile
try {
    Set-NetFirewallProfile -Profile Domain, Public, Private -Enabled False
    Test-Something
} finally {
    foreach ($one in $profiles) { Set-NetFirewallProfile -Name Domain -Enabled $one.Enabled }
    Set-NetFirewallProfile -Profile Domain, Public, Private -Enabled True
}
