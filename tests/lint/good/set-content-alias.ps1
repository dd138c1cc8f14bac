sc notes.txt 'config RasMan start= disabled'
sc -Path x.txt -Value 'disabled'
