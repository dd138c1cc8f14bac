"""What several tests of the IKEv1 engines need beside the pair itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from l2tp_doctor.protocol.engine import Channel, Datagram, TraceEvent
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.isakmp.message import Message, decode_message
from tests.protocol.ikev1.pair import Pair, Script

HEALTHY = ["Main Mode 1", "Main Mode 2", "Main Mode 3", "Main Mode 4", "Main Mode 5", "Main Mode 6",
           "Quick Mode 1", "Quick Mode 2", "Quick Mode 3"]  # fmt: skip
AGGRESSIVE = ["Aggressive Mode 1", "Aggressive Mode 2", "Aggressive Mode 3",
              "Quick Mode 1", "Quick Mode 2", "Quick Mode 3"]  # fmt: skip


def isakmp(datagram: Datagram) -> bytes:
    """The ISAKMP message in a datagram, checked for the marker RFC 3948 §2.2 wants on UDP 4500."""
    if datagram.channel is Channel.NAT_T:
        assert datagram.data[:4] == bytes(4)
        return datagram.data[4:]
    return datagram.data


def message_of(datagram: Datagram) -> Message:
    return decode_message(isakmp(datagram))


def is_ready(pair: Pair) -> bool:
    """Both sides can send ESP, and the keys of both fit each other."""
    if pair.client.state is not State.READY or not pair.gateway_got(events.QuickModeAnswered):
        return False
    ours = pair.client_got(events.QuickModeEstablished)[0]
    theirs = pair.gateway_got(events.QuickModeAnswered)[0]
    there = theirs.inbound.open(ours.outbound.seal(b"question", 17, bytes))
    back = ours.inbound.open(theirs.outbound.seal(b"answer", 17, bytes))
    return (there, back) == ((b"question", 17), (b"answer", 17))


def lose(*numbers: int) -> Script:
    """Loses the datagrams with these numbers (counted from 1 over both directions)."""
    return lambda number, _from_client, datagram: [] if number in numbers else [(0.01, datagram)]


def lose_where(predicate: Callable[[bool, Datagram], bool]) -> Script:
    return lambda _number, from_client, datagram: (
        [] if predicate(from_client, datagram) else [(0.01, datagram)]
    )


def change(
    wanted: Callable[[bool, Message], bool], how: Callable[[bytes], Iterable[bytes]], *, genuine: bool = False
) -> Script:
    """Puts ``how(message)`` in the place of every message that is wanted, or before it when ``genuine``."""

    def script(_number: int, from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
        if not wanted(from_client, message_of(datagram)):
            return [(0.01, datagram)]
        prefix = bytes(4) if datagram.channel is Channel.NAT_T else b""
        changed = [(0.01, Datagram(datagram.channel, prefix + data)) for data in how(isakmp(datagram))]
        return [*changed, (0.02, datagram)] if genuine else changed

    return script


def triggers(trace: Iterable[TraceEvent]) -> list[str]:
    return [event.trigger for event in trace if event.trigger is not None]


def labels(pair: Pair) -> list[str]:
    """The names of the messages the client sent and received, in order, without fragments and repetitions."""
    return [
        event.summary.partition(":")[0]
        for event in pair.client_trace
        if event.trigger is None
        and event.direction.value != "note"
        and not event.summary.startswith("fragment")
    ]


Kind = TypeVar("Kind")


def only(items: list[Kind]) -> Kind:
    assert len(items) == 1, items
    return items[0]
