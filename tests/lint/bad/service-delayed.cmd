REM expect: service-disabled@4
setlocal enabledelayedexpansion
set "svc=RasMan" & set mode=disabled
sc config !svc! start= !mode!
