"""Network namespaces: make one, run programs and Python code inside it, remove it."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, ParamSpec, Self, TypeVar

from lab.registry import current_run, kill_recorded, remove_namespace, start_time

P = ParamSpec("P")
R = TypeVar("R")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

POLL_INTERVAL = 0.02
"""Seconds between two looks at a status that has no event of its own."""


class LabError(RuntimeError):
    """The lab itself could not do what it was asked to (a tool failed, a gateway did not come up)."""


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> float:
    """Wait until ``condition()`` holds; return how many seconds that took.

    Raises:
        LabError: when ``timeout`` seconds have passed.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout:
            raise LabError(f"after {timeout:.0f} s still not true: {what}")
        time.sleep(POLL_INTERVAL)
    return time.monotonic() - begin


def run_tool(
    argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with captured text output.

    Raises:
        LabError: the program failed (and ``check`` is true) or did not end within ``timeout`` seconds.
    """
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)}: no end after {timeout:.0f} s") from error
    if check and done.returncode != 0:
        raise LabError(
            f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}\n{stdin or ''}"
        )
    return done


class ManagedProcess:
    """A long-running program of the lab, recorded by pid; ended by :meth:`stop` at the latest."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        output: Path | None = None,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        sink: IO[bytes] | int = output.open("ab") if output is not None else subprocess.DEVNULL
        try:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(pass_fds),
                env=None if environment is None else {**os.environ, **environment},
            )
        finally:
            if not isinstance(sink, int):
                sink.close()
        current_run().record_process(self._popen.pid)

    @property
    def pid(self) -> int:
        """Process id as seen from the machine."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Wait for its end and return the exit status.

        Raises:
            LabError: it still runs after ``timeout`` seconds.
        """
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"process {self.pid} did not end within {timeout:.0f} s") from error

    def stop(self) -> None:
        """Kill it and its children (not politely) and wait until they are gone.  Repeated calls are fine."""
        if self._popen.poll() is None:
            # ``unshare --kill-child`` kills its child too, but without waiting: its ports would stay open.
            family = [self._popen.pid, *_children(self._popen.pid)]
            recorded = [(pid, start_time(pid)) for pid in family]
            for pid, started in recorded:
                if started is not None:
                    kill_recorded(pid, started)
        self._popen.wait(10)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Namespace:
    """One network namespace with its loopback up.

    Args:
        role: a short word that becomes part of the name, for readers of ``ip netns``.
        forwarding: whether this namespace routes between its interfaces.
    """

    def __init__(self, role: str, *, forwarding: bool = False) -> None:
        self.name = current_run().name(role)
        self.role = role
        self.path = Path("/run/netns", self.name)
        run_tool(["ip", "netns", "add", self.name])
        settings = [
            # Duplicate address detection would keep a fresh IPv6 address unusable for a second.
            "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0",
            # Foreign probes are measured, so nothing may be rate limited away silently.
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
        ]
        if forwarding:
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        try:
            self.call(_write_sysctls, settings)
            self.ip("link set lo up")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the namespace and kill what still runs in it."""
        remove_namespace(self.name)

    def exists(self) -> bool:
        """Whether it is still there."""
        return self.path.exists()

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs ``argv`` inside this namespace."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(
        self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end; see :func:`run_tool`."""
        return run_tool(self.command(argv), stdin=stdin, timeout=timeout, check=check)

    def start(
        self, argv: Sequence[str], *, output: Path | None = None, pass_fds: Sequence[int] = ()
    ) -> ManagedProcess:
        """Start a long-running program inside."""
        return ManagedProcess(self.command(argv), output=output, pass_fds=pass_fds)

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run Python code inside, in a thread of its own, and return its result.

        Sockets that the code opens belong to this namespace for ever; ``asyncio.run`` works there too.
        Exceptions pass through.
        """
        results: list[R] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                enter_namespace(self.path)
                results.append(function(*args, **kwargs))
            except BaseException as error:  # handed to the caller's thread below
                errors.append(error)

        thread = threading.Thread(target=body, name=f"in-{self.role}", daemon=True)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def ip(self, *commands: str) -> None:
        """Run several ``ip`` command lines (without the word ``ip``) in one batch."""
        run_tool(["ip", "-n", self.name, "-batch", "-"], stdin="\n".join(commands) + "\n")

    def nft(self, ruleset: str) -> None:
        """Load an nftables script."""
        self.run(["nft", "-f", "-"], stdin=ruleset)

    def set_hosts(self, names: Mapping[str, str]) -> None:
        """Make names resolvable for programs started inside with :meth:`run` or :meth:`start`.

        ``ip netns exec`` bind-mounts these files over ``/etc/hosts`` and ``/etc/resolv.conf``; no name
        server is reachable, so every other name fails.

        Args:
            names: host name → address.
        """
        directory = Path("/etc/netns", self.name)
        directory.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        (directory / "hosts").write_text("\n".join(lines) + "\n")
        (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def udp_ports(self) -> set[int]:
        """Return the UDP ports that sockets inside are bound to (IPv4 and IPv6)."""
        return self.call(_bound_udp_ports)


def in_namespace(namespace: Namespace, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run Python code inside a namespace and return its result; see :meth:`Namespace.call`."""
    return namespace.call(function, *args, **kwargs)


def enter_namespace(path: Path) -> None:
    """Move the calling thread into the network namespace that ``path`` names: setns(2).

    Raises:
        OSError: no such namespace, or no permission.
    """
    # os.setns exists from Python 3.12 on only.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def link(left: Namespace, left_name: str, right: Namespace, right_name: str) -> None:
    """Join two namespaces with a veth pair.

    Transmit checksum offload is switched off: captures and user-space relays then see real checksums.
    """
    left.ip(f"link add name {left_name} type veth peer name {right_name} netns {right.name}")
    left.call(disable_offload, left_name)
    right.call(disable_offload, right_name)


def wait_running(namespace: Namespace, *interfaces: str) -> None:
    """Wait until the kernel really sends on these interfaces; until then it drops what they are given.

    Raises:
        LabError: one stays without carrier.
    """
    for interface in interfaces:
        wait_until(
            functools.partial(namespace.call, _running, interface),
            5,
            f"{interface} in {namespace.name} runs",
        )


def _running(interface: str) -> bool:
    siocgifflags, iff_running = 0x8913, 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, siocgifflags, struct.pack("16s24x", interface.encode()))
    flags: int = struct.unpack_from("H", answer, 16)[0]
    return bool(flags & iff_running)


def disable_offload(interface: str) -> None:
    """Switch off checksum and segmentation offload of an interface of the current namespace."""
    siocethtool = 0x8946
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO with the value 0.
        for command in (0x17, 0x1F, 0x24, 0x2C):
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            request = struct.pack("16sP8x", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(control, siocethtool, request)
            except OSError:
                # A device without that offload has nothing to switch off.
                continue


def _write_sysctls(settings: Sequence[str]) -> None:
    for setting in settings:
        name, _, value = setting.partition("=")
        path = Path("/proc/sys", name.replace(".", "/"))
        if path.exists():
            path.write_text(value)


def _bound_udp_ports() -> set[int]:
    ports: set[int] = set()
    for table in ("udp", "udp6"):
        path = Path("/proc/thread-self/net", table)
        if path.exists():
            ports |= {
                int(line.split()[1].rpartition(":")[2], 16) for line in path.read_text().splitlines()[1:]
            }
    return ports
