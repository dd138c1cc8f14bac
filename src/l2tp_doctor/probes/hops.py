"""Which hop swallows IKE: the reading of the traces, and the experiment that makes them."""

from __future__ import annotations

from dataclasses import dataclass

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.hops import CONTROLS, Flow, HopAnswer, HopProbe, HopTrace, bare, trace_hops
from l2tp_doctor.network.path import packed
from l2tp_doctor.probes import offers
from l2tp_doctor.probes.experiments import PRIVATE_USE_CIPHER
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.ikev1.policy import Credentials, PathAddresses, Phase1Transform
from l2tp_doctor.protocol.isakmp.constants import Group

# What filters answer; "host unreachable" and its like say that a path ends, and mean every packet.
REFUSALS = ("admin-prohibited", "port-unreachable", "protocol-unreachable")
NO_ERRORS = "this system does not hand out the ICMP errors of routers"
UNCONFIRMED = "behind that hop no router answered plain UDP beside the second IKE packet"


@dataclass(frozen=True, slots=True)
class Localisation:
    """How far one kind of IKE packet got.

    Attributes:
        last: the last hop it reached; 0 for not even the first.
        last_address: its address; empty for hop 0.
        next_hop: the first hop behind ``last`` that other packets reached; 0 for none.
        next_address: its address.  Routers between the two answer nobody.
        control_beyond: plain UDP reached a router (not only the host) behind ``last``, sent beside the
            second IKE packet.  ``None`` when only ping did, or nothing at that time: then a rate
            limit, or a NAT that returns no errors for UDP, explains the silence too.
        to_last_router: it reached the last router that answers anybody, of a host that answers.
        passed_by: the kinds of packets that got further.
        refused_by: the router that refused it by ICMP instead of passing it on; or ``None``.
    """

    last: int
    last_address: str
    next_hop: int
    next_address: str
    control_beyond: bool | None
    to_last_router: bool
    passed_by: tuple[str, ...]
    refused_by: HopAnswer | None


def localise(trace: HopTrace, flow: Flow) -> Localisation:
    """Returns how far IKE packets of a kind got, measured against what the others reached."""
    mine, others = trace.passed([flow]), trace.passed(CONTROLS)
    last = max(mine, default=0)
    behind = sorted(hop for hop in others if hop > last)
    next_hop = behind[0] if behind else 0
    return Localisation(
        last=last,
        last_address=mine.get(last, ""),
        next_hop=next_hop,
        next_address=others.get(next_hop, ""),
        control_beyond=_control_beyond(trace, last),
        to_last_router=_to_last_router(trace, others, last),
        passed_by=tuple(control.value for control in CONTROLS if trace.last([control]) > last),
        refused_by=_refusal(trace, flow),
    )


def _control_beyond(trace: HopTrace, last: int) -> bool | None:
    if not _routers(trace, trace.passed(CONTROLS), behind=last):
        return False
    return True if _routers(trace, trace.passed([Flow.UDP], again=True), behind=last) else None


def _routers(trace: HopTrace, reached: dict[int, str], *, behind: int) -> list[int]:
    end = trace.distance
    return [hop for hop in reached if hop > behind and (end is None or hop < end)]


def _to_last_router(trace: HopTrace, others: dict[int, str], last: int) -> bool:
    """A host that answers nothing could as well be behind routers that do not answer."""
    if trace.distance is None:
        return False
    return bool(last) and last >= max(_routers(trace, others, behind=0), default=1)


def _refusal(trace: HopTrace, flow: Flow) -> HopAnswer | None:
    """Returns the nearest refusal, with the place of the router that sent it."""
    refusals = [
        item
        for item in trace.answers
        if item.flow is flow and item.what in REFUSALS and not trace.from_host(item)
    ]
    if not refusals:
        return None
    nearest = min(refusals, key=lambda item: item.hop)
    # A router that passes packets on and then thinks better of it refuses those meant for the next hop.
    known = trace.passed((*CONTROLS, flow))
    place = next((hop for hop, sender in known.items() if sender == nearest.sender), nearest.hop)
    return HopAnswer(flow, place, nearest.sender, nearest.what)


def described(reached: dict[int, str]) -> tuple[str, ...]:
    """Returns hops as the observations have them: ``3 198.51.100.1``."""
    return tuple(f"{hop} {sender}" for hop, sender in sorted(reached.items()))


async def hops(run: Run) -> None:
    """Behind which hop does IKE disappear?  Hop-limited packets of each kind."""
    with run.experiment("hops"):
        if not icmp_errors.available():
            run.observe("hops.control", None, "hops", reason=NO_ERRORS)
            return

        def replied(datagram: Datagram, sender: Endpoint) -> None:
            run.sign_of_life(datagram, sender, "hops")

        trace = await trace_hops(
            HopProbe(
                run.local,
                run.remote,
                (run.request.ike_port, run.request.nat_t_port),
                {channel: _message(run, channel) for channel in (Channel.IKE, Channel.NAT_T)},
                run.recorder,
                replied,
                lambda channel, notice: run.icmp(channel, notice, "hops"),
            )
        )
        record(run, trace)


def record(run: Run, trace: HopTrace) -> None:
    """Writes down what a trace shows."""
    control = trace.passed(CONTROLS)
    run.observe("hops.control", described(control), "hops")
    if not control:
        return  # nobody on the way answers anything
    run.observe("hops.control_last", max(control), "hops")
    run.observe("hops.control_last_address", bare(control[max(control)]), "hops")
    if trace.distance is not None:
        run.observe("hops.distance", trace.distance, "hops")
    for port, flow in (("500", Flow.IKE_500), ("4500", Flow.IKE_4500)):
        _record_port(run, trace, port, flow)


def _record_port(run: Run, trace: HopTrace, port: str, flow: Flow) -> None:
    found = localise(trace, flow)
    run.observe(f"hops.ike_{port}", described(trace.passed([flow])), "hops")
    run.observe(f"hops.ike_{port}_last", found.last, "hops")
    if found.last:
        run.observe(f"hops.ike_{port}_last_address", found.last_address, "hops")
    if found.next_hop:
        run.observe(f"hops.ike_{port}_next", f"{found.next_hop} ({found.next_address})", "hops")
        run.observe(f"hops.ike_{port}_passed_by", found.passed_by, "hops")
    reason = UNCONFIRMED if found.control_beyond is None else ""
    run.observe(f"hops.ike_{port}_control_beyond", found.control_beyond, "hops", reason=reason)
    run.observe(f"hops.ike_{port}_to_last_router", found.to_last_router, "hops")
    if found.refused_by is not None:
        where = f"{found.refused_by.hop} ({found.refused_by.sender})"
        run.observe(f"hops.ike_{port}_refused", where, "hops")


def _message(run: Run, channel: Channel) -> bytes:
    """Returns a Main Mode message 1 as it goes over the wire.

    Nobody accepts what it offers, so nothing half-open is left where it gets through.
    """
    method = offers.authentication_for(run.request)
    impossible = Phase1Transform(PRIVATE_USE_CIPHER, 256, 2, Group.MODP_2048, method)
    policy = offers.experiment_policy(run.profile, (impossible,), channel)
    ports = (run.request.ike_port, run.request.nat_t_port)
    ends = PathAddresses(packed(run.local), packed(run.remote), ports[0], ports[0], ports[1], ports[1])
    engine = Ikev1Initiator(policy, ends, Credentials(), run.random)
    engine.start(0.0)
    return engine.datagrams_to_send(0.0)[0].data
