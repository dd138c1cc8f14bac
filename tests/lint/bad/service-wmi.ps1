# expect: service-disabled@2 service-disabled@3 service-disabled@5
(Get-WmiObject Win32_Service -Filter "Name='RasMan'").ChangeStartMode('Disabled')
Get-CimInstance Win32_Service -Filter "Name='IKEEXT'" | Invoke-CimMethod -MethodName ChangeStartMode -Arguments @{StartMode='Disabled'}
$service = gwmi win32_service -filter "name='PolicyAgent'"
$service.ChangeStartMode("Disabled")
