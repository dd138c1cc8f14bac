# expect: service-disabled@2 service-disabled@3
Invoke-Command -ComputerName pc1 -ScriptBlock { Set-Service RasMan -StartupType Disabled }
& ([scriptblock]::Create('Set-Service IKEEXT -StartupType Disabled'))
