$plan = @{ Name = 'RasMan'; StartupType = 'Disabled' }
$plan | ConvertTo-Json
