# expect: everyone-full-control@3
$arguments = @('C:\x', '/grant', 'Everyone:(OI)(CI)F')
icacls @arguments
