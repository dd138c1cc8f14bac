# expect: everyone-full-control@2
$acl.SetSecurityDescriptorSddlForm('D:(A;OICI;FA;;;WD)')
