"""Differential experiments: one flow each, compared with the dial that stayed silent.

A silence proves nothing alone.  Each function here asks one question whose answer
separates two causes, and writes it down as an observation; none of them judges.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from l2tp_doctor.network import liveness
from l2tp_doctor.network.path import packed
from l2tp_doctor.probes import offers
from l2tp_doctor.probes.dialing import Dialing
from l2tp_doctor.probes.phase1_flow import phase1_flow
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.dial import DialEvent, EspFirstReceived, Failed
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import IkeEvent, Step
from l2tp_doctor.protocol.ikev1.policy import (
    L2TP_PORT,
    Credentials,
    InitiatorPolicy,
    Phase1Transform,
    address_identity,
)
from l2tp_doctor.protocol.isakmp.constants import AuthenticationMethod, Group, ProtocolId, name_of
from l2tp_doctor.protocol.isakmp.describe import describe_transform
from l2tp_doctor.protocol.isakmp.ikev2 import Ikev2NotifyType, decode_sa_init, encode_sa_init
from l2tp_doctor.protocol.isakmp.message import decode_header
from l2tp_doctor.protocol.isakmp.payloads import Identification
from l2tp_doctor.protocol.l2tp.events import TunnelEstablished
from l2tp_doctor.protocol.nat_t import unwrap_isakmp, wrap_isakmp
from l2tp_doctor.protocol.ppp.events import LcpOpened
from l2tp_doctor.protocol.silence import hopelessness, packets_of
from l2tp_doctor.protocol.unanswered import Unanswered
from l2tp_doctor.protocol.wire import WireError

Experiment = Callable[[Run], Awaitable[None]]

# Gateways that never heard of a client count its half-open dials; a handful at once is no attack.
PRIVATE_USE_CIPHER = 65001  # RFC 2409 appendix A: 65001-65535 are for private use
# Seconds for a refusal, two tries of the question: without and with a round-trip time measured before.
REFUSAL_PATIENCE = 0.9
QUICK_REFUSAL = 0.5
# Seconds an experiment asks at least; and how often it looks whether it has asked enough.
SHORTEST_EXPERIMENT = 1.0
POLL = 0.05
IKEV2_WAITS = (0.4, 0.4, 0.45, 0.5, 0.55, 0.6)
PADDED_SIZE = 1800
# Enough to tell a path that loses 30 % each way (half of all pings) from one that loses 65 % (seven in
# eight), in less time than a dial needs to try again.
PINGS = 24
PING_INTERVAL = 0.1  # seconds
# Where they leave that open, another row is sent.
MAX_PINGS = 2 * PINGS
SURELY_POOR = -3.0  # of hopelessness: twenty to one
# Seconds after which a second dial's own silence may be believed: Quick Mode 3 has left three times by then.
SHORTEST_DIAL = 1.5
L2TP_PATIENCE = 4.0  # seconds for a second dial to show whether L2TP answers
EPHEMERAL_L2TP_PORT = 50701  # any port but 1701; from the range that systems hand out
MAX_CHOICES = 2

# What gateways are set to beyond the profile's own offer: (cipher, bits, hash, group).
FURTHER_TRANSFORMS = (
    (7, 256, 4, Group.MODP_2048),
    (7, 128, 4, Group.MODP_2048),
    (7, 128, 2, Group.MODP_2048),
    (7, 256, 4, Group.MODP_3072),
    (7, 256, 4, Group.MODP_4096),
    (7, 256, 5, Group.ECP_384),
    (7, 256, 6, Group.MODP_2048),
    (7, 256, 6, Group.MODP_4096),
    (7, 128, 4, Group.ECP_256),
    (7, 256, 2, Group.MODP_1536),
    (7, 256, 2, Group.MODP_1024),
    (7, 128, 2, Group.MODP_1024),
)


@dataclass(slots=True)
class Outcome:
    """How far a key-less phase 1 got.

    ``reply`` is whether anything at all came back with our cookie; ``notify`` the first NOTIFY's name.
    """

    reply: bool = False
    aggressive_sa: bool = False
    notify: str = ""
    selected: str = ""


async def phase1(run: Run, name: str, policy: InitiatorPolicy) -> Outcome:
    """Runs a phase 1 without a key until it is answered; bounded by the policy's patience."""
    outcome = Outcome()
    finished = asyncio.Event()

    def on_event(event: IkeEvent) -> None:
        if isinstance(event, ike.ReplyReceived):
            outcome.reply = True
            outcome.aggressive_sa = event.step is Step.AGGRESSIVE_1
        elif isinstance(event, ike.NotifyReceived):
            outcome.reply = True
            outcome.notify = outcome.notify or event.name
        elif isinstance(event, ike.TransformSelected):
            outcome.selected = event.description
        elif isinstance(event, ike.VersionRefused | ike.ExchangeFailed):
            outcome.reply = True
        if isinstance(event, ike.GaveUp) or outcome.reply:
            finished.set()

    with phase1_flow(run, name, _hurried(run, policy), Credentials(), on_event) as flow:
        while not finished.is_set():
            engine, packets = flow.engine, packets_of(flow.largest)
            if run.believes_silence(
                engine.unanswered, engine.channel, at_least=SHORTEST_EXPERIMENT, packets=packets
            ):
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), POLL)
    return outcome


