Stop-Service RasMan
Restart-Service IKEEXT -Force
net stop RasMan
net start RasMan
