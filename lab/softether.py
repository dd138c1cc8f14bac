"""SoftEther VPN Server: a whole L2TP/IPsec gateway in user space, inside one namespace."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import ikeprobe
from lab.gateway import DEFAULT_PSK, DEFAULT_USERS, GATEWAY_ADDRESS, GatewayStatus, Site, User
from lab.namespaces import LabError, ManagedProcess, wait_until
from lab.registry import current_run

_SERVER = Path("/usr/libexec/softether/vpnserver/vpnserver")
_COMMAND = Path("/usr/libexec/softether/vpncmd/vpncmd")
_ADMIN_PORT = 5555
_READY_TIMEOUT = 30.0
HUB = "VPN"

# With the default ``ListenIP 0.0.0.0`` this build forgets the client's address and answers nobody; ``::``
# listens for IPv4 as well.  Dynamic DNS, NAT traversal helpers and keep-alive would talk to the Internet.
_SETTINGS = {
    "ListenIP": "::",
    "Disabled": "true",
    "DisableNatTraversal": "true",
    "UseKeepConnect": "false",
    "DontBackupConfig": "true",
    "DisableDosProtection": "true",
    "NoHighPriorityProcess": "true",
    "DisableCoreDumpOnUnix": "true",
    "DisableGetHostNameWhenAcceptTcp": "true",
}

_IKE_SA = re.compile(r"IPsec IKE Session \(IKE SA\) (\d+) ")
_IPSEC_SA = re.compile(r"IPsec ESP Session \(IPsec SA\) (\d+) ")


class SoftEther:
    """One running SoftEther server.

    Args:
        psk: pre-shared key (SoftEther takes up to 9 characters from old clients, longer ones work too).
        users: accounts with a password.

    Attributes:
        site: where topologies plug in.
        state: private state directory.
    """

    name = "softether"

    def __init__(self, psk: str = DEFAULT_PSK, users: Sequence[User] = DEFAULT_USERS) -> None:
        self.psk = psk
        self.users = tuple(users)
        self.site = Site("softether", hosted=True)
        self.state = current_run().scratch("softether")
        self._process: ManagedProcess | None = None
        self._initial: str | None = None
        self._probes: set[str] = set()
        self._cookie = b""
        with contextlib.ExitStack() as guard:
            guard.callback(self.close)
            self._install()
            self.start()
            guard.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server and remove its namespace and state."""
        self.stop()
        self.site.close()
        shutil.rmtree(self.state, ignore_errors=True)

    # -- the daemon --------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemon from an empty configuration, set it up, and wait until it listens.

        Raises:
            LabError: it did not come up; the message holds the end of its log.
        """
        if self._process is not None:
            raise LabError("SoftEther already runs")
        (self.state / "lib" / "vpn_server.config").write_text(self._initial_configuration())
        self._launch()
        self._configure()
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        self._wait("UDP 500 and 4500", self.listening)
        # It drops the first messages after its ports are open, so only an answer proves that it is ready.
        # The half-open SA of that proof is not a client's; SoftEther deletes it after 10 s.
        self._wait("Main Mode", self._answers)
        # The log lags behind on a busy machine: what it says of our proof later would look like a client's.
        written = f"Initiator Cookie: 0x{int.from_bytes(self._cookie, 'big'):X},"
        self._wait("its log", lambda: written in self._current_log())
        self._probes = _alive(self._current_log(), _IKE_SA)

    def stop(self) -> None:
        """Kill the daemon: the host then answers with ICMP port unreachable.  Its log stays readable."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            # The worker may outlive its dead parent for a moment and still hold the ports.
            wait_until(lambda: not self._daemon_pids(), 10, "SoftEther's processes are gone")

    def restart(self) -> None:
        """Stop, then start from an empty configuration: certainly without any client's state."""
        self.stop()
        self.start()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Be stopped for the length of a ``with`` block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Be frozen (SIGSTOP) for the length of a ``with`` block: ports are open, nobody answers."""
        pids = self._daemon_pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def listening(self) -> bool:
        """Whether UDP 500 and 4500 are open."""
        return {500, 4500} <= self.site.namespace.udp_ports()

    # -- what it allows ----------------------------------------------------------------------------

    def set_psk(self, psk: str) -> None:
        """Change the pre-shared key."""
        self.psk = psk
        self._enable_ipsec(l2tp=True)
        self._wait_until_it_answers()  # it closes its ports for that, and binds them again in its own time

    def set_users(self, users: Sequence[User]) -> None:
        """Replace all accounts."""
        commands = [f"Hub {HUB}", *(f"UserDelete {user.name}" for user in self.users)]
        self.users = tuple(users)
        self.vpncmd([*commands, *self._user_commands()])

    def disable_user(self, name: str, disabled: bool = True) -> None:
        """Deny (or allow again) access to one account."""
        self.vpncmd([f"Hub {HUB}", f"UserPolicySet {name} /NAME:Access /VALUE:{'no' if disabled else 'yes'}"])

    def expire_user(self, name: str, when: str = "2001/01/01 00:00:00") -> None:
        """Set an account's expiry (``none`` removes it)."""
        self.vpncmd([f"Hub {HUB}", f'UserExpiresSet {name} /EXPIRES:"{when}"'])

    def set_l2tp(self, enabled: bool) -> None:
        """Switch L2TP/IPsec on or off while the daemon keeps running."""
        self._enable_ipsec(l2tp=enabled)

    def set_dhcp(self, enabled: bool) -> None:
        """Switch address assignment on or off: without it no client ever gets an IP address."""
        self.vpncmd([f"Hub {HUB}", "DhcpEnable" if enabled else "DhcpDisable"])

    def set_hub_online(self, online: bool) -> None:
        """Take the virtual hub offline or online."""
        self.vpncmd([f"Hub {HUB}", "Online" if online else "Offline"])

    def set_session_limit(self, count: int) -> None:
        """Allow so many sessions at the same time; 0 for any number."""
        self.vpncmd([f"Hub {HUB}", f"SetMaxSession {count}"])

    def set_pool(self, size: int) -> None:
        """Set how many addresses its DHCP server has to give away, 1 … 191 (as it comes)."""
        if not 1 <= size <= 191:
            raise ValueError("size is 1 … 191")
        addresses = f"/START:192.168.30.10 /END:192.168.30.{9 + size} /MASK:255.255.255.0 /EXPIRE:7200"
        self.vpncmd(
            [
                f"Hub {HUB}",
                f"DhcpSet {addresses} /GW:192.168.30.1 /DNS:192.168.30.1 /DNS2:none /DOMAIN:none /LOG:no",
            ]
        )

    # -- what it says ------------------------------------------------------------------------------

    def status(self) -> GatewayStatus:
        """Ask for its sessions, and read from its log which SAs were made and not yet deleted."""
        text = self.vpncmd([f"Hub {HUB}", "SessionList"])
        sessions = [
            line.partition("|")[2].strip()
            for line in text.splitlines()
            if line.startswith("Session Name") and "SECURENAT" not in line
        ]
        log = self._current_log()
        ike, ipsec = _alive(log, _IKE_SA), _alive(log, _IPSEC_SA)
        return GatewayStatus(
            ike_sas=len(ike - self._probes),
            ipsec_sas=len(ipsec),
            l2tp_tunnels=len(sessions),
            l2tp_sessions=len(sessions),
            text=text,
        )

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """Wait until no session and no SA is left.  It gives up half-open IKE SAs by itself after 10 s.

        Raises:
            LabError: something is still there after ``timeout`` seconds.
        """
        wait_until(lambda: self.status().clean, timeout, f"SoftEther holds nothing; {self.status()}")
        return self.status()

    def log(self) -> str:
        """Return its server log and its hub's security log."""
        files = sorted((self.state / "log").rglob("*.log"))
        return "".join(path.read_text(errors="replace") for path in files)

    def vpncmd(self, commands: Sequence[str]) -> str:
        """Run administration commands; return what they print.

        Raises:
            LabError: the server refused one of them.
        """
        done = self.site.namespace.run(
            [
                str(self.state / "bin" / "vpncmd"),
                f"localhost:{_ADMIN_PORT}",
                "/SERVER",
                f"/IN:{self._script(commands)}",
            ],
            check=False,
        )
        if "Error occurred" in done.stdout or "successfully" not in done.stdout:
            raise LabError(f"vpncmd {commands!r} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    # -- inside ------------------------------------------------------------------------------------

    def _install(self) -> None:
        """Lay out a private state directory; programs need ``hamcore.se2`` beside them as a real file."""
        for name in ("bin", "lib", "log", "run"):
            (self.state / name).mkdir()
        for source in (_SERVER, _COMMAND, _SERVER.with_name("hamcore.se2")):
            if not source.exists():
                raise LabError(f"{source} is missing: run `python -m lab install`")
            shutil.copy(source, self.state / "bin" / source.name)
        mounts = [
            f"mkdir -p {target} && mount --bind {self.state / name} {target}"
            for name, target in (
                ("lib", "/var/lib/softether"),
                ("log", "/var/log/softether"),
                ("run", "/run/softether"),
            )
        ]
        script = ["set -e", *mounts, f"exec {self.state / 'bin' / 'vpnserver'} execsvc"]
        (self.state / "run.sh").write_text("\n".join(script) + "\n")

    def _launch(self) -> None:
        self._process = self.site.namespace.start(
            # A process namespace of its own: the daemon's worker dies with its first process.
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                str(self.state / "run.sh"),
            ],
            output=self.state / "output",
        )
        self._wait("its administration port", self._administration_answers)

    def _initial_configuration(self) -> str:
        """Return the server's own first configuration with our settings in it.

        A hand-written partial file does not do: the server then opens no listener at all.
        """
        if self._initial is None:
            self._launch()
            self.vpncmd(["Flush"])
            self.stop()
            text = (self.state / "lib" / "vpn_server.config").read_text()
            for name, value in _SETTINGS.items():
                text = re.sub(rf"(?m)^(\s*\w+ {name}) .*$", rf"\g<1> {value}", text)
            self._initial = text
        return self._initial

    def _configure(self) -> None:
        self.vpncmd(
            [f"HubCreate {HUB} /PASSWORD:lab", f"Hub {HUB}", *self._user_commands(), "SecureNatEnable"],
        )
        self._enable_ipsec(l2tp=True)

    def _user_commands(self) -> list[str]:
        commands = []
        for user in self.users:
            commands.append(f"UserCreate {user.name} /GROUP:none /REALNAME:none /NOTE:none")
            commands.append(f"UserPasswordSet {user.name} /PASSWORD:{user.password}")
        return commands

    def _enable_ipsec(self, *, l2tp: bool) -> None:
        switch = "yes" if l2tp else "no"
        self.vpncmd([f"IPsecEnable /L2TP:{switch} /L2TPRAW:no /ETHERIP:no /PSK:{self.psk} /DEFAULTHUB:{HUB}"])

    def _script(self, commands: Sequence[str]) -> Path:
        path = self.state / "commands"
        path.write_text("\n".join(commands) + "\n")
        return path

    def _administration_answers(self) -> bool:
        def connect() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", _ADMIN_PORT), timeout=1):
                    return True
            except OSError:
                return False

        return self.site.namespace.call(connect)

    def _answers(self) -> bool:
        self._cookie = os.urandom(8)
        return self.site.namespace.call(ikeprobe.answers, GATEWAY_ADDRESS, 0.1, self._cookie)

    def _wait(self, what: str, condition: object) -> None:
        if not callable(condition):
            raise TypeError("condition must be callable")
        try:
            wait_until(lambda: bool(condition()), _READY_TIMEOUT, f"SoftEther opens {what}")
        except LabError as error:
            output = (self.state / "output").read_text(errors="replace")
            raise LabError(f"{error}\n{output}\n{self._current_log()[-4000:]}") from error

    def _daemon_pids(self) -> list[int]:
        listing = self.site.namespace.run(
            ["ip", "netns", "pids", self.site.namespace.name], check=False
        ).stdout
        return [pid for pid in map(int, listing.split()) if _command(pid).startswith(str(self.state))]

    def _current_log(self) -> str:
        """Return the server log since the daemon's last start."""
        files = sorted((self.state / "log" / "server_log").glob("*.log"))
        text = "".join(path.read_text(errors="replace") for path in files)
        return text[max(0, text.rfind("The SoftEther VPN Server has been started.")) :]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


def _alive(log: str, pattern: re.Pattern[str]) -> set[str]:
    """Return the numbers of the SAs that the log names as created and not as deleted."""
    alive: set[str] = set()
    for line in log.splitlines():
        found = pattern.search(line)
        if found is None:
            continue
        if " is deleted" in line:
            alive.discard(found[1])
        elif " is created" in line:
            alive.add(found[1])
    return alive
