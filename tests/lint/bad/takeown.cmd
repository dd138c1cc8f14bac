REM expect: takeown-system-folder@2 takeown-system-folder@3 takeown-system-folder@4 takeown-system-folder@5 takeown-system-folder@6
takeown /F C:\Windows /R /D Y
takeown /f "%ProgramFiles%" /r /d y
takeown /R /F C:\
takeown /F %windir%\System32\drivers /A /R
icacls C:\Windows\System32 /setowner Administrators /T