def _hurried(run: Run, policy: InitiatorPolicy) -> InitiatorPolicy:
    """An experiment need not guess a round-trip time that another flow has measured."""
    patience = policy.retransmission
    return replace(policy, retransmission=replace(patience, initial=patience.first_interval(run.rtt)))


async def answers(run: Run, name: str, channel: Channel = Channel.IKE) -> bool:
    """Whether a fresh Main Mode is answered on a channel, leaving as little as possible behind.

    First an offer that nobody can accept: most gateways refuse it in words and keep nothing, and
    their count of half-open SAs decides how long they listen to us at all (strongSwan goes silent
    after five).  Only where that meets silence, as with SoftEther, the real offer is made.
    """
    impossible = Phase1Transform(
        PRIVATE_USE_CIPHER, 256, 2, Group.MODP_2048, offers.authentication_for(run.request)
    )
    policy = offers.experiment_policy(run.profile, (impossible,), channel)
    known = REFUSAL_PATIENCE if run.rtt is None else max(QUICK_REFUSAL, 4.0 * run.rtt)
    brief = replace(policy.retransmission, give_up=known)
    if (await phase1(run, name, replace(policy, retransmission=brief))).reply:
        return True
    policy = offers.experiment_policy(run.profile, _dial_transforms(run), channel)
    return (await phase1(run, name, policy)).reply


def _dial_transforms(run: Run) -> tuple[Phase1Transform, ...]:
    policy = offers.dial_policy(run.profile, run.request, force_nat_t=False)
    return policy.transforms


# -- the experiments --------------------------------------------------------------------------


async def ping(run: Run) -> None:
    """Is the address alive at all?  ICMP echo."""
    with run.experiment("ping"):
        try:
            rtt = await liveness.ping(run.local, run.remote)
        except liveness.PingUnavailableError as error:
            run.observe("host.ping_reply", None, "ping", reason=str(error))
            return
        run.observe("host.ping_reply", rtt is not None, "ping")
        if rtt is not None:
            run.rtt = rtt if run.rtt is None else run.rtt
            run.count(lambda: (1, 1))
            run.observe("host.ping_rtt", round(rtt, 6), "ping")


