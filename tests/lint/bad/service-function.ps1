# expect: service-disabled@4
function Stop-Forever {
    param([string]$Name, [string]$Kind = 'Disabled')
    Set-Service -Name $Name -StartupType $Kind
}
Stop-Forever RasMan
