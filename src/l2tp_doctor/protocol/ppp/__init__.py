"""PPP for L2TP: LCP, PAP, CHAP, MS-CHAPv2, EAP, IPCP, IPV6CP and CCP, both roles, sans-IO.

:class:`~l2tp_doctor.protocol.ppp.link.PppLink` is the engine; everything else serves it.
"""
