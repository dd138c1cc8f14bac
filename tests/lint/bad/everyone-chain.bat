REM expect: everyone-full-control@2 everyone-full-control@3 everyone-full-control@4
echo start && icacls C:\x /grant Everyone:F || exit /b 1
echo y| cacls C:\x /P Everyone:F
cmd /c "icacls C:\x /grant Everyone:F"
