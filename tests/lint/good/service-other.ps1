Set-Service -Name XboxNetApiSvc -StartupType Disabled
Set-Service Fax -StartupType Disabled
sc.exe config WSearch start= disabled
