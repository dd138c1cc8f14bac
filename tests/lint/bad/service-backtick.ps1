# expect: service-disabled@2 service-disabled@6
S`et-Se`Rvi`ce Ras`Man -Startup`Type Disa`Bled
Set-Service `
  -Name SstpSvc `
  -Status Stopped
Set-Service -Name `
  SstpSvc -StartupType Disabled
