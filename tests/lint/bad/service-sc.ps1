# expect: service-disabled@2 service-disabled@3 service-disabled@4 service-disabled@5
sc.exe config RasMan start= disabled
& sc.exe config "IKEEXT" start=disabled | Out-Null
cmd /c "sc config RasMan start= disabled"
cmd.exe /c sc config PolicyAgent start= disabled
