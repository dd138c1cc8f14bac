switch ($state) {
    'Disabled' { Write-Output 'disabled' }
    default { Write-Output "other" }
}
$kind = if ($x) { 'Disabled' } else { 'Manual' }
Get-Service | Where-Object { $_.StartType -eq 'Disabled' } | ForEach-Object { $_.Name }
$result = Get-Item C:\x -ErrorAction SilentlyContinue | Select-Object Name, Length, @{ n = 'x'; e = { $_.Name } }
