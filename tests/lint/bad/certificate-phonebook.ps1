# expect: certificate-check-off@3
$pbk = "$env:APPDATA\Microsoft\Network\Connections\Pbk\rasphone.pbk"
(Get-Content $pbk) -replace 'DisableIKENameEkuCheck=0', 'DisableIKENameEkuCheck=1' | Set-Content $pbk
