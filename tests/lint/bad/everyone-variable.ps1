# expect: everyone-full-control@4 everyone-full-control@6
$who = 'Everyone'
$path = "C:\x"
icacls $path /grant "${who}:(OI)(CI)F"
$grant = '{0}:F' -f $who
icacls $path /grant $grant
