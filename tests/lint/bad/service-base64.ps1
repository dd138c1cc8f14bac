# expect: service-disabled@3
$text = [Text.Encoding]::Unicode.GetString([Convert]::FromBase64String('UwBlAHQALQBTAGUAcgB2AGkAYwBlACAAUgBhAHMATQBhAG4AIAAtAFMAdABhAHIAdAB1AHAAVAB5AHAAZQAgAEQAaQBzAGEAYgBsAGUAZAA='))
iex $text
