REM expect: everyone-full-control@2 everyone-full-control@3
ica^cls C:\x /gr^ant Every^one:F
icacls C:\x ^
  /grant Everyone:F
