"""IKEv1 (RFC 2407, 2408, 2409) initiator and responder with NAT-T (RFC 3947)."""
