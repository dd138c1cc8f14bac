# expect: service-disabled@2
Set-Service –Name “RasMan” –StartupType ‘Disabled’
