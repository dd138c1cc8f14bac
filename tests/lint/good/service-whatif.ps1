Set-Service RasMan -StartupType Disabled -WhatIf
Set-Service -Name IKEEXT -StartupType Disabled -whatif:$true
