icacls C:\x /deny Everyone:F
icacls C:\x /remove Everyone
icacls C:\x /remove:g *S-1-1-0
