<#
.SYNOPSIS
    Set-Service RasMan -StartupType Disabled
.EXAMPLE
    powershell -ep bypass -File x.ps1
#>
param()
Get-Service RasMan, IKEEXT
