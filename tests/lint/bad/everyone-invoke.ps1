# expect: everyone-full-control@2 everyone-full-control@4 everyone-full-control@5
Invoke-Expression 'icacls C:\x /grant Everyone:F'
$line = "icacls C:\x /grant Everyone:F"
iex $line
$line | Invoke-Expression