async def ping_series(run: Run) -> None:
    """How much does the path lose of what no VPN daemon has a part in?  A row of ICMP echoes."""
    with run.experiment("ping-series"):
        answered = sent = 0
        while sent < MAX_PINGS and (not sent or hopelessness(answered, sent) > SURELY_POOR):
            try:
                answered += await liveness.ping_series(
                    run.local, run.remote, count=PINGS, interval=PING_INTERVAL, settling=run.settling
                )
            except liveness.PingUnavailableError as error:
                run.observe("path.ping_loss", None, "ping-series", reason=str(error))
                return
            sent += PINGS
            if not answered:
                run.observe("path.ping_loss", None, "ping-series", reason="no ping is answered at all")
                return
        run.pings = (answered, sent)
        run.count(lambda: (answered, sent))
        run.observe("path.ping_loss", round(1.0 - answered / sent, 3), "ping-series")


async def control_port(run: Run) -> None:
    """Is the address alive at all?  TCP ports and a closed UDP port."""
    with run.experiment("control-port"):
        port = await liveness.control_port(run.local, run.remote)
        run.observe("host.control_port_alive", port is not None, "control-port")
        if port is not None:
            run.observe("host.control_port", port, "control-port")


async def main_4500(run: Run) -> None:
    """Does a fresh Main Mode straight to UDP 4500 get an answer?  Tells a blocked port from a refused key."""
    with run.experiment("main-4500"):
        reply = await answers(run, "main-4500", Channel.NAT_T)
        run.observe("experiment.main_4500.reply", reply, "main-4500")


async def main_500_again(run: Run) -> None:
    """Does UDP 500 still answer, now that 4500 has fallen silent?"""
    with run.experiment("echo-500"):
        run.observe("experiment.echo_500.reply", await answers(run, "echo-500"), "echo-500")


async def source_port(run: Run, dial_used_500: bool) -> None:
    """Does the same first message get an answer from another source port?  Finds IPsec passthrough."""
    with run.experiment("source-port"):
        reply = await answers(run, "source-port")
        run.observe("experiment.main_500.reply", reply, "source-port")
        if dial_used_500:
            run.observe("experiment.source_500.reply", False, "source-port")
            run.observe("experiment.source_other.reply", reply, "source-port")


async def small(run: Run) -> None:
    """Does a small first message get an answer?  One transform, only the vendor IDs gateways need."""
    with run.experiment("small"):
        transforms = _dial_transforms(run)
        policy = offers.experiment_policy(run.profile, transforms[:1])
        needed = policy.vendor_ids[2:3] if len(policy.vendor_ids) > 2 else policy.vendor_ids
        outcome = await phase1(run, "small", replace(policy, vendor_ids=needed))
        run.observe("experiment.small.reply", outcome.reply, "small")


async def padded(run: Run) -> None:
    """Does a first message that must be fragmented get an answer?"""
    with run.experiment("padded"):
        policy = offers.experiment_policy(run.profile, _dial_transforms(run))
        filler = run.random(PADDED_SIZE)
        outcome = await phase1(run, "padded", replace(policy, vendor_ids=(*policy.vendor_ids, filler)))
        run.observe("experiment.padded.reply", outcome.reply, "padded")


async def aggressive(run: Run) -> None:
    """Does the gateway speak Aggressive Mode where it refuses Main Mode?"""
    with run.experiment("aggressive"):
        method = offers.authentication_for(run.request)
        offered = tuple(
            Phase1Transform(encryption, bits, digest, Group.MODP_2048, method)
            for encryption, bits in ((7, 256), (7, 128), (5, None))
            for digest in (2, 4)
        )
        policy = offers.experiment_policy(run.profile, offered)
        outcome = await phase1(
            run,
            "aggressive",
            replace(policy, aggressive=True, identity=_identity(run), stop_after=Step.AGGRESSIVE_1),
        )
        value = "sa" if outcome.aggressive_sa else outcome.notify or "none"
        run.observe("experiment.aggressive.reply", value, "aggressive")


def _identity(run: Run) -> Identification:
    """Aggressive Mode names the client in its first message; our address is as good as any."""
    return address_identity(packed(run.local))


