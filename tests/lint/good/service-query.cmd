sc query RasMan
sc qc RasMan
sc config RasMan start= auto
sc config RasMan depend= SstpSvc/DnsCache
