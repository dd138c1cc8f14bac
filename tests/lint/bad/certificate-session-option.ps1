# expect: certificate-check-off@2
$o = New-PSSessionOption -SkipCACheck -SkipCNCheck
