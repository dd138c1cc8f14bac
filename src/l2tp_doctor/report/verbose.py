"""Every message decoded, as an indented tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from l2tp_doctor.protocol.engine import Direction, TraceEvent
from l2tp_doctor.report.drawing import Glyphs, milliseconds
from l2tp_doctor.report.printable import printable

_MAX_DEPTH = 12  # a peer chooses the nesting of what it sends
_MAX_VALUE = 200
_ARROWS = {Direction.OUT: "right", Direction.IN: "left", Direction.NOTE: "bullet"}
_STYLES = {Direction.OUT: "bold", Direction.IN: "bold green", Direction.NOTE: "dim"}


def _scalar(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() or "''"
    return str(value)


def _is_branch(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, Sequence)
        and not isinstance(value, (str, bytes))
        and any(isinstance(item, (Mapping, list, tuple)) for item in value)
    )


def _leaf(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return printable(", ".join(_scalar(item) for item in value), _MAX_VALUE)
    return printable(_scalar(value), _MAX_VALUE)


def _tree(value: object, depth: int) -> Iterator[Text]:
    indent = " " * (12 + 2 * depth)
    if depth > _MAX_DEPTH:
        yield Text(f"{indent}…", "dim")
        return
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[str, object]] = ((str(key), item) for key, item in value.items())
    elif isinstance(value, Sequence):
        pairs = ((f"[{position}]", item) for position, item in enumerate(value, 1))
    else:
        pairs = (("", value),)
    for name, item in pairs:
        line = Text(indent)
        line.append(printable(name), "cyan")
        if _is_branch(item):
            yield line
            yield from _tree(item, depth + 1)
        else:
            line.append(" " if name else "")
            line.append(_leaf(item))
            yield line


def packet_tree(event: TraceEvent, glyphs: Glyphs) -> list[Text]:
    """Returns one event's lines: its summary, then its decoded fields indented below it."""
    arrow = getattr(glyphs, _ARROWS[event.direction])
    head = Text(f"{milliseconds(event.at):>9} ", "dim")
    head.append(f"{arrow} ", _STYLES[event.direction])
    head.append(f"{event.layer} ", "cyan")
    head.append(printable(event.summary, _MAX_VALUE), _STYLES[event.direction])
    if event.size:
        head.append(f" ({event.size} B)", "dim")
    if event.trigger is not None and event.trigger not in event.summary:
        head.append(f" [{event.trigger}]", "yellow")
    return [head, *_tree(event.fields, 0)] if event.fields else [head]


def packet_trees(events: Iterable[TraceEvent], glyphs: Glyphs) -> Iterator[Text]:
    """Yields the lines of every event."""
    for event in events:
        yield from packet_tree(event, glyphs)
