# expect: takeown-system-folder@2 takeown-system-folder@3 takeown-system-folder@5
takeown /F $env:windir /R /D Y
takeown.exe /f "${env:ProgramFiles(x86)}" /r
$target = "$env:SystemRoot\System32"
takeown /F $target /R
