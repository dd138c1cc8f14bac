sc config RasMan start= disabled
call :restore
goto :eof
:restore
sc config RasMan start= demand
