"""PowerShell: words, values and calls of one text."""
