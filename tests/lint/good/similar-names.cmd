icacls C:\x /grant EveryoneElse:F
icacls C:\Everyone /grant alice:F
icacls "C:\Everyone:F" /save x.txt
