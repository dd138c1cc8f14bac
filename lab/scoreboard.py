"""What a run of the cases came to: figures, a table for readers, and the page in the documents."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEALTHY = "healthy"


@dataclass(frozen=True)
class PeerAnswer:
    """What another tool made of the same case.

    Attributes:
        said: its conclusion in a few words.
        right: whether that is the truth; ``docs/lab.md`` says how this is judged.
        seconds: how long it took.
    """

    said: str
    right: bool
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """One dial.

    Attributes:
        expected: the true cause, several with ``|`` between them, or ``healthy``.
        got: the cause named first, or the verdict where none was named.
        right: whether that is the truth.
        seconds: until the command ended.
        stage: furthest stage reached.
        probability: of the first cause.
        windows_error: the code that Windows would show, or None.
        warnings: warnings given.
        problems: whatever else is not as the case says, one sentence each.
    """

    expected: str
    got: str
    right: bool
    seconds: float
    stage: str = ""
    probability: float | None = None
    windows_error: int | None = None
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One case: its dials, and what other tools said while the first one's fault was in force."""

    id: str
    group: str
    gateway: str
    outcomes: tuple[Outcome, ...]
    peers: Mapping[str, PeerAnswer] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether every dial got the true answer."""
        return all(item.right for item in self.outcomes)

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems of all its dials."""
        return tuple(sentence for item in self.outcomes for sentence in item.problems)

    @property
    def false_alarm(self) -> bool:
        """Whether something was called wrong where nothing was."""
        return any(item.expected == HEALTHY and item.got != HEALTHY for item in self.outcomes)

    def row(self) -> dict[str, Any]:
        """Return it as it is written to the scoreboard."""
        first = self.outcomes[0]
        found: dict[str, Any] = {
            "id": self.id, "expected": first.expected, "got": first.got, "seconds": round(first.seconds, 2),
            "right": self.right, "false_alarm": self.false_alarm, "group": self.group,
            "gateway": self.gateway, "stage": first.stage,
            "probability": first.probability, "windows_error": first.windows_error,
            "warnings": list(first.warnings), "problems": list(self.problems),
        }  # fmt: skip
        if len(self.outcomes) > 1:
            found["then"] = [
                {"expected": item.expected, "got": item.got, "seconds": round(item.seconds, 2)}
                for item in self.outcomes[1:]
            ]
        if self.peers:
            found["peers"] = {
                name: {"said": item.said, "right": item.right, "seconds": round(item.seconds, 2)}
                for name, item in self.peers.items()
            }
        return found


def scoreboard(results: Sequence[Result], kept: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the machine-readable scoreboard.

    Args:
        results: of this run.
        kept: rows of an earlier one; of those of cases that were run again only other tools' answers stay.
    """
    before = {row["id"]: row for row in kept}
    # What other tools said stays until they are asked again.
    rows = [{"peers": before[item.id]["peers"]} | item.row() if "peers" in before.get(item.id, ())
            else item.row() for item in results]  # fmt: skip
    again = {item.id for item in results}
    rows += [row for row in kept if row["id"] not in again]
    return {
        "cases": len(rows),
        "top1": sum(row["right"] for row in rows),
        "healthy_false_alarms": sum(row["false_alarm"] for row in rows),
        "results": sorted(rows, key=lambda row: str(row["id"])),
    }


def write(results: Sequence[Result], path: Path, kept: Sequence[dict[str, Any]] = ()) -> None:
    """Write ``scoreboard.json``; the old one stays until the new one is complete."""
    fresh = path.with_suffix(".new")
    text = json.dumps(scoreboard(results, kept), ensure_ascii=False, indent=1)
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(path)


def verdict_seconds(board: Mapping[str, Any]) -> tuple[float, float]:
    """Return the median and the worst time to a verdict on a fault, in seconds (0 without one)."""
    times = [item["seconds"] for item in board["results"] if item["expected"] != HEALTHY]
    return (statistics.median(times), max(times)) if times else (0.0, 0.0)


def table(board: Mapping[str, Any]) -> str:
    """Return the scoreboard for a terminal."""
    rows = [
        (
            " ok " if item["right"] and not item["problems"] else "BAD ",
            item["id"],
            item["gateway"],
            item["got"] if item["right"] else f"{item['got']} (expected {item['expected']})",
            f"{item['seconds']:.1f} s",
        )
        for item in board["results"]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    for item in board["results"]:
        lines += [f"{item['id']}: {sentence}" for sentence in item["problems"]]
        lines += [
            f"{item['id']}: after mending: {step['got']} (expected {step['expected']})"
            for step in item.get("then", ())
            if step["got"] not in step["expected"].split(" | ")
        ]
    median, worst = verdict_seconds(board)
    lines.append(
        f"{board['top1']} of {board['cases']} right, {board['healthy_false_alarms']} false alarms; "
        f"time to a verdict on a fault: median {median:.1f} s, worst {worst:.1f} s"
    )
    return "\n".join(lines)


def peer_names(board: Mapping[str, Any]) -> list[str]:
    """Return the other tools that were asked, in the order of their first answer."""
    return list(dict.fromkeys(name for item in board["results"] for name in item.get("peers", ())))


def markdown(board: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return the scoreboard as a part of ``docs/lab.md``.

    Args:
        board: as :func:`scoreboard` gives it.
        titles: case id → what it is, in English.
    """
    peers = peer_names(board)
    median, worst = verdict_seconds(board)
    asked = {name: [item["peers"][name] for item in board["results"] if name in item.get("peers", ())]
             for name in peers}  # fmt: skip
    heads = ["case", "what", "gateway", "l2tp-doctor", "seconds", *peers]
    summary = (
        f"{board['cases']} cases: the true answer first in {board['top1']}, "
        f"{board['healthy_false_alarms']} false alarms on healthy paths. "
        f"Time to a verdict on a fault: median {median:.1f} s, worst {worst:.1f} s."
    )
    lines = [summary, ""]
    if peers:
        lines += [
            "| tool | right |",
            "|---|---|",
            f"| l2tp-doctor | right in {board['top1']} of {board['cases']} |",
            *(
                f"| {name} | right in {sum(item['right'] for item in asked[name])} of {len(asked[name])} |"
                for name in peers
            ),
            "",
        ]
    lines += [_line(heads), "|" + "---|" * len(heads)]
    for item in board["results"]:
        named = _mark(item["right"], " → ".join([item["got"], *(s["got"] for s in item.get("then", ()))]))
        cells = [f"`{item['id']}`", titles.get(item["id"], ""), item["gateway"], named]
        cells.append(f"{item['seconds']:.1f}")
        for name in peers:
            answer = item.get("peers", {}).get(name)
            cells.append("" if answer is None else _mark(answer["right"], answer["said"]))
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _mark(right: bool, text: str) -> str:
    return text if right else f"✗ {text}"
