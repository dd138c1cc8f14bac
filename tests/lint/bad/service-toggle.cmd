REM expect: service-disabled@4
if "%1"=="on" goto on
:off
sc config RasMan start= disabled
goto :eof
:on
sc config RasMan start= demand
