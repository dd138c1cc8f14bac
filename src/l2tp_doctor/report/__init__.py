"""Faces of a finished measurement: terminal, JSON, packet capture.  Pure: no sockets, clocks or files."""
