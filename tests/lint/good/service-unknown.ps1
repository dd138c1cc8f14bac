param($Name)
Set-Service -Name $Name -StartupType Disabled
