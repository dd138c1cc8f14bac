"""One phase 1 beside the dial, on sockets of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from l2tp_doctor.network.driver import Driver
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.engine import Datagram
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import IkeEvent
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.ikev1.policy import Credentials, InitiatorPolicy


@dataclass(slots=True)
class Phase1Flow:
    """A running phase 1.

    Attributes:
        engine: the initiator.
        largest: bytes of the largest datagram it has sent.
    """

    engine: Ikev1Initiator
    largest: int = 0


@contextlib.contextmanager
def phase1_flow(
    run: Run,
    name: str,
    policy: InitiatorPolicy,
    credentials: Credentials,
    on_event: Callable[[IkeEvent], None],
) -> Iterator[Phase1Flow]:
    """Starts a phase 1; leaving the context takes down what it set up and closes its sockets.

    What it learns of the path – loss, round-trip time – is the measurement's from the first answer on.

    Raises:
        OSError: a socket cannot be made.
    """

    def heard(event: IkeEvent) -> None:
        if isinstance(event, ike.ReplyReceived) and event.rtt is None:  # it answers a message sent again
            run.lossy = True
        on_event(event)

    def send(datagram: Datagram) -> None:
        flow.largest = max(flow.largest, len(datagram.data))
        run.asked(datagram.channel)
        path.send(datagram)

    path = run.open_path(name, on_datagram=lambda datagram: driver.receive(datagram))
    with contextlib.closing(path):
        engine = Ikev1Initiator(policy, run.path_addresses(path), credentials, run.random)
        run.count(lambda: engine.transmission.counted)
        flow = Phase1Flow(engine)
        driver: Driver[IkeEvent] = Driver(engine, send, heard, run.started)
        try:
            driver.start()
            yield flow
            engine.close(driver.now)
            driver.pump()
        finally:
            driver.stop()
            run.rtt = engine.transmission.estimate if run.rtt is None else run.rtt