async def transforms(run: Run) -> None:
    """Which transforms does the gateway accept, with the other authentication method too?

    All are offered at once, and what it chose is left out the next time: three questions tell
    as much as twenty, and leave three half-open SAs at most.
    """
    with run.experiment("transforms"):
        tried: list[str] = []
        accepted: list[str] = []
        for candidates in _candidates(run):
            remaining = list(candidates)
            tried += [label(item) for item in remaining]
            for _ in range(MAX_CHOICES):
                outcome = await _offer(run, tuple(remaining))
                if not outcome.selected or outcome.selected in accepted:
                    break
                accepted.append(outcome.selected)
                remaining = [item for item in remaining if label(item) != outcome.selected]
        run.observe("experiment.transforms.tried", tuple(tried), "transforms")
        run.observe("experiment.transforms.accepted", tuple(accepted), "transforms")


def _candidates(run: Run) -> Iterator[Sequence[Phase1Transform]]:
    """Yields our own offer with what else gateways are set to, then the same with the other method."""
    own = offers.authentication_for(run.request)
    other = (
        AuthenticationMethod.RSA_SIGNATURES
        if own == AuthenticationMethod.PRE_SHARED_KEY
        else AuthenticationMethod.PRE_SHARED_KEY
    )
    further = [
        Phase1Transform(encryption, bits, digest, group, own)
        for encryption, bits, digest, group in FURTHER_TRANSFORMS
    ]
    every = list(dict.fromkeys((*_dial_transforms(run), *further)))
    yield every
    yield [replace(item, authentication=other) for item in every]


def label(transform: Phase1Transform) -> str:
    """Names a transform as the gateway's choice is named."""
    return describe_transform(transform.encode(1), ProtocolId.ISAKMP)


async def _offer(run: Run, candidates: tuple[Phase1Transform, ...]) -> Outcome:
    """One first message with all of these, to be stopped as soon as a choice is made."""
    policy = offers.experiment_policy(run.profile, candidates)
    patience = replace(policy.retransmission, give_up=1.6)
    return await phase1(run, "transforms", replace(policy, retransmission=patience))


async def ikev2(run: Run) -> None:
    """Does the gateway speak IKEv2?  Then its IKE service is up and reachable, and IKEv1 is switched off."""
    with run.experiment("ikev2"):
        for_500, for_4500 = await asyncio.gather(_ikev2(run, Channel.IKE), _ikev2(run, Channel.NAT_T))
        run.observe("experiment.ikev2_500.reply", bool(for_500), "ikev2")
        run.observe("experiment.ikev2_4500.reply", bool(for_4500), "ikev2")
        if for_500:
            run.observe("experiment.ikev2_500.answer", for_500, "ikev2")


async def _ikev2(run: Run, channel: Channel) -> str:
    """Returns how an IKE_SA_INIT was answered, ``sa`` or a NOTIFY's name; empty for not at all."""
    spi = run.random(8)
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def arrived(datagram: Datagram) -> None:
        answer = _ikev2_answer(datagram, spi) if datagram.channel is channel else ""
        if answer and not answered.done():
            answered.set_result(answer)

    key_exchange = crypto.generate(Group.MODP_2048, run.random)
    message = encode_sa_init(spi, Group.MODP_2048, key_exchange.public, run.random(32))
    payload = wrap_isakmp(message) if channel is Channel.NAT_T else message
    path = run.open_path("ikev2", on_datagram=arrived)
    sent, began = 0, run.now
    run.count(lambda: (1, sent) if answered.done() and not answered.cancelled() else (0, 0))
    try:
        for wait in IKEV2_WAITS:
            asked = Unanswered("ikev2", sent, began, run.now)
            if sent and run.believes_silence(asked, channel, at_least=SHORTEST_EXPERIMENT):
                break
            sent += 1
            run.asked(channel)
            path.send(Datagram(channel, payload))
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(answered), wait)
        return ""
    finally:
        path.close()
        answered.cancel()


