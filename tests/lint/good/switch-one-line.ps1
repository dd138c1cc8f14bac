switch ($x) { 'a' { 'b' } 'c' { 'd' } default { 'e' } }
function Get-A { param($Name) Get-Service $Name }
foo -x=5 /b:c $env:windir\System32 a, b
get-item x | ? { $_ } | % { $_.Name } 
