"""Which program holds a port that we wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
# Programs that hold UDP 500 and 4500, by the name the system gives their process.
IKE_DAEMONS = (
    "charon", "charon-systemd", "charon-nm", "pluto", "racoon", "iked", "isakmpd", "vpnserver", "vpnbridge",
)  # fmt: skip


def udp_port_owner(port: int, *, proc: Path = _PROC) -> str:
    """Returns the name of the process that holds a UDP port; empty when the system does not tell.

    Another user's process cannot be looked into: then a running IKE daemon is taken for the owner,
    as nothing else is likely to sit on these ports.
    """
    if sys.platform == "win32":
        # Windows keeps both ports for its own service, whatever VPN is configured.
        return "IKEEXT" if port in (500, 4500) else ""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not wanted:
        return ""
    likely = ""
    for process in proc.glob("[0-9]*"):
        name = _name(process)
        if _holds(process, wanted):
            return name
        if name in IKE_DAEMONS:
            likely = name
    return likely


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("udp", "udp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in wanted for link in (process / "fd").iterdir())
    except OSError:
        return False
