"""Run as a script: makes this Python look like another system's, then runs what is asked for.

``python -m tests.platforms.elsewhere PLATFORM imports`` imports every module of the package;
``... PLATFORM run ARGUMENTS`` runs the command line.
"""

from __future__ import annotations

import asyncio
import getpass
import importlib
import os
import pkgutil
import socket
import sys
import urllib.request
from typing import NoReturn

# What the standard library and the dependencies have under Linux stays as it is: only our own
# modules, which are imported after this, see the other system.
import alembic.command
import click
import platformdirs
import reportlab.platypus
import rich.console
import rich.live
import sqlalchemy
import yaml

NOT_EVERYWHERE = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "spwd")
LINUX_NAMES = (
    "AF_PACKET", "AF_NETLINK", "AF_VSOCK", "AF_CAN", "MSG_ERRQUEUE", "MSG_DONTWAIT",
    "IP_RECVERR", "IPV6_RECVERR", "IP_RECVTOS", "SO_BINDTODEVICE", "SO_MARK", "SO_REUSEPORT",
    "SO_PEERCRED", "SO_PRIORITY", "SO_TIMESTAMP", "EAI_ADDRFAMILY", "EAI_SYSTEM", "EAI_NODATA", "CMSG_LEN",
    "CMSG_SPACE", "IP_MTU_DISCOVER", "IP_TRANSPARENT", "IPV6_PATHMTU",
)  # fmt: skip
UNIX_CALLS = (
    "fork", "forkpty", "getuid", "geteuid", "getgid", "setsid", "getpgid", "killpg", "nice", "uname",
    "sched_getaffinity", "memfd_create", "eventfd", "pidfd_open", "chown", "getloadavg", "openpty",
)  # fmt: skip


class ProactorLike(asyncio.DefaultEventLoopPolicy):
    """The default policy of Windows: its loop cannot watch a socket nor a signal."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Returns a loop without ``add_reader``."""
        loop = super().new_event_loop()

        def missing(*_: object) -> NoReturn:
            raise NotImplementedError

        for name in ("add_reader", "remove_reader", "add_writer", "add_signal_handler"):
            setattr(loop, name, missing)
        return loop


class Plain(socket.socket):
    """A socket that lacks what only some systems have."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if type == socket.SOCK_RAW or proto in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
            raise PermissionError(1, "Operation not permitted")
        super().__init__(family, type, proto, fileno)

    def __getattribute__(self, name: str) -> object:
        if name in ("recvmsg", "recvmsg_into", "sendmsg"):
            raise AttributeError(name)
        return super().__getattribute__(name)


def become(platform: str) -> None:
    """Takes away what ``platform`` lacks."""
    loaded = (
        alembic, click, getpass, platformdirs, reportlab, rich.console, rich.live, sqlalchemy,
        urllib.request, yaml,
    )  # fmt: skip
    del loaded
    for name in NOT_EVERYWHERE:
        sys.modules[name] = None  # type: ignore[assignment]  # makes an import of it fail
    for name in LINUX_NAMES:
        if hasattr(socket, name):
            delattr(socket, name)
    if platform == "win32":
        for name in UNIX_CALLS:
            if hasattr(os, name):
                delattr(os, name)
        asyncio.set_event_loop_policy(ProactorLike())

        def no_signals(*_: object) -> NoReturn:
            raise NotImplementedError

        asyncio.SelectorEventLoop.add_signal_handler = no_signals  # type: ignore[assignment,method-assign]  # as on Windows
    socket.socket = Plain  # type: ignore[misc]  # for every module imported from here on
    sys.platform = platform


def import_everything() -> None:
    """Imports every module and prints how many there are."""
    import l2tp_doctor

    names = [item.name for item in pkgutil.walk_packages(l2tp_doctor.__path__, "l2tp_doctor.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    print(len(names))


if __name__ == "__main__":
    become(sys.argv[1])
    if sys.argv[2] == "imports":
        import_everything()
    else:
        sys.argv[1:] = sys.argv[3:]
        from l2tp_doctor.cli.main import run

        run()
