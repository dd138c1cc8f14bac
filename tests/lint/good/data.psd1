@{
    ModuleVersion = '1.0'
    Description   = 'Set-Service RasMan -StartupType Disabled'
    Services      = @('RasMan', 'IKEEXT')
}
