icacls C:\x /grant Everyone:(OI)(CI)RX
icacls C:\x /grant Everyone:R
