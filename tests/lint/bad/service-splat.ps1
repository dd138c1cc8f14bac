# expect: service-disabled@6
$p = @{
    Name        = 'RasMan'
    StartupType = 'Disabled'
}
Set-Service @p
