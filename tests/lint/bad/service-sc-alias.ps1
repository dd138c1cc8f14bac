# expect: service-disabled@2
sc config RasMan start= disabled
