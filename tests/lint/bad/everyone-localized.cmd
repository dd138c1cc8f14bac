REM expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4 everyone-full-control@5
icacls C:\x /grant Jeder:F
icacls C:\x /grant "Tout le monde:(OI)(CI)F"
icacls C:\x /grant Todos:F
icacls C:\x /grant Tutti:(OI)(CI)F
