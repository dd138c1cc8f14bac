"""The furthest stage a dial reached, read from its observations."""

from __future__ import annotations

from l2tp_doctor.observations import ObservationLog
from l2tp_doctor.probes.interface import Stage

# Stage -> observations any of which shows that it was reached, furthest first.  ``nat_t`` is
# left once anything is heard on UDP 4500: a dial that floated and met silence stays there.
_SIGNS: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    ("connected", ("dial.connected",)),
    ("ipcp", ("ppp.auth.result",)),
    ("auth", ("ppp.lcp.opened",)),
    ("lcp", ("l2tp.established",)),
    ("l2tp", ("esp.received",)),
    ("esp", ("ike.quick.established",)),
    ("ike_quick", ("ike.main.established",)),
    ("ike_main", ("ike.main.reply_2", "udp500.reply")),
    ("reach", ("resolve.ok",)),
)


def reached(log: ObservationLog) -> Stage:
    """Returns the furthest stage."""
    for stage, names in _SIGNS:
        for name in names:
            latest = log.latest(name)
            if latest is None:
                continue
            if name == "ppp.auth.result":
                if latest.value == "success":
                    return stage
            elif latest.value is True:
                return _within_phase1(log) if stage == "ike_main" else stage
    return "resolve"


def _within_phase1(log: ObservationLog) -> Stage:
    """Message 4 opens the authentication, but on UDP 4500 only once something answers there."""
    if not _true(log, "ike.main.reply_4"):
        return "ike_main"
    if _true(log, "nat_t.floated") and not _true(log, "ike.main.reply_6") and not _heard_after_float(log):
        return "nat_t"
    return "ike_auth"


def _heard_after_float(log: ObservationLog) -> bool:
    """Whether the dial itself got anything on 4500: an experiment's answer is not the dial's."""
    floated = log.latest("nat_t.floated")
    return any(
        item.name in ("ike.notify.encrypted", "ike.notify.clear", "ike.main.undecryptable_reply")
        and floated is not None
        and item.at >= floated.at
        for item in log
    )


def _true(log: ObservationLog, name: str) -> bool:
    latest = log.latest(name)
    return latest is not None and latest.value is True
