REM expect: service-disabled@2
wmic service where name='RasMan' call ChangeStartmode Disabled
