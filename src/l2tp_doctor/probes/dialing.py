"""One dial over real sockets, from message 1 to the clean end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from l2tp_doctor.network.driver import Driver
from l2tp_doctor.network.path import GatewayPath
from l2tp_doctor.probes import certificates, offers, translate
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.dial import (
    Connected,
    Dial,
    DialClosed,
    DialConfig,
    DialEvent,
    EspFirstReceived,
    Failed,
    preload,
)
from l2tp_doctor.protocol.engine import Channel, Datagram, discard_trace
from l2tp_doctor.protocol.ikev1.policy import L2TP_PORT
from l2tp_doctor.protocol.l2tp.events import TunnelEstablished

WINDOWS_PORTS = (500, 4500)
# How long the whole teardown may take: each layer has its own shorter limit.
CLOSE_LIMIT = 2.0
# A Linux gateway installs its outbound SA some milliseconds after Quick Mode 3.  An SCCRQ that is answered
# before that costs the answer: a tenth of a second until the next one.
L2TP_DELAY = 0.025

EventHook = Callable[[DialEvent], None]


class Dialing:
    """A dial that runs until it is connected, has failed, or is closed.

    Args:
        run: the measurement it belongs to.
        source: names it in observations, e.g. ``dial``.
        force_nat_t: send a NAT-D that cannot match.
        native_esp: open a raw socket for ESP.
        windows_ports: leave from UDP 500 and 4500 where they can be had.
        primary: the dial whose events become observations and whose trace is shown;
            others are experiments and only tell their hook.
        hook: hears every event.
        l2tp_port: our UDP port inside ESP.
        batch: which part of a profile's transforms is offered, where they do not fit one message.
        windows_message_id: number the first Quick Mode 1, as Windows does.  After a dial that failed that is
            better avoided: a gateway may still have that one's Quick Mode 1 half-open.

    Raises:
        OSError: a socket cannot be made.
    """

    def __init__(
        self,
        run: Run,
        source: str,
        *,
        force_nat_t: bool,
        native_esp: bool,
        windows_ports: bool,
        primary: bool = True,
        hook: EventHook | None = None,
        batch: int = 0,
        windows_message_id: bool = True,
        l2tp_port: int = L2TP_PORT,
    ) -> None:
        self._run = run
        self._primary = primary
        self._hook = hook
        self.finished: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Resolves to whether the dial connected."""
        self._closed = asyncio.Event()
        self._over = False
        self.last_size = 0
        """Octets of the datagram sent last."""
        self.esp_received = False
        self.tunnel_up = False
        self.path: GatewayPath = run.open_path(
            source,
            on_datagram=self._arrived,
            source_ports=WINDOWS_PORTS if windows_ports else (0, 0),
            native_esp=native_esp,
        )
        request = run.request
        policy = offers.dial_policy(run.profile, request, force_nat_t=force_nat_t, batch=batch)
        config = DialConfig(
            ike=replace(
                policy,
                quick_message_id=policy.quick_message_id if windows_message_id else None,
                l2tp_port=l2tp_port,
                accept_certificates=partial(certificates.acceptable, request),
            ),
            paths=run.path_addresses(self.path),
            credentials=offers.credentials(request),
            tunnel=offers.tunnel_config(run.profile),
            link=offers.link_config(run.profile, request),
            l2tp_delay=L2TP_DELAY,
        )
        trace = run.note_trace if primary else discard_trace
        self.engine = Dial(config, run.random, trace, run.recorder.clear_copy)
        run.count(lambda: self.engine.counted)
        self._driver: Driver[DialEvent] = Driver(self.engine, self._send, self._on_event, run.started)

    @property
    def used_windows_ports(self) -> bool:
        """Whether it left from UDP 500, as Windows' own dial does."""
        return self.path.local_ports[0] == WINDOWS_PORTS[0]

    def start(self) -> None:
        """Sends message 1."""
        self._driver.start()
        # Its answer is a round trip away: time to read what the next messages need.
        asyncio.get_running_loop().run_in_executor(None, _preload)

    def give_up(self) -> None:
        """Stops waiting for what is unanswered; see :meth:`Dial.give_up`."""
        self.engine.give_up(self._driver.now)
        self._driver.pump()

    @property
    def channel(self) -> Channel:
        """Where what is asked at present goes."""
        return self.engine.initiator.channel

    def _send(self, datagram: Datagram) -> None:
        if datagram.channel is not Channel.ESP:
            self._run.asked(datagram.channel)
        self.last_size = len(datagram.data)
        self.path.send(datagram)

    def _arrived(self, datagram: Datagram) -> None:
        self._driver.receive(datagram)

    def _on_event(self, event: DialEvent) -> None:
        estimate = self.engine.initiator.transmission.estimate
        self._run.rtt = self._run.rtt if estimate is None else estimate
        if isinstance(event, EspFirstReceived):
            self.esp_received = True
        elif isinstance(event, TunnelEstablished):
            self.tunnel_up = True
        if self._primary:
            translate.observe(self._run, event)
        if self._hook is not None:
            self._hook(event)
        if isinstance(event, Connected | Failed) and not self.finished.done():
            self.finished.set_result(isinstance(event, Connected))
        if isinstance(event, DialClosed):
            self._closed.set()

    async def close(self) -> None:
        """Tears the dial down politely and closes its sockets; bounded in time.

        A second call, after one that was cancelled, has nothing left to do.
        """
        if self._over:
            return
        try:
            self.engine.close(self._driver.now)
            self._driver.pump()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), CLOSE_LIMIT)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Closes the sockets without a word to the gateway; the second time it does nothing."""
        self._over = True
        self._driver.stop()
        self.path.close()
        if not self.finished.done():
            self.finished.cancel()


def _preload() -> None:
    # Whoever really needs a missing library says so itself.
    with contextlib.suppress(ImportError):
        preload()