def _ikev2_answer(datagram: Datagram, spi: bytes) -> str:
    """Reads an IKEv2 answer to our request; anything else on that port is none."""
    try:
        raw = unwrap_isakmp(datagram.data) if datagram.channel is Channel.NAT_T else datagram.data
        header = decode_header(raw)
        if header.initiator_cookie != spi or header.major != 2:
            return ""
        reply = decode_sa_init(raw)
    except WireError:
        return ""
    if reply.accepted:
        return "sa"
    errors = [item.notify_type for item in reply.notifications]
    return name_of(Ikev2NotifyType, errors[0]) if errors else "unknown"


async def l2tp_from_another_port(run: Run) -> None:
    """Is L2TP answered from another source port than 1701?  Then another client behind our NAT holds 1701."""
    with run.experiment("l2tp-ephemeral"):
        dialing = await _dial_to_l2tp(
            run, "l2tp-ephemeral", force_nat_t=False, native_esp=False, l2tp_port=EPHEMERAL_L2TP_PORT
        )
        run.observe("experiment.l2tp_ephemeral.sccrp", dialing.tunnel_up, "l2tp-ephemeral")


async def ppp_from_another_port(run: Run) -> None:
    """Does LCP open over a tunnel from another source port than 1701?

    A Linux kernel gives L2TP data to the socket of the tunnel that was first on the same address and port:
    the control connection of a second client behind one NAT works, and its calls stay silent.
    """
    with run.experiment("l2tp-ephemeral"):
        opened = False

        def hook(event: DialEvent) -> None:
            nonlocal opened
            opened = opened or isinstance(event, LcpOpened)

        await _dial_to_l2tp(
            run, "l2tp-ephemeral", force_nat_t=False, native_esp=False, l2tp_port=EPHEMERAL_L2TP_PORT,
            until=(LcpOpened,), hear=hook,
        )  # fmt: skip
        run.observe("experiment.l2tp_ephemeral.lcp", opened, "l2tp-ephemeral")


async def _dial_to_l2tp(
    run: Run,
    name: str,
    *,
    force_nat_t: bool,
    native_esp: bool,
    l2tp_port: int = L2TP_PORT,
    until: tuple[type[object], ...] = (TunnelEstablished,),
    hear: Callable[[DialEvent], None] | None = None,
) -> Dialing:
    """Dials until the tunnel is up, ESP was heard natively, or nothing comes; then hangs up."""
    decided = asyncio.Event()

    def hook(event: DialEvent) -> None:
        if hear is not None:
            hear(event)
        heard = isinstance(event, EspFirstReceived) and native_esp
        if heard or isinstance(event, (*until, Failed)):
            decided.set()

    dialing = Dialing(
        run,
        name,
        force_nat_t=force_nat_t,
        native_esp=native_esp,
        windows_ports=False,
        primary=False,
        hook=hook,
        l2tp_port=l2tp_port,
    )
    try:
        dialing.start()
        end = run.now + L2TP_PATIENCE
        while not decided.is_set() and run.now < end:
            asked = dialing.engine.unanswered
            if run.believes_silence(asked, dialing.channel, at_least=SHORTEST_DIAL):
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(decided.wait(), POLL)
    finally:
        await dialing.close()
        run.lossy = run.lossy or dialing.engine.lossy
    return dialing


async def other_encapsulation(run: Run, dial_was_forced: bool) -> None:
    """Is ESP answered the other way — in UDP 4500 where native ESP was silent, or the reverse?"""
    name = "esp-native" if dial_was_forced else "esp-udp"
    with run.experiment(name):
        dialing = await _dial_to_l2tp(run, name, force_nat_t=not dial_was_forced, native_esp=dial_was_forced)
        if dial_was_forced:
            run.observe("experiment.esp_native.received", dialing.esp_received, name)
        else:
            run.observe("experiment.esp_udp.received", dialing.esp_received, name)
            run.observe("experiment.l2tp_udp.sccrp", dialing.tunnel_up, name)
