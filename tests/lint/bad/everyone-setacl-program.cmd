REM expect: everyone-full-control@2 everyone-full-control@3
SetACL.exe -on "C:\x" -ot file -actn ace -ace "n:Everyone;p:full"
subinacl /subdirectories C:\x\*.* /grant=Everyone=F
