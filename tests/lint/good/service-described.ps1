Set-Service RasMan -Description 'Start Disabled'
Set-Service -Name RasMan -DisplayName Disabled
