REM expect: service-disabled@2 service-disabled@3 service-disabled@4 service-disabled@5
sc config RasMan start= disabled
sc.exe \\server config IKEEXT start= Disabled >nul
"%windir%\system32\sc.exe" config "PolicyAgent" start=disabled
for %%s in (RasMan IKEEXT) do sc config %%s start= disabled
