# expect: service-disabled@2 service-disabled@5 service-disabled@6
& ("Set-Ser" + "vice") RasMan -StartupType ('Dis' + 'abled')
$verb = 'Set'
$noun = 'Service'
& "$verb-$noun" -Name RasMan -StartupType Disabled
& ('{0}-{1}' -f $verb, $noun) IKEEXT -StartupType Disabled
