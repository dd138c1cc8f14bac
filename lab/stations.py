"""The gateways one worker keeps, each with how a case changes it and how it is brought back to clean."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lab import ikeprobe, ntp
from lab.cases import Dial, FaultSpec, GatewayCertificate, option_names
from lab.certification import certified, client_files
from lab.gateway import Gateway, User
from lab.libreswan import Libreswan, LibreswanOptions
from lab.linux_gateway import LinuxGateway, LinuxOptions
from lab.namespaces import LabError, wait_until
from lab.netem import clock, netem
from lab.pki import Pki
from lab.practice import Practice
from lab.reference_client import ReferenceClient
from lab.softether import SoftEther
from lab.strongswan import StrongSwan, StrongSwanOptions
from lab.topologies import Topology

HANDOVER_SECONDS = 0.3
"""A gateway that still holds something after this long is restarted: half-open SAs live for 10 s."""
_CLOSING_SECONDS = 10.0


class Station(Protocol):
    """One kept gateway."""

    @property
    def gateway(self) -> Gateway:
        """The gateway itself."""

    def prepare(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """Give it the standard configuration with these changes, and nothing of an earlier case."""

    def change(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """Only change the configuration: something of the case goes on."""

    def fault(self, spec: FaultSpec) -> contextlib.AbstractContextManager[object]:
        """Put a fault of the gateway's own in force for the length of a ``with`` block."""

    def distrust(self) -> None:
        """Have the gateway restarted before the next case."""

    def client_certificate(self, dial: Dial, certificate: GatewayCertificate | None, folder: Path) -> None:
        """Write ``cert.pem``, ``key.pem`` and ``ca.pem`` for the client."""

    def close(self) -> None:
        """End the gateway."""


