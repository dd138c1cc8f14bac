"""The measurement: a Windows-identical dial, and experiments the moment something stays silent."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from math import log

from l2tp_doctor.knowledge.profile import AUTH_PSK, Profile
from l2tp_doctor.network import icmp_errors, raw_esp
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.resolve import resolve
from l2tp_doctor.network.udp import family_of, local_address_towards
from l2tp_doctor.probes import authentication, certificates, experiments, offers, stages
from l2tp_doctor.probes.dialing import Dialing
from l2tp_doctor.probes.hops import hops
from l2tp_doctor.probes.interface import CheckRequest, Listener, Measurement
from l2tp_doctor.probes.redial import MAX_DIALS, OTHER_WAY, Redial
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.dial import DialEvent
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.silence import hopelessness, packets_of
from l2tp_doctor.protocol.unanswered import Unanswered

RESOLVE_TIMEOUT = 8.0
# A path so bad carries no VPN even where a dial gets through in the end: what it did with a row of pings
# (or our questions) is this many times likelier than on a poor one that does (``hopelessness``).
HOPELESS_ODDS = 1000.0
# Share lost of what was answered in the end.  A blocked port raises it by nothing, however long it is asked.
HOPELESS_LOSS = 0.5
HOPELESS_AFTER = 10.0
# Seconds after which a path that has shown loss is sounded with pings.
SOUNDING_AFTER = 2.0

# Seconds a request of the dial's must have gone unanswered before chance is weighed at all; by then every
# experiment it starts has begun, and Quick Mode 3 has left four times.
# SoftEther ignores a repeated message 3 or 5 and repeats its own answer every two seconds: once in the time
# given to each, twice on a path that has shown loss.
SHORTEST_SILENCE = {"main-1": 2.0, "SCCRQ": 3.0, "lcp": 4.0}
USUAL_SILENCE = 2.8
# The same, when an earlier dial has met the same silence: its repeated answers were waited for then.
REPEATED_SILENCE = 1.5
LOSSY_SILENCE = 4.5
# Seconds after which L2TP counts as silent: at the latest, and where chance does not explain it.
L2TP_SILENCE = 2.5
SHORTEST_L2TP_SILENCE = 2.0
# A gateway may take its time to start its PPP.
LCP_SILENCE = 2.5
# Packets of ours whose silence is the ESP's, even where the gateway ends the dial before L2TP is given up.
ESP_SILENCE = 5

Task = Callable[[], Awaitable[None]]


async def measure(request: CheckRequest, profile: Profile, listener: Listener) -> Measurement:
    """Dials a gateway and finds out all that separates the causes of its silence.

    Cancelling the coroutine tears the dial down first and then returns what is known, with
    ``interrupted`` set; cancelling it again gives up on the teardown.

    Raises:
        OSError: this machine cannot make the sockets it needs (a failure of ours, not of the VPN).
    """
    run = Run(request, profile, listener, asyncio.get_running_loop().time())
    interrupted = False
    check = _Check(run)
    try:
        async with asyncio.timeout(request.budget):
            await check.run()
    except TimeoutError:
        pass  # the budget is hard: what is known by now is the result
    except asyncio.CancelledError:
        interrupted = True
    finally:
        await _closed(check, patient=not interrupted)
    run.conclude_silence()
    check.conclude()
    return Measurement(
        host=request.host,
        address=run.remote or None,
        stage=stages.reached(run.log),
        observations=tuple(run.log),
        trace=tuple(run.trace),
        packets=run.recorder.packets(),
        elapsed=run.now,
        interrupted=interrupted,
    )


async def _closed(check: _Check, *, patient: bool) -> None:
    """Tears down; ``patient`` lets it finish through a first cancellation, which only asks for that."""
    closing = asyncio.ensure_future(check.close())
    try:
        while not closing.done():
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError:
                if not patient:
                    closing.cancel()
                patient = False
    finally:
        check.abandon()


class _Check:
    """One measurement's course: the dial in front, experiments beside it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._dialing: Dialing | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._gateway_chain: tuple[bytes, ...] = ()
        self._native = False
        self._no_raw_socket = ""
        self._forced = False
        self._closing = False
        self._redial = Redial(run)
        self._sent = 0  # by the dials before this one
        self._answered = 0
        self._batch = 0
        self._batches = 1
        self._answers = 0
        self._transmissions = 0

    async def run(self) -> None:
        run = self._run
        if not await self._resolve() or not self._route():
            return
        self._capabilities()
        if certificates.judge_own(run):
            self._compare_clocks()
        self._batches = offers.batches(run.profile, run.request)
        while self._batch < self._batches:
            if await self._dial_until_believed() or not self._offer_refused():
                return
            self._batch += 1

    async def _dial_until_believed(self) -> bool:
        for number in range(MAX_DIALS):
            self._redial.left = MAX_DIALS - 1 - number
            if await self._dial():
                return True  # nothing is left to explain; what still runs is cancelled
            if self._hopeless() and self._loss >= HOPELESS_LOSS:
                return False  # an experiment would be answered as seldom, and say no more
            self._on_dial_over()
            await self._await_experiments()
            if self._redial.only_one_port_answered():
                self._begin("ping-series", partial(experiments.ping_series, self._run))
                await self._await_experiments()
            if not number and self._redial.swept_away():
                continue
            if self._hopeless() or not self._redial.worth_another_dial():
                return False
            if number and self._redial.only_other_ports_answered():
                return False
        return False

    def _offer_refused(self) -> bool:
        """Whether message 1 was refused in words, so that what did not fit into it may be offered."""
        refused, after = (
            self._run.log.latest("ike.notify.clear"),
            self._run.log.latest("ike.notify.clear_after"),
        )
        return (
            refused is not None
            and after is not None
            and (refused.value, after.value) == ("NO_PROPOSAL_CHOSEN", Step.MAIN_1.value)
        )

    # -- before the first packet --------------------------------------------------------------

    async def _resolve(self) -> bool:
        run = self._run
        found = await resolve(run.request.host, run.request.family, RESOLVE_TIMEOUT)
        run.observe("resolve.ok", bool(found.addresses), "resolve")
        if not found.addresses:
            run.observe("resolve.error", found.error, "resolve")
            return False
        run.observe("resolve.addresses", found.addresses, "resolve")
        run.remote = found.addresses[0]
        return True

    def _route(self) -> bool:
        run = self._run
        try:
            remote = Endpoint(run.remote, run.request.ike_port)
            run.local = local_address_towards(remote, family_of(run.remote))
        except OSError as error:
            notice = icmp_errors.from_exception(error)
            run.observe("route.error", notice.name if notice is not None else "other", "route")
            return False
        return True

    def _capabilities(self) -> None:
        run = self._run
        run.observe("icmp_errors.available", icmp_errors.available(), "capabilities")
        reason = self._no_raw_socket = raw_esp.unavailable_because()
        run.observe("native_esp.available", None if reason else True, "capabilities", reason=reason)
        wish = run.request.nat_t
        if reason and wish == "native":
            raise PermissionError(errno.EPERM, reason)  # native ESP that is never sent would look blocked
        # On loopback a raw socket hears what it sent itself, and no gateway listens on another one.
        loopback = wish == "auto" and ip_address(run.remote.partition("%")[0]).is_loopback
        self._native = not reason and wish != "forced" and not loopback
        # Without a raw socket native ESP would look blocked although nobody blocks it.
        self._forced = wish == "forced" or (wish == "auto" and not self._native)

    # -- the dial -----------------------------------------------------------------------------

    async def _dial(self) -> bool:
        run = self._run
        first = self._dialing is None
        if self._dialing is not None:
            self._sent += self._dialing.engine.sent
            self._answered += self._dialing.engine.counted[0]
            await self._dialing.close()
        overridden = (run.request.ike_port, run.request.nat_t_port) != (500, 4500)
        # To SoftEther a dial from the same ports is the same client; where a call of that one ended badly,
        # its IPsec may come to a standstill.  What the ports are good for has been seen by then.
        on_windows_ports = not overridden and not run.holds("ike.quick.established", True)
        self._dialing = Dialing(
            run,
            "dial",
            force_nat_t=self._forced,
            native_esp=self._native,
            windows_ports=run.profile.source_port == 500 and on_windows_ports,
            hook=self._on_event,
            batch=self._batch,
            windows_message_id=first,
        )
        method = offers.authentication_for(run.request)
        run.observe("ike.main.auth_offered", ("PSK" if method == AUTH_PSK else "RSA_SIG",), "dial")
        if on_windows_ports:
            run.observe("source.port_500", self._dialing.used_windows_ports, "dial")
        self._dialing.start()
        connected = await self._watched(self._dialing)
        self._count(self._dialing)
        return connected

    async def _watched(self, dialing: Dialing) -> bool:
        """Waits until the dial has connected, has failed, or waits for what will not come any more."""
        while not dialing.finished.done():
            await asyncio.wait({dialing.finished}, timeout=experiments.POLL)
            asked = None if dialing.finished.done() else dialing.engine.unanswered
            if asked is not None:
                self._weigh(dialing, asked)
            if self._run.now >= SOUNDING_AFTER and (self._run.lossy or dialing.engine.lossy):
                self._begin("ping-series", partial(experiments.ping_series, self._run))
            if self._hopeless() and not dialing.finished.done():
                return False
        return dialing.finished.result()

    def _weigh(self, dialing: Dialing, asked: Unanswered) -> None:
        """Starts what an unanswered request calls for, and ends the wait once chance does not explain it."""
        run = self._run
        age = run.now - asked.first_sent
        if asked.what == "SCCRQ" and (
            age >= L2TP_SILENCE or self._silent(dialing, asked, SHORTEST_L2TP_SILENCE)
        ):
            self._on_l2tp_silence()
        elif asked.what == "lcp" and age >= LCP_SILENCE:
            self._on_lcp_silence()
        usual = USUAL_SILENCE if not self._redial.believed[asked.what] else REPEATED_SILENCE
        least = SHORTEST_SILENCE.get(asked.what, LOSSY_SILENCE if run.lossy else usual)
        if self._redial.better_from_the_start(asked, LOSSY_SILENCE):
            dialing.give_up()
            return
        if (
            self._silent(dialing, asked, least)
            and all(task.done() for task in self._tasks.values())
            and self._asked_since_the_other_way(asked)
        ):
            self._redial.believed[asked.what] += 1
            dialing.give_up()

    def _asked_since_the_other_way(self, asked: Unanswered) -> bool:
        """Whether ESP one way was tried once more after the other way had worked.

        A gateway that is slow with its very first SA is deaf both ways for a while, and then hears: that one
        way works proves something about the other only while that is still silent.
        """
        run = self._run
        if asked.what != "SCCRQ" or not any(run.holds(name, True) for name in OTHER_WAY):
            return True
        worked_at = max(item.at for name in OTHER_WAY if (item := run.log.latest(name)) is not None)
        return asked.last_sent > worked_at and run.now - asked.last_sent >= run.settling

    def _silent(self, dialing: Dialing, asked: Unanswered, at_least: float) -> bool:
        return self._run.believes_silence(
            asked, dialing.channel, at_least=at_least, packets=packets_of(dialing.last_size)
        )

    def _hopeless(self) -> bool:
        """Whether a path that has shown loss has swallowed nearly everything for as long as anybody waits."""
        run, current = self._run, self._dialing
        answered, sent = run.pings
        if not sent:
            if current is None or run.now < HOPELESS_AFTER or not (run.lossy or current.engine.lossy):
                return False
            # Of IKE and L2TP, for want of something better: SoftEther and Libreswan do not repeat each answer
            # when they are asked again, and what PPP leaves unanswered may be a gateway's own slowness.
            answered = self._answered + current.engine.counted[0]
            sent = self._sent + current.engine.sent
        return hopelessness(answered, sent) >= log(HOPELESS_ODDS)

    @property
    def _loss(self) -> float:
        """Share of transmissions lost among the requests that were answered."""
        return 1.0 - self._answers / self._transmissions if self._transmissions else 0.0

    def _count(self, dialing: Dialing) -> None:
        run, transmission = self._run, dialing.engine.initiator.transmission
        run.lossy = run.lossy or dialing.engine.lossy
        run.observe("path.lossy", run.lossy, "dial")
        run.observe("path.sent", transmission.sent, "dial")
        run.observe("path.retransmissions", transmission.retransmissions, "dial")
        run.observe("path.repeated", transmission.repeated, "dial")
        if dialing.engine.esp_sent:
            run.observe("esp.sent", dialing.engine.esp_sent, "dial")
        # Libreswan drops a client's SAs when a second dial from the same address, an experiment's, goes away.
        if dialing.engine.esp_sent >= ESP_SILENCE and run.log.latest("esp.received") is None:
            run.observe("esp.received", False, "dial")
        # Over all dials: one that fails at once has answered little, and says little about the path.
        answers, transmissions = dialing.engine.counted
        self._answers += answers
        self._transmissions += transmissions
        if self._transmissions:
            run.observe("path.loss", round(self._loss, 3), "dial")
        elif run.lossy and run.counted[1]:
            # The dial heard nothing; what the experiments heard had to be asked for again and again.
            answered, sent = run.counted
            run.observe("path.loss", round(1.0 - answered / sent, 3), "experiments")
        if transmission.rtt is not None:
            run.observe("path.rtt", round(transmission.rtt, 6), "dial")

    # -- experiments --------------------------------------------------------------------------

    def _on_event(self, event: DialEvent) -> None:
        if isinstance(event, ike.Silence):
            self._on_silence(event.step)
        elif isinstance(event, ike.NotifyReceived) and event.after in (Step.MAIN_1, Step.AGGRESSIVE_1):
            self._on_refusal()
        elif isinstance(event, ike.NotifyReceived) and event.after is Step.MAIN_5 and event.encrypted:
            # The keys are equal, so it is the identity that was refused, or Main Mode itself.
            self._begin("aggressive", partial(experiments.aggressive, self._run))
            self._on_certificate_refused()
        elif isinstance(event, ike.DeleteReceived) and event.after is Step.MAIN_5:
            self._on_certificate_refused()
        elif isinstance(event, ike.CredentialNeeded) and event.kind == "certificate":
            self._begin("key", partial(authentication.key_instead, self._run))
        elif isinstance(event, ike.PeerCertificates):
            self._gateway_chain = event.chain
            if certificates.judge(self._run, event):
                self._compare_clocks()
        elif isinstance(event, l2tp.ControlSilent | l2tp.ControlAcknowledgedOnly):
            self._redial.acknowledged += isinstance(event, l2tp.ControlAcknowledgedOnly)
            self._on_l2tp_silence()

    def _on_silence(self, step: Step) -> None:
        run = self._run
        dialled_500 = self._dialing is not None and self._dialing.used_windows_ports
        if step in (Step.MAIN_1, Step.AGGRESSIVE_1):
            self._begin("ping", partial(experiments.ping, run))
            self._begin("control-port", partial(experiments.control_port, run))
            self._begin_hops()
            self._begin("source-port", partial(experiments.source_port, run, dialled_500))
            self._begin("main-4500", partial(experiments.main_4500, run))
            self._begin("ikev2", partial(experiments.ikev2, run))
            self._begin("aggressive", partial(experiments.aggressive, run))
            self._begin("small", partial(experiments.small, run))
            self._begin("transforms", partial(experiments.transforms, run))
        elif step is Step.MAIN_3:
            self._begin("ping", partial(experiments.ping, run))
            # Message 2 came, so the dial's own source port is not what falls silent.
            self._begin("source-port", partial(experiments.source_port, run, False))
        elif step is Step.MAIN_5:
            self._begin("main-4500", partial(experiments.main_4500, run))
            self._begin("echo-500", partial(experiments.main_500_again, run))
            self._begin_hops()
            self._begin("ping", partial(experiments.ping, run))
            if run.request.certificate is not None:
                self._begin("small", partial(experiments.small, run))
                self._begin("padded", partial(experiments.padded, run))
            self._on_certificate_refused()

    def _on_certificate_refused(self) -> None:
        """Message 5 with our certificate was not taken: would the key be, and is it a matter of clocks?"""
        if offers.authentication_for(self._run.request) != AUTH_PSK:
            self._begin("key", partial(authentication.key_instead, self._run))
            self._compare_clocks()

    def _compare_clocks(self) -> None:
        # The gateway's certificates may come after the question.
        self._begin("clock", partial(authentication.compare_clocks, self._run, lambda: self._gateway_chain))

    def _on_refusal(self) -> None:
        """Message 1 was refused: which offer would be taken, and is it IKEv2 that is spoken?"""
        run = self._run
        if self._batch + 1 < self._batches:
            return  # there is more to offer
        self._begin("transforms", partial(experiments.transforms, run))
        self._begin("aggressive", partial(experiments.aggressive, run))
        self._begin("ikev2", partial(experiments.ikev2, run))

    def _on_l2tp_silence(self) -> None:
        encapsulation = self._run.log.latest("esp.encapsulation")
        if encapsulation is None or self._run.holds("l2tp.sccrp", True):
            return
        in_udp = encapsulation.value == "udp"
        if self._run.holds("nat.client_behind", True):
            self._begin("l2tp-port", partial(experiments.l2tp_from_another_port, self._run))
        if in_udp and self._no_raw_socket:
            if self._run.log.latest("experiment.esp_native.received") is None:
                reason = self._no_raw_socket
                self._run.observe("experiment.esp_native.received", None, "esp-native", reason=reason)
            return
        if in_udp and not self._forced:
            return  # behind a real NAT native ESP is not to be had
        self._begin("encapsulation", partial(experiments.other_encapsulation, self._run, in_udp))

    def _on_lcp_silence(self) -> None:
        # The tunnel is up and the call in it stays silent: behind a NAT another client may own the tunnel.
        if self._run.holds("l2tp.established", True) and self._run.holds("nat.client_behind", True):
            self._begin("l2tp-port-ppp", partial(experiments.ppp_from_another_port, self._run))

    def _on_dial_over(self) -> None:
        if self._run.holds("ppp.lcp.opened", False):
            self._on_lcp_silence()
        # Libreswan drops Quick Mode in silence while a neighbour behind the NAT has the same selectors.
        # Asked only now: a second dial from the same address could take the place of a slow first one.
        in_silence = self._run.log.latest("ike.notify.encrypted") is None
        if (
            in_silence
            and self._run.holds("nat.client_behind", True)
            and self._run.holds("ike.quick.reply_2", False)
        ):
            self._begin("l2tp-port", partial(experiments.l2tp_from_another_port, self._run))

    def _begin_hops(self) -> None:
        """Looks for the hop that swallows IKE, unless the gateway is this very machine."""
        if not ip_address(self._run.remote.partition("%")[0]).is_loopback:
            self._begin("hops", partial(hops, self._run))

    def _begin(self, name: str, experiment: Task) -> None:
        """Starts an experiment once a run; a second dial does not repeat what has been asked.

        What the dial still hears while it is torn down starts nothing any more.
        """
        if name not in self._tasks and not self._closing:
            self._tasks[name] = asyncio.ensure_future(_awaited(experiment))

    async def _await_experiments(self) -> None:
        while pending := [task for task in self._tasks.values() if not task.done()]:
            await asyncio.wait(pending)
        for task in self._tasks.values():
            task.result()  # an experiment that failed is a failure of ours; it must not pass as silence

    # -- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Ends what still runs and tears the dial down."""
        self._closing = True
        for task in self._tasks.values():
            task.cancel()
        closing: list[asyncio.Future[None]] = list(self._tasks.values())
        if self._dialing is not None:
            closing.append(asyncio.ensure_future(self._dialing.close()))
        # All at once, so that the whole teardown takes no longer than one; cancelling cancels each.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*closing, return_exceptions=True)

    def abandon(self) -> None:
        """Closes the dial's sockets if a teardown that was given up has left them open."""
        if self._dialing is not None:
            self._dialing.abandon()

    def conclude(self) -> None:
        """Adds what only the whole run can say."""
        run = self._run
        if not run.remote:
            return
        if self._hopeless():
            run.observe("path.hopeless", True, "conclusion")
        signs = ("host.ping_reply", "host.control_port_alive", "udp500.reply", "udp4500.reply")
        known = [item for name in signs if (item := run.log.latest(name)) is not None]
        refused = run.log.latest("udp500.icmp")
        from_host = run.log.latest("udp500.icmp_from")
        by_host = refused is not None and from_host is not None and from_host.value == run.remote
        if any(item.value is True for item in known) or by_host:
            run.observe("host.alive", True, "conclusion")
        elif known:
            run.observe("host.alive", False, "conclusion")


async def _awaited(experiment: Task) -> None:
    await experiment()
