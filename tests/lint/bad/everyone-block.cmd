REM expect: everyone-full-control@3 everyone-full-control@5 everyone-full-control@6
if exist C:\x (
  icacls C:\x /grant Everyone:F
) else (
  cacls C:\x /E /G Everyone:F
  for %%d in (C:\a C:\b) do icacls %%d /grant Everyone:F
)
