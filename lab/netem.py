"""Faults of a guest's own network card and clock: the guest's kernel has ``netem``, the machine's may not.

Directions are the client's, as in :mod:`lab.faults`: ``out`` is what arrives at the guest, ``in`` what leaves
it.  What arrives goes through an intermediate device first, because ``netem`` only works on a way out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from lab.faults import Direction
from lab.uml import Guest

_CARD, _BEFORE = "eth0", "ifb0"
_SENT = re.compile(r"Sent \d+ bytes (\d+) pkt \(dropped (\d+)")
_DAY = 86400


class Netem:
    """One ``netem`` while it is in force.

    Attributes:
        packets: how many packets met it.
    """

    def __init__(self, guest: Guest, devices: tuple[str, ...]) -> None:
        self._guest = guest
        self._devices = devices
        self._final: int | None = None

    @property
    def packets(self) -> int:
        """Packets so far; still readable after it was removed."""
        if self._final is not None:
            return self._final
        text = "".join(
            self._guest.run(f"tc -s qdisc show dev {device} root").stdout for device in self._devices
        )
        return sum(int(sent) + int(dropped) for sent, dropped in _SENT.findall(text))

    def freeze(self) -> None:
        """Remember the figure: the device is about to lose it."""
        self._final = self.packets


@contextlib.contextmanager
def netem(guest: Guest, settings: str, direction: Direction = "both") -> Iterator[Netem]:
    """Have a guest's network card lose, delay, repeat, reorder or corrupt packets.

    Args:
        guest: the machine.
        settings: as for ``tc qdisc add … netem``, e.g. ``loss 20%`` or ``delay 20ms reorder 25%``.
        direction: which way packets travel.
    """
    devices = {"out": (_BEFORE,), "in": (_CARD,), "both": (_BEFORE, _CARD)}[direction]
    lines = ["set -e", "modprobe -a sch_netem sch_ingress ifb act_mirred cls_matchall"]
    if _BEFORE in devices:
        lines += [
            f"test -e /sys/class/net/{_BEFORE} || ip link add {_BEFORE} type ifb",
            f"ip link set {_BEFORE} up",
            f"tc qdisc add dev {_CARD} ingress",
            f"tc filter add dev {_CARD} parent ffff: matchall action mirred egress redirect dev {_BEFORE}",
        ]
    lines += [f"tc qdisc replace dev {device} root netem {settings}" for device in devices]
    found = Netem(guest, devices)
    try:
        guest.run("\n".join(lines))
        yield found
        found.freeze()
    finally:
        if guest.alive:
            guest.run(
                f"tc qdisc del dev {_CARD} ingress 2>/dev/null\n"
                + "\n".join(f"tc qdisc del dev {device} root 2>/dev/null" for device in devices)
                + f"\nip link del {_BEFORE} 2>/dev/null\ntrue"
            )


@contextlib.contextmanager
def clock(guest: Guest, days: float) -> Iterator[None]:
    """Have a guest's clock run ahead (or behind, with a negative figure) by so many days."""
    shift = round(days * _DAY)
    guest.run(f"date -s @$(($(date +%s) + {shift}))")
    try:
        yield
    finally:
        if guest.alive:
            guest.run(f"date -s @$(($(date +%s) - {shift}))")
