set /p PSK=Key: 
powershell -Command "Set-VpnConnection -Name Office -L2tpPsk '%PSK%'"
