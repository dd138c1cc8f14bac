"""The path test's report: a table for people, one JSON object for programs."""

from __future__ import annotations

from typing import Literal

import msgspec
from rich.cells import cell_len

from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.reflect import ChannelResult, ReflectMeasurement, SizeResult
from l2tp_doctor.report.drawing import Glyphs, milliseconds
from l2tp_doctor.report.json import ObservationRow, Target
from l2tp_doctor.report.printable import printable
from l2tp_doctor.report.sentences import sentence
from l2tp_doctor.report.words import Words
from l2tp_doctor.report.wrapping import wrap

SCHEMA_VERSION = 1
_GAP = 2


# -- JSON ---------------------------------------------------------------------------------------


class SizeRow(msgspec.Struct, frozen=True):
    """One size of one channel."""

    size: int
    sent: int
    arrived: int
    returned: int
    fragmented: bool
    changed: bool


class ChannelRow(msgspec.Struct, frozen=True):
    """One channel; null means it could not be known, because of ``reason``."""

    name: Literal["udp500", "udp4500", "esp_udp", "esp", "control"]
    arrived: bool | None
    returned: bool | None
    reason: str
    rtt: float | None
    source: str
    source_seen: str
    sizes: list[SizeRow]


class ReflectResult(msgspec.Struct, frozen=True):
    """What ``reflect test --json`` prints."""

    schema_version: int
    target: Target
    verdict: Literal["passes", "impaired", "undetermined"]
    channels: list[ChannelRow]
    observations: list[ObservationRow]
    elapsed_seconds: float


def encode(measurement: ReflectMeasurement) -> bytes:
    """Returns the object as indented UTF-8 JSON with a line end."""
    result = {
        "schema_version": SCHEMA_VERSION,
        "target": {"host": measurement.host, "address": measurement.address},
        "verdict": measurement.verdict,
        "channels": measurement.channels,
        "observations": [_observation(item) for item in measurement.observations],
        "elapsed_seconds": round(measurement.elapsed, 3),
    }
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def _observation(item: Observation) -> ObservationRow:
    value = list(item.value) if isinstance(item.value, tuple) else item.value
    return ObservationRow(item.id, item.name, value, item.at, item.source, reason=item.reason)


def decode(data: bytes) -> ReflectResult:
    """Reads what :func:`encode` wrote.

    Raises:
        msgspec.ValidationError: not such a report.
    """
    return msgspec.json.decode(data, type=ReflectResult)


# -- text ---------------------------------------------------------------------------------------


def lines(
    measurement: ReflectMeasurement, ports: dict[str, int], words: Words, glyphs: Glyphs, width: int
) -> list[str]:
    """Returns the whole report.

    Args:
        measurement: what to show.
        ports: port of each channel that has one, by its name.
        words: the language.
        glyphs: what the terminal can show.
        width: in terminal cells.
    """
    shown: list[str] = []
    if measurement.channels:
        shown += [*_table(measurement.channels, ports, words, glyphs, width), ""]
        legend = {"both": glyphs.check, "out": glyphs.arrow, "lost": glyphs.cross}
        shown += [*wrap(words("reflect.legend", **legend), width), ""]
    for item in measurement.observations:
        if _worth_saying(item, measurement):
            first, *rest = wrap(sentence(item, words), width - _GAP)
            shown += [f"{glyphs.bullet} {first}", *(" " * _GAP + line for line in rest)]
    for channel in measurement.channels:
        if channel.returned is None:
            text = words("reflect.not_tested", channel=_name(channel, ports, words), reason=channel.reason)
            first, *rest = wrap(text, width - _GAP)
            shown += [f"{glyphs.bullet} {first}", *(" " * _GAP + line for line in rest)]
    return [*shown, "", *wrap(words(f"reflect.verdict.{measurement.verdict}"), width)]


def _worth_saying(item: Observation, measurement: ReflectMeasurement) -> bool:
    """Whether an observation tells what the table does not, or what is wrong."""
    name, value = item.name, item.value
    if name in ("reflect.nat.address_rewritten", "reflect.nat.source_port_rewritten"):
        return value is True
    if name == "reflect.payload_changed":
        return value is True
    if name == "reflect.nat.address_seen" or name.endswith((".icmp", ".icmp_from")):
        return True
    if name in ("reflect.largest_arrived", "reflect.largest_returned"):
        tops = [channel.sizes[-1].size for channel in measurement.channels if channel.sizes]
        return value != max(tops, default=value)
    if name.startswith("reflect.") and name.endswith(".returned") and value is False:
        # That nothing returned follows where nothing arrived, or where nobody knows.
        arrived = name.removesuffix("returned") + "arrived"
        return any(other.name == arrived and other.value is True for other in measurement.observations)
    return (value is False and name != "reflect.fragments.seen") or name in ("route.error", "resolve.error")


def _name(channel: ChannelResult, ports: dict[str, int], words: Words) -> str:
    return words(f"reflect.channel.{channel.name}", port=ports.get(channel.name, 0))


def _mark(value: bool | None, glyphs: Glyphs) -> str:
    return "?" if value is None else glyphs.check if value else glyphs.cross


def _size(item: SizeResult, glyphs: Glyphs, *, known: bool) -> str:
    """Returns a size with its mark; without any answer nobody knows what arrived."""
    lost = glyphs.cross if known else "?"
    mark = glyphs.check if item.returned else glyphs.arrow if item.arrived else lost
    return f"{item.size}{mark}{'!' if item.changed else ''}"


def _table(
    channels: tuple[ChannelResult, ...], ports: dict[str, int], words: Words, glyphs: Glyphs, width: int
) -> list[str]:
    head = [words(f"reflect.column.{name}") for name in ("channel", "out", "back", "rtt")]
    rows = [
        [
            printable(_name(channel, ports, words)),
            _mark(channel.arrived, glyphs),
            _mark(channel.returned, glyphs),
            milliseconds(channel.rtt) if channel.rtt is not None else "-",
        ]
        for channel in channels
    ]
    widths = [max(cell_len(row[column]) for row in (head, *rows)) + _GAP for column in range(len(head))]
    shown = [_row(head, widths) + words("reflect.column.sizes")]
    for row, channel in zip(rows, channels, strict=True):
        known = channel.arrived is not None
        marked = " ".join(_size(item, glyphs, known=known) for item in channel.sizes)
        sizes = wrap(marked, max(20, width - sum(widths)))
        shown.append((_row(row, widths) + sizes[0]).rstrip())
        shown += [" " * sum(widths) + line for line in sizes[1:]]
    return shown


def _row(cells: list[str], widths: list[int]) -> str:
    return "".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
