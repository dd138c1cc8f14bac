"""A wire with a delay: a user-space relay between two tap devices.

The machine's kernel may have no ``netem``.  A relay process opens one tap device in each of two
namespaces and carries every frame across after exactly the one-way delay.  Tap devices offload nothing,
so every frame has its real checksum.  When the relay ends, both devices vanish.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import select
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.namespaces import LabError, ManagedProcess, Namespace, enter_namespace

_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
_FRAME = 65535
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lab.delay import main; main(sys.argv[1:])"
_SPIN = 150e-6
"""Seconds before a frame is due in which the relay no longer sleeps: a wake-up may come that late."""
_READY_TIMEOUT = 10.0
MAX_QUEUED = 100_000
"""Frames held at most per relay: a flood must not eat the machine's memory."""


def open_tap(namespace: Path, name: str) -> int:
    """Make a tap device in a namespace; the returned descriptor is its other end.

    The calling thread stays in that namespace.
    """
    enter_namespace(namespace)
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor


def relay(left: int, right: int, one_way_delay: float) -> None:
    """Carry frames between two tap descriptors until the process is ended.

    Args:
        left: one tap.
        right: the other tap.
        one_way_delay: seconds each frame is held.
    """
    other = {left: right, right: left}
    queue: list[tuple[float, int, int, bytes]] = []
    count = 0
    clock = time.monotonic
    while True:
        now = clock()
        while queue and queue[0][0] <= now:
            _, _, target, frame = heapq.heappop(queue)
            # The far interface may be down or full: a wire loses such a frame too.
            with contextlib.suppress(OSError):
                os.write(target, frame)
            now = clock()
        timeout = max(0.0, queue[0][0] - now - _SPIN) if queue else None
        readable, _, _ = select.select([left, right], [], [], timeout)
        for source in readable:
            for frame in _frames(source):
                count += 1
                if len(queue) < MAX_QUEUED:
                    heapq.heappush(queue, (clock() + one_way_delay, count, other[source], frame))


def _frames(descriptor: int) -> list[bytes]:
    """Read what waits, a bounded number of frames, so that due ones leave in time."""
    frames = []
    for _ in range(32):
        try:
            frames.append(os.read(descriptor, _FRAME))
        except OSError:
            break
    return frames


class DelayLink:
    """A delayed wire between two namespaces, in place of a veth pair.

    Args:
        left: one namespace, and ``left_name`` its interface.
        left_name: interface name in ``left``.
        right: the other namespace.
        right_name: interface name in ``right``.
        one_way_delay: seconds that each frame is held, in each direction.
    """

    def __init__(
        self, left: Namespace, left_name: str, right: Namespace, right_name: str, *, one_way_delay: float
    ) -> None:
        if not 0 <= one_way_delay <= 10:
            raise ValueError("one_way_delay is in seconds, 0 … 10")
        reader, writer = os.pipe()
        try:
            self._process = ManagedProcess(
                [
                    sys.executable,
                    "-c",
                    _BOOTSTRAP,
                    str(Path(__file__).resolve().parent.parent),
                    str(left.path),
                    left_name,
                    str(right.path),
                    right_name,
                    repr(one_way_delay),
                    str(writer),
                ],
                pass_fds=(writer,),
            )
        finally:
            os.close(writer)
        try:
            ready, _, _ = select.select([reader], [], [], _READY_TIMEOUT)
            if not ready or os.read(reader, 1) != b"+":
                self._process.stop()
                raise LabError("the delay relay did not start")
        finally:
            os.close(reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the relay; both interfaces vanish with it."""
        self._process.stop()


def main(arguments: Sequence[str]) -> None:
    """Run the relay process: LEFT-NS LEFT-NAME RIGHT-NS RIGHT-NAME SECONDS READY-FD."""
    left_path, left_name, right_path, right_name, seconds, ready = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    # Real-time priority keeps the delay exact on a busy machine; without it the relay still works.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    left = open_tap(Path(left_path), left_name)
    right = open_tap(Path(right_path), right_name)
    os.write(int(ready), b"+")
    os.close(int(ready))
    relay(left, right, float(seconds))
