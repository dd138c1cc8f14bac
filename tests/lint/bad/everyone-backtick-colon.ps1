# expect: everyone-full-control@3
$who = 'Everyone'
icacls C:\x /grant $who`:F
