@echo off & REM expect: service-disabled@5
call :off RasMan
goto :eof
:off
sc config %1 start= disabled
exit /b
