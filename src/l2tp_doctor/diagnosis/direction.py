"""In which direction packets get lost, as far as a reflector could tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from l2tp_doctor.diagnosis.evidence import Evidence
from l2tp_doctor.diagnosis.sources import origin
from l2tp_doctor.observations import Observation

Channel = Literal["udp500", "udp4500", "esp_udp", "esp", "fragments"]
CHANNELS: tuple[Channel, ...] = ("udp500", "udp4500", "esp_udp", "esp", "fragments")


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of packet that gets lost between here and a reflector.

    Attributes:
        channel: ``fragments`` stands for packets too large for one frame.
        direction: ``out`` from here to the reflector, ``in`` back from it.
        reflector: the host that was asked.
        near_gateway: whether it stands beside the gateway, so that it shares the gateway's path; ``None``
            when that is not known.
        observations: ids of what says so.
    """

    channel: Channel
    direction: Literal["out", "in"]
    reflector: str
    near_gateway: bool | None
    observations: tuple[str, ...]


def losses(observations: Iterable[Observation]) -> tuple[Loss, ...]:
    """Returns what a reflector shows to be lost, and in which direction."""
    evidence = Evidence(observations)
    found: list[Loss] = []
    for channel in CHANNELS:
        arrived, returned = f"reflect.{channel}.arrived", f"reflect.{channel}.returned"
        if evidence.value(arrived) is False:
            found.append(_loss(channel, "out", evidence, [arrived]))
        elif evidence.value(arrived) is True and evidence.value(returned) is False:
            found.append(_loss(channel, "in", evidence, [arrived, returned]))
    return tuple(found)


def _loss(channel: Channel, direction: Literal["out", "in"], evidence: Evidence, names: list[str]) -> Loss:
    near = evidence.value("reflect.near_gateway")
    source = evidence.relevant(names[-1])[-1].source
    return Loss(
        channel,
        direction,
        origin(source).detail,
        near if isinstance(near, bool) else None,
        evidence.ids(names),
    )
