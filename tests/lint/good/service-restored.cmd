sc config RasMan start= disabled
call test.cmd
sc config RasMan start= demand
