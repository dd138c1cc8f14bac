"""The three gateways of the bench on the lab's paths: strongSwan, SoftEther and our own practice gateway."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.dialer import NAME, Account
from lab.gateway import BRIDGE, GATEWAY_ADDRESS, Gateway, GatewayStatus, Site, User
from lab.namespaces import LabError, ManagedProcess, wait_running, wait_until
from lab.registry import current_run
from lab.softether import SoftEther
from lab.strongswan import StrongSwan
from lab.topologies import CLIENT_BEHIND_NAT, DIRECT, Shape, Topology, topology

PRACTICE, SOFTETHER, STRONGSWAN = "practice", "softether", "strongswan"
NAMES = (STRONGSWAN, SOFTETHER, PRACTICE)

# The practice gateway has no native ESP, so its client sits behind a NAT, as most do.
SHAPES = {STRONGSWAN: DIRECT, SOFTETHER: DIRECT, PRACTICE: CLIENT_BEHIND_NAT}

# SoftEther ends a closed session's thread for up to 2.5 s, and serves nobody's PPP meanwhile.
_REST = {SOFTETHER: 3.0, STRONGSWAN: 0.3, PRACTICE: 0.0}
_PINGS = 10


class PracticeHost:
    """A practice gateway in a namespace, as a gateway of the lab.

    Args:
        faults: names from ``l2tp_doctor.practice.faults.FAULTS``.

    Attributes:
        site: where topologies plug in.
        account: what a client has to be given, certificates included where the fault needs them.
    """

    name = PRACTICE

    def __init__(self, faults: Sequence[str] = ()) -> None:
        self.site = Site("practice", hosted=True)
        self.state = current_run().scratch("practice")
        self._process: ManagedProcess | None = None
        with contextlib.ExitStack() as guard:
            guard.callback(self.close)
            self._process = self.site.namespace.start(
                [sys.executable, "-m", "bench.practice_host", str(self.state), *faults],
                output=self.state / "output",
            )
            wait_until(self._is_ready, 15, "the practice gateway listens")
            guard.pop_all()
        self.account = self._account()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it and removes its namespace."""
        if self._process is not None:
            self._process.stop()
        self.site.close()

    @property
    def psk(self) -> str:
        """Its pre-shared key."""
        return self.account.psk

    @property
    def users(self) -> tuple[User, ...]:
        """Its accounts."""
        return (User(self.account.user, self.account.password),)

    def status(self) -> GatewayStatus:
        """Nothing is known from outside; the bench never asks."""
        return GatewayStatus(0, 0, 0, 0, "")

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """A dial's leftovers do not disturb the next one here."""
        return self.status()

    def log(self) -> str:
        """What the process printed."""
        return (self.state / "output").read_text(errors="replace")

    def _is_ready(self) -> bool:
        if self._process is not None and not self._process.alive:
            raise LabError(f"the practice gateway ended:\n{self.log()}")
        return (self.state / "ready").exists()

    def _account(self) -> Account:
        from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER

        options: list[str] = []
        for option, name in (("--cert", "client.pem"), ("--key", "client.key"), ("--ca", "ca.pem")):
            if (self.state / name).exists():
                options += [option, str(self.state / name)]
        return Account(PRACTICE_PSK, PRACTICE_USER, PRACTICE_PASSWORD, tuple(options))


def started(name: str) -> StrongSwan | SoftEther | PracticeHost:
    """Starts a gateway."""
    if name == STRONGSWAN:
        return StrongSwan()
    return SoftEther() if name == SOFTETHER else PracticeHost()


def account_of(gateway: Gateway) -> Account:
    """Returns what its clients dial with."""
    if isinstance(gateway, PracticeHost):
        return gateway.account
    user = gateway.users[0]
    return Account(gateway.psk, user.name, user.password)


@contextlib.contextmanager
def path_to(gateway: Gateway, shape: Shape, rtt: float = 0.0) -> Iterator[Topology]:
    """Makes a path with an added round-trip time, on which the gateway also has a name."""
    with topology(gateway, shape, one_way_delay=rtt / 2) as path:
        path.client.set_hosts({NAME: path.dial_address})
        wait_running(gateway.site.namespace, BRIDGE)
        yield path


def round_trip(path: Topology) -> float:
    """Returns the median round-trip time of some pings, in seconds.

    Raises:
        LabError: nothing came back.
    """
    # The first packet also asks for link addresses.
    command = ["ping", "-q", "-c", "1", "-W", "3", path.dial_address]
    path.client.run(command, check=False)
    command = ["ping", "-c", str(_PINGS), "-i", "0.02", "-W", "3", path.dial_address]
    text = path.client.run(command, check=False).stdout
    times = sorted(float(found) for found in re.findall(r"time=([\d.]+)", text))
    if not times:
        raise LabError(f"no ping was answered by {GATEWAY_ADDRESS}:\n{text}")
    return times[len(times) // 2] / 1000


def rest(gateway: Gateway, name: str) -> None:
    """Lets a gateway finish with its last client, or starts it anew."""
    try:
        gateway.wait_clean(2.0)
    except LabError:
        renew(gateway)
    time.sleep(_REST[name])


def renew(gateway: Gateway) -> None:
    """Makes a gateway forget every client."""
    if isinstance(gateway, StrongSwan):
        gateway.reset()
    elif isinstance(gateway, SoftEther):
        gateway.restart()


def rest_note() -> str:
    """Says what every gateway is given between two dials."""
    return ", ".join(f"{name} {seconds:g} s" for name, seconds in _REST.items() if seconds)


def lab_is_possible() -> list[str]:
    """Returns what is missing for the lab, in sentences."""
    from lab import install

    missing = install.problems()
    if not Path("/dev/net/tun").exists():
        missing.append("/dev/net/tun is missing")
    return missing
