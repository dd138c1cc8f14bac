# expect: execution-policy-bypass@2 execution-policy-bypass@3 execution-policy-bypass@4 execution-policy-bypass@5 execution-policy-bypass@6
Set-ExecutionPolicy Bypass -Scope LocalMachine -Force
Set-ExecutionPolicy -ExecutionPolicy Unrestricted
Set-ExecutionPolicy -Exec Bypass -Sc Process
$env:PSExecutionPolicyPreference = 'Bypass'
powershell.exe -ep bypass -File C:\x.ps1
