"""ISAKMP messages: header, payloads, fragmentation, vendor IDs, and IKEv2's first exchange."""
