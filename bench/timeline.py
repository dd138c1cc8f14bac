"""Where the time of one dial went: its critical path, read from the report of ``check --json``.

Definitions
-----------

The engines stamp every outgoing message with the time of the call that made them send it.  So a
message sent *because* another one arrived carries exactly that one's time (six digits), and a message
sent by a timer carries a time of its own.

The **critical path** is walked backwards from the message that ended the dial (the packet that opened
IPCP, or the echo reply).  From an incoming message at ``t`` it goes to the latest message of the same
layer (of any layer, where there is none) that we had sent by ``t - 0.95 × RTT``: nothing later can have
caused it.  From that message it goes to the incoming one with the same time, and so on to the first
message of all.  A message sent by a timer leads to the previous message of ours with the same name: what
lies between the two is a wait of ours.

* One **round trip** is one such step from a message of ours to a message of the gateway's.  Messages
  beside the critical path (acknowledgements, IPV6CP, LCP echoes) cost no round trip and are not counted.
* **server** is the duration of these steps minus one RTT each: the gateway's own thinking, its
  timers included.
* **timers** is the sum of the waits between a message and its repetition by our timer, where the
  repetition was the one that brought the answer.
* **ours** is the time from the arrival of a message to the moment when the message that goes on leaves
  the socket; it comes from the packet capture of the same dial, as the engines' time stands still
  while they compute.

``elapsed = before the first packet + round trips × RTT + server + timers + ours``, to the microsecond.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_EPSILON = 2e-6  # two stamps of one call, each rounded to six digits
_SHARE_OF_RTT = 0.95  # the median RTT of ten pings is not the fastest

_REPETITION = re.compile(r"retransmission \d+ of (.+)")
_PACKET = 6
_FLAGS_OPTION = 2
_INBOUND = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One round trip on the critical path; all times in seconds.

    Attributes:
        request: our message.
        reply: the gateway's.
        elapsed: from the stamp of the request to the arrival of the reply.
        ours: our computing before the request left.
        timer: how long our timer had waited before it sent this request; 0 for a first sending.
        server: what is left of ``elapsed`` after ``ours`` and one round-trip time.
    """

    request: str
    reply: str
    elapsed: float
    ours: float
    timer: float
    server: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The whole critical path.

    Attributes:
        elapsed: seconds from the start of the run (before name resolution) to the last message.
        before: seconds until the first packet: name resolution, sockets.
        rtt: the round-trip time it was computed with.
        steps: in the order of time.
    """

    elapsed: float
    before: float
    rtt: float
    steps: tuple[Step, ...] = field(default=())

    @property
    def round_trips(self) -> int:
        """How many there are."""
        return len(self.steps)

    @property
    def server(self) -> float:
        """The gateway's part."""
        return sum(step.server for step in self.steps)

    @property
    def timers(self) -> float:
        """Our timers' part."""
        return sum(step.timer for step in self.steps)

    @property
    def ours(self) -> float:
        """Our computing on the way, without the time before the first packet."""
        return sum(step.ours for step in self.steps)

    @property
    def ratio(self) -> float:
        """Elapsed over round trips × RTT."""
        return self.elapsed / (self.round_trips * self.rtt)

    @property
    def own_ratio(self) -> float:
        """The same without the gateway's thinking: what a gateway that takes no time would show."""
        return (self.elapsed - self.server) / (self.round_trips * self.rtt)


def observed(report: Mapping[str, Any], name: str) -> float | None:
    """When an observation of that name was first true or had a value, in seconds; ``None`` if never."""
    for row in report["observations"]:
        if row["name"] == name and row["value"] not in (False, None):
            return float(row["at"])
    return None


def packet_times(pcapng: bytes) -> tuple[list[float], list[float]]:
    """Returns when packets arrived and when packets left, in seconds since 1970, from a capture of ours."""
    arrived: list[float] = []
    left: list[float] = []
    offset = 0
    while offset + 12 <= len(pcapng):
        kind, length = struct.unpack_from("<II", pcapng, offset)
        if kind == _PACKET:
            high, low, captured = struct.unpack_from("<III", pcapng, offset + 12)
            options = offset + 28 + captured + (-captured % 4)
            inbound = _direction(pcapng[options : offset + length - 4]) == _INBOUND
            (arrived if inbound else left).append(((high << 32) | low) / 1e6)
        offset += max(length, 12)
    return arrived, left


def _direction(options: bytes) -> int:
    offset = 0
    while offset + 4 <= len(options):
        code, size = struct.unpack_from("<HH", options, offset)
        if code == _FLAGS_OPTION:
            return int(struct.unpack_from("<I", options, offset + 4)[0] & 3)
        if code == 0:
            break
        offset += 4 + size + (-size % 4)
    return 0


