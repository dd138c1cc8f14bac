"""Clocks that answer NTP: chrony, which never touches the clock of the machine it runs on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab.namespaces import Namespace, wait_until
from lab.registry import current_run
from lab.uml import Guest

_SECONDS = 10.0
_CHRONYD = "chronyd -x -F 0 -u root"


def _configuration(folder: str, *, synchronised: bool) -> str:
    """Return chrony's configuration; without a source of its own it says so, unless it is told to be one."""
    lines = ["allow", "cmdport 0", "bindcmdaddress /", f"pidfile {folder}/chronyd.pid"]
    return "\n".join([*lines, *(["local stratum 8"] if synchronised else [])]) + "\n"


@contextlib.contextmanager
def in_guest(guest: Guest, *, synchronised: bool = True) -> Iterator[None]:
    """Have a guest's clock answer for the length of a ``with`` block."""
    guest.write({"/run/lab/chrony.conf": _configuration("/run/lab", synchronised=synchronised)})
    guest.run(f"{_CHRONYD} -f /run/lab/chrony.conf >/dev/null 2>&1 </dev/null")
    try:
        wait_until(lambda: ":007B " in guest.run("cat /proc/net/udp").stdout, _SECONDS, "chronyd listens")
        yield
    finally:
        if guest.alive:
            guest.run("kill -9 $(pidof chronyd)", check=False)


@contextlib.contextmanager
def in_namespace(node: Namespace) -> Iterator[None]:
    """Have this machine's own clock answer on every address of a namespace, during a ``with`` block."""
    folder = current_run().scratch("ntp")
    (folder / "chrony.conf").write_text(_configuration(str(folder), synchronised=True))
    process = node.start(
        [*_CHRONYD.split(), "-n", "-f", str(folder / "chrony.conf")], output=Path(folder / "chronyd.log")
    )
    try:
        wait_until(lambda: 123 in node.udp_ports(), _SECONDS, "chronyd listens")
        yield
    finally:
        process.stop()
