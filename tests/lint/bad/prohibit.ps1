# expect: prohibit-ipsec@2 prohibit-ipsec@3 prohibit-ipsec@5 prohibit-ipsec@7
New-ItemProperty -Path HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters -Name ProhibitIpSec -Value 1 -PropertyType DWord
[Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\RasMan\Parameters', 'ProhibitIpSec', 1, 'DWord')
$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SYSTEM\CurrentControlSet\Services\RasMan\Parameters', $true)
$key.SetValue('ProhibitIpSec', 1)
$q = @{ Path = 'HKLM:\SYSTEM\CurrentControlSet\Services\RasMan\Parameters'; Name = 'ProhibitIPSec'; Value = 1 }
Set-ItemProperty @q
