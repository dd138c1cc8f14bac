"""Sans-IO codecs and state machines: ISAKMP, IKEv1, NAT-T, ESP, L2TPv2, PPP.

Nothing in this package opens a socket, reads a clock or asks the system for
randomness: time, randomness, addresses and keys are arguments.  A peer may send
anything; every decoder answers any byte string with a value or with
:class:`~l2tp_doctor.protocol.wire.WireError`, and every engine's ``receive``
raises nothing at all for what a peer sent: it drops with a named trigger and
records that in the trace.
"""