class _Leaving:
    """When messages really left, on the scale of the timeline."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], pcapng: bytes | None) -> None:
        self._left: list[float] = []
        if pcapng is None:
            return
        arrived, left = packet_times(pcapng)
        first = next((row["at"] for row in rows if row["direction"] == "in"), None)
        if arrived and first is not None:
            shift = arrived[0] - first
            self._left = [at - shift for at in left]

    def delay(self, stamp: float, position: int, limit: float) -> float:
        """Seconds from ``stamp`` until the flight's message number ``position`` left; 0 if unknown."""
        # Packets are stamped with microseconds and the shift with two of them.
        later = [at for at in self._left if stamp - 5e-5 <= at <= limit]
        return max(0.0, later[min(position, len(later) - 1)] - stamp) if later else 0.0


def critical_path(
    report: Mapping[str, Any], rtt: float, until: str, pcapng: bytes | None = None
) -> Breakdown | None:
    """Analyses one dial.

    Args:
        report: what ``check --json`` printed.
        rtt: round-trip time of the path in seconds, measured by other means.
        until: the observation that ends it, e.g. ``ppp.ipcp.opened``.
        pcapng: what ``--pcap`` wrote in the same dial; without it ``ours`` counts as the server's.

    Returns:
        ``None`` when the dial did not get there.
    """
    end = observed(report, until)
    rows = [_message(row) for row in report["timeline"]]
    rows = [row for row in rows if row["direction"] != "note"]
    sent = [row for row in rows if row["direction"] == "out"]
    ended_by = [row for row in rows if row["direction"] == "in" and end is not None and row["at"] <= end]
    if end is None or not sent or not ended_by:
        return None
    leaving = _Leaving(rows, pcapng)
    steps: list[Step] = []
    reply = ended_by[-1]
    elapsed = reply["at"]
    while True:
        request = _request_for(sent, reply, rtt)
        if request is None:
            break
        flight = [row for row in sent if abs(row["at"] - request["at"]) <= _EPSILON]
        ours = leaving.delay(request["at"], len(flight) - 1, reply["at"])
        took = reply["at"] - request["at"]
        cause = _arrived_at(rows, request["at"])
        origin = request
        while cause is None and (previous := _previous(sent, origin)) is not None:
            origin = previous
            cause = _arrived_at(rows, origin["at"])
        timer = request["at"] - origin["at"]
        steps.append(
            Step(request["summary"], reply["summary"], took, ours, timer, took - ours - rtt),
        )
        if cause is None:
            break
        reply = cause
    steps.reverse()
    return Breakdown(elapsed=elapsed, before=float(sent[0]["at"]), rtt=rtt, steps=tuple(steps))


def _message(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A repetition of an IKE message is a note in the timeline; here it is a message of ours."""
    found = _REPETITION.fullmatch(str(row["summary"]))
    return row if found is None else {**row, "direction": "out", "summary": found[1]}


def _request_for(
    sent: Sequence[Mapping[str, Any]], reply: Mapping[str, Any], rtt: float
) -> Mapping[str, Any] | None:
    """Our message that a reply answers, by the rule in this module's docstring."""
    earlier = [row for row in sent if row["at"] <= reply["at"] - _SHARE_OF_RTT * rtt]
    candidates = [row for row in earlier if row["layer"] == reply["layer"]] or earlier
    return candidates[-1] if candidates else None


def _arrived_at(rows: Sequence[Mapping[str, Any]], at: float) -> Mapping[str, Any] | None:
    """The incoming message whose arrival made us send at that time."""
    # The last of several: the note on the first ESP packet comes before what was in it.
    found = [row for row in rows if row["direction"] == "in" and abs(row["at"] - at) <= _EPSILON]
    return found[-1] if found else None


def _previous(sent: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message that ``row`` repeats, the latest earlier one of the same layer and name, or waited for.

    The first SCCRQ leaves a moment after the last message of IKE; that moment is a wait of ours too.
    """
    name = _name(row)
    before = [item for item in sent if item["at"] < row["at"] - _EPSILON]
    same = [item for item in before if item["layer"] == row["layer"] and _name(item) == name]
    if not same and name == "SCCRQ":
        same = [item for item in before if _name(item) == "Quick Mode 3"]
    return same[-1] if same else None


def _name(row: Mapping[str, Any]) -> str:
    """``SCCRQ tunnel 7→? (repetition 1)`` is ``SCCRQ``; echo requests differ by their number only."""
    summary = str(row["summary"])
    if row["layer"] == "icmp":
        return "echo"
    return summary.partition(":")[0].partition(" (repetition")[0].partition(" tunnel ")[0]
