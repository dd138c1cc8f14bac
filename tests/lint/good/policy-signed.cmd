powershell -NoProfile -ExecutionPolicy AllSigned -File bypass.ps1
powershell -File x.ps1 -ExecutionPolicy Bypass
