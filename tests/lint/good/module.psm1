class Gate {
    [string]$Name
    Gate([string]$name) { $this.Name = $name }
    [void] Open() { Start-Service $this.Name }
}
enum Kind { Disabled; Manual }
function Get-Gate { [CmdletBinding()] param([ValidateSet('Disabled', 'Manual')][string]$Kind) [Gate]::new($Kind) }
Export-ModuleMember -Function Get-Gate
