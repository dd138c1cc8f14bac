"""User-Mode Linux: a real kernel with ESP, L2TP and PPP, started as an ordinary process.

The guest's root is the machine's own file system, read-only.  It is controlled without any network: its
serial line is a pair of pipes.  A request on the line names a script in a mailbox directory that both sides
see; the guest runs the script, leaves the output beside it, and answers with the exit status.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.gateway import tail
from lab.namespaces import LabError, ManagedProcess, Namespace
from lab.registry import current_run

_KERNEL = "linux.uml"
_BOOT_TIMEOUT = 90.0
_MAX_LINE = 4096
_ANSWER_SECONDS = 10.0
"""A busy machine's guest may be this late to say that it has ended a script."""
TIMED_OUT = 124
"""Exit status of a script that took too long: coreutils' ``timeout``."""

_INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs var /var
mount -t tmpfs tmp /tmp
mkdir -p /run/box /run/lock /var/run /var/log /var/lib /var/tmp /dev/pts
mount -t devpts devpts /dev/pts
mount -t hostfs none /run/box -o {box}
mount --bind /usr/lib/uml/modules /lib/modules
hostname {name}
ip link set lo up
stty -F /dev/ttyS0 raw -echo
exec 3<>/dev/ttyS0
echo READY >&3
while read -r id limit <&3; do
  timeout -k 1 $limit sh /run/box/$id.sh >/run/box/$id.out 2>&1 </dev/null 3>&-
  echo "$id $?" >&3
done
halt -f
"""


class Guest:
    """One User-Mode Linux machine.

    Args:
        name: host name of the guest.
        namespace: where its network card's tap device lives.
        tap: that tap device; it must exist.
        modules: kernel modules to load.
        memory: megabytes.

    Attributes:
        boot_seconds: how long it took until it answered.
    """

    def __init__(
        self, name: str, namespace: Namespace, tap: str, *, modules: Sequence[str] = (), memory: int = 192
    ) -> None:
        self.name = name
        self.box = current_run().scratch(name)
        self._mail = self.box / "mail"
        self._mail.mkdir()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._buffer = b""
        self._process: ManagedProcess | None = None
        self._descriptors: list[int] = []
        with contextlib.ExitStack() as guard:
            guard.callback(self.close)
            begin = time.monotonic()
            self._boot(namespace, tap, memory)
            if modules:
                self.run(f"modprobe -a {shlex.join(modules)}")
            self.boot_seconds = time.monotonic() - begin
            guard.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Pull the plug.  Nothing of the guest is on disk but its mailbox, which goes with the run."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    @property
    def alive(self) -> bool:
        """Whether its kernel still runs."""
        return self._process is not None and self._process.alive

    def console(self) -> str:
        """Return the end of the kernel's console output."""
        return tail(self.box / "console")

    def run(
        self, script: str, *, timeout: float = 30, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script inside and return its combined output.

        Background processes must redirect their output.

        Raises:
            LabError: no answer, or (with ``check``) a status other than 0; a script that was ended because it
                took more than ``timeout`` seconds has the status :data:`TIMED_OUT`.
        """
        with self._lock:
            return self._run(script, timeout, check)

    def write(self, files: Mapping[str, str], *, mode: int = 0o600) -> None:
        """Write text files inside, in places that are writable there (``/run``, ``/var``, ``/tmp``)."""
        lines = ["set -e"]
        for path, text in files.items():
            source = f"f{next(self._ids)}"
            (self._mail / source).write_text(text)
            lines.append(f"mkdir -p {shlex.quote(str(Path(path).parent))}")
            lines.append(f"cp /run/box/{source} {shlex.quote(path)}; chmod {mode:o} {shlex.quote(path)}")
        self.run("\n".join(lines))

    def read(self, path: str) -> str:
        """Return a text file from inside; empty when it is absent."""
        return self.run(f"cat {shlex.quote(path)} 2>/dev/null", check=False).stdout

    def _run(self, script: str, timeout: float, check: bool) -> subprocess.CompletedProcess[str]:
        number = f"r{next(self._ids)}"
        (self._mail / f"{number}.sh").write_text(script + "\n")
        # The guest itself ends a script that takes too long, so that it can take the next one.
        os.write(self._descriptors[0], f"{number} {timeout:.1f}\n".encode())
        deadline = time.monotonic() + timeout + _ANSWER_SECONDS
        while True:
            words = self._line(deadline, f"script {script!r}").split()
            # The answer to a request that was given up earlier may still come: it is not ours.
            if len(words) == 2 and words[0] == number:
                break
        output = self._mail / f"{number}.out"
        done = subprocess.CompletedProcess(script, int(words[1]), output.read_text(errors="replace"), "")
        for path in (output, self._mail / f"{number}.sh"):
            path.unlink(missing_ok=True)
        if check and done.returncode != 0:
            raise LabError(f"guest {self.name}: {script!r}: exit status {done.returncode}\n{done.stdout}")
        return done

    def _boot(self, namespace: Namespace, tap: str, memory: int) -> None:
        init = self.box / "init.sh"
        init.write_text(_INIT.format(box=self._mail, name=self.name))
        init.chmod(0o755)
        to_guest, ours_out = os.pipe()
        ours_in, from_guest = os.pipe()
        self._descriptors = [ours_out, ours_in]
        try:
            self._process = namespace.start(
                [
                    # A process namespace of its own: all of the kernel's host processes die with the first.
                    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", _KERNEL),
                    *(f"mem={memory}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}"),
                    *(f"eth0=tuntap,{tap}", "con=null", "con0=null,fd:1", "con1=null", "ssl=null"),
                    *(f"ssl0=fd:{to_guest},fd:{from_guest}", "quiet"),
                ],
                output=self.box / "console",
                pass_fds=(to_guest, from_guest),
            )
        finally:
            os.close(to_guest)
            os.close(from_guest)
        deadline = time.monotonic() + _BOOT_TIMEOUT
        while self._line(deadline, "the boot") != "READY":
            pass

    def _line(self, deadline: float, what: str) -> str:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"guest {self.name}: no answer to {what}\n{self.console()}")
            if not select.select([self._descriptors[1]], [], [], left)[0]:
                continue
            piece = os.read(self._descriptors[1], _MAX_LINE)
            if not piece:
                raise LabError(f"guest {self.name} died during {what}\n{self.console()}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip()
