# expect: everyone-full-control@2 everyone-full-control@3
icacls --% C:\x /grant Everyone:(OI)(CI)F
icacls C:\x /grant Everyone:(OI)(CI)F