class SoftEtherStation:
    """SoftEther: configured by its own administration program."""

    def __init__(self, pki: Pki) -> None:
        self._server = SoftEther()
        self._pki = pki
        self._doubtful = False

    @property
    def gateway(self) -> Gateway:
        """The server."""
        return self._server

    def prepare(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`."""
        if self._doubtful:
            self._server.restart()
        else:
            _handover(self._server, self._server.restart)
        self._doubtful = False
        self.change(certificate, options)

    def distrust(self) -> None:
        """See :class:`Station`."""
        self._doubtful = True

    def change(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`; the only option is ``psk``."""
        if certificate is not None or set(options) - {"psk"}:
            raise LabError(f"SoftEther knows only the option psk, not {sorted(options)}")
        psk = str(options.get("psk", "test-psk"))
        if psk != self._server.psk:
            self._server.set_psk(psk)

    def fault(self, spec: FaultSpec) -> contextlib.AbstractContextManager[object]:
        """See :class:`Station`."""
        server = self._server
        user = server.users[0].name
        if spec.kind == "stopped":
            return server.stopped()
        if spec.kind == "paused":
            return server.paused()
        switches: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "account-disabled": (
                lambda: server.disable_user(user),
                lambda: server.disable_user(user, disabled=False),
            ),
            "account-expired": (lambda: server.expire_user(user), lambda: server.expire_user(user, "none")),
            "no-dhcp": (lambda: server.set_dhcp(False), lambda: server.set_dhcp(True)),
            "hub-offline": (lambda: server.set_hub_online(False), lambda: server.set_hub_online(True)),
            "l2tp-off": (self._l2tp_off, lambda: server.set_l2tp(True)),
            "session-limit": (
                lambda: server.set_session_limit(int(spec.arguments.get("count", 1))),
                lambda: server.set_session_limit(0),
            ),
            "small-pool": (lambda: server.set_pool(1), lambda: server.set_pool(191)),
        }
        if spec.kind not in switches:
            raise LabError(f"SoftEther has no fault {spec.kind!r}")
        return _switched(*switches[spec.kind])

    def client_certificate(self, dial: Dial, certificate: GatewayCertificate | None, folder: Path) -> None:
        """See :class:`Station`."""
        _write_client(self._pki, dial, certificate, folder)

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _l2tp_off(self) -> None:
        self._server.set_l2tp(False)
        # It closes UDP 500 and 4500 a moment later.
        wait_until(lambda: not self._server.listening(), _CLOSING_SECONDS, "SoftEther closes its ports")


class GuestStation:
    """A daemon in a guest: strongSwan or Libreswan.

    Args:
        server: the running gateway.
        standard: its standard options.
        pki: certificates.
    """

    def __init__(self, server: LinuxGateway[Any], standard: LinuxOptions, pki: Pki) -> None:
        self._server = server
        self._standard = standard
        self._pki = pki
        self._doubtful = False

    @property
    def gateway(self) -> Gateway:
        """The gateway."""
        return self._server

    def prepare(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`."""
        self.change(certificate, options)
        if self._doubtful:
            LinuxGateway.reset(self._server)  # a real restart, whatever a quicker one would do
        else:
            _handover(self._server, self._server.reset)
        self._doubtful = False

    def distrust(self) -> None:
        """See :class:`Station`."""
        self._doubtful = True

    def change(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`; options are the fields of the gateway's options."""
        unknown = set(options) - option_names(type(self._standard))
        if unknown:
            raise LabError(f"{self._server.name} has no option {', '.join(sorted(unknown))}")
        changes: dict[str, Any] = dict(options)
        if "users" in changes:
            changes["users"] = tuple(User(**item) for item in changes["users"])
        wanted = replace(self._standard, **changes)
        self._server.configure(certified(self._server, wanted, certificate, self._pki))

    def fault(self, spec: FaultSpec) -> contextlib.AbstractContextManager[object]:
        """See :class:`Station`."""
        services: Any = (spec.arguments["service"],) if "service" in spec.arguments else ()
        if spec.kind == "stopped":
            return self._server.stopped(*services)
        if spec.kind == "paused":
            return self._server.paused(*services)
        if spec.kind == "netem":
            direction: Any = spec.arguments.get("direction", "both")
            return netem(self._server.guest, str(spec.arguments["settings"]), direction)
        if spec.kind == "clock":
            ahead = -1 if spec.arguments.get("behind") else 1
            return clock(self._server.guest, ahead * float(spec.arguments["days"]))
        if spec.kind == "gateway-ntp":
            return ntp.in_guest(self._server.guest, synchronised=not spec.arguments.get("unsynchronised"))
        if spec.kind == "guest":
            run, undo = str(spec.arguments["run"]), str(spec.arguments.get("undo", "true"))
            return _switched(lambda: self._guest(run), lambda: self._guest(undo))
        raise LabError(f"{self._server.name} has no fault {spec.kind!r}")

    def client_certificate(self, dial: Dial, certificate: GatewayCertificate | None, folder: Path) -> None:
        """See :class:`Station`."""
        _write_client(self._pki, dial, certificate, folder)

    def close(self) -> None:
        """End the guest."""
        self._server.close()

    def _guest(self, script: str) -> None:
        self._server.guest.run(script)


class PracticeStation:
    """The product's practice gateway; the option ``faults`` lists its own faults."""

    def __init__(self, pki: Pki) -> None:
        self._server = Practice()

    @property
    def gateway(self) -> Gateway:
        """The gateway."""
        return self._server

    def prepare(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`."""
        self.change(certificate, options)

    def change(self, certificate: GatewayCertificate | None, options: Mapping[str, object]) -> None:
        """See :class:`Station`."""
        names = options.get("faults", ())
        if certificate is not None or set(options) - {"faults"} or not isinstance(names, tuple):
            raise LabError("the practice gateway knows only the option faults")
        self._server.serve(*names)

    def distrust(self) -> None:
        """See :class:`Station`: it starts anew for each case."""

    def fault(self, spec: FaultSpec) -> contextlib.AbstractContextManager[object]:
        """See :class:`Station`."""
        raise LabError("the practice gateway's faults are its option faults")

    def client_certificate(self, dial: Dial, certificate: GatewayCertificate | None, folder: Path) -> None:
        """See :class:`Station`: it makes them itself."""
        for name in ("cert.pem", "key.pem", "ca.pem"):
            (folder / name).write_bytes((self._server.state / name).read_bytes())

    def close(self) -> None:
        """End it."""
        self._server.close()


def strongswan(pki: Pki) -> Station:
    """Start strongSwan."""
    return GuestStation(StrongSwan(), StrongSwanOptions(), pki)


def libreswan(pki: Pki) -> Station:
    """Start Libreswan."""
    return GuestStation(Libreswan(), LibreswanOptions(), pki)


MAKERS: Mapping[str, Callable[[Pki], Station]] = {
    "softether": SoftEtherStation,
    "strongswan": strongswan,
    "libreswan": libreswan,
    "practice": PracticeStation,
}


@dataclass
class Surroundings:
    """Faults that need the path as well as the gateway."""

    gateway: Gateway
    path: Topology

    def fault(self, spec: FaultSpec) -> contextlib.AbstractContextManager[object] | None:
        """Return the fault of that kind, or None when it is not one of these."""
        if spec.kind == "half-open":
            count = int(spec.arguments.get("count", 6))
            return _switched(
                lambda: self.path.client.call(_half_open, self.path.dial_address, count), _nothing
            )
        if spec.kind == "other-client":
            return self._other_client()
        if spec.kind == "reference-ntp":
            return ntp.in_namespace(self.path.nodes[0])
        return None

    @contextlib.contextmanager
    def _other_client(self) -> Iterator[None]:
        with ReferenceClient(self.path) as client:
            client.dial(self.gateway.psk, self.gateway.users[0])
            yield
            client.hang_up()


def fault_of(station: Station, path: Topology, spec: FaultSpec) -> contextlib.AbstractContextManager[object]:
    """Return the context manager for a fault that is not on the path."""
    around = Surroundings(station.gateway, path).fault(spec)
    return around if around is not None else station.fault(spec)


def _half_open(address: str, count: int) -> None:
    """Send first messages that are never continued."""
    for _ in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0.5)
            channel.connect((address, 500))
            channel.send(ikeprobe.main_mode_1(os.urandom(8)))
            with contextlib.suppress(OSError):
                channel.recv(65535)


def _handover(gateway: Gateway, restart: Callable[[], None]) -> None:
    try:
        gateway.wait_clean(HANDOVER_SECONDS)
    except LabError:
        restart()


def _write_client(pki: Pki, dial: Dial, certificate: GatewayCertificate | None, folder: Path) -> None:
    for name, text in client_files(pki, dial, certificate).items():
        (folder / name).write_text(text)


@contextlib.contextmanager
def _switched(do: Callable[[], None], undo: Callable[[], None]) -> Iterator[None]:
    do()
    try:
        yield
    finally:
        undo()


def _nothing() -> None: ...
