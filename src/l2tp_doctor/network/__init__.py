"""The only sockets of the program: UDP endpoints, raw ESP, ICMP errors, names, signs of life."""
