icacls C:\x /grant Users:(OI)(CI)RX
icacls C:\x /grant alice:M
