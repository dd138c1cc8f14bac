"""Lists every cause with what proves it, from ``l2tp_doctor.knowledge``.

``python -m docs.make_all`` writes the result to ``docs/causes.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from l2tp_doctor.knowledge import (
    Cause,
    CauseRule,
    EvidenceRow,
    LocalizedText,
    cause,
    cause_ids,
    experiment,
    rulebook,
    windows_code,
)
from l2tp_doctor.knowledge.rulebook import QUOTE

_HEAD = """\
# Causes / 原因の一覧

Written by `make docs` from `src/l2tp_doctor/knowledge/`; do not edit.
`make docs` が `src/l2tp_doctor/knowledge/` から生成した。直接編集しない。

Ids are a contract: new ones may come, none is renamed. “Windows” is the code that Windows usually shows.
It is a weak sign; the verdict rests on the evidence below. `name.of.observation` stands for a value observed.

ID は契約であり、追加はあっても改名はない。「Windows」は Windows が通常表示するコードである。
手がかりとしては弱く、判定は下の証拠による。`name.of.observation` の箇所には観測値が入る。
"""


def render() -> str:
    """Returns the whole document."""
    rules = rulebook().rules
    diagnosed = [cause(identifier) for identifier in cause_ids() if identifier in rules]
    others = [cause(identifier) for identifier in cause_ids() if identifier not in rules]
    parts = [_HEAD, "## Diagnosed by `check` / `check` が診断するもの", "", _table(diagnosed), ""]
    if others:
        parts += [
            "## Not diagnosed by `check` / `check` では診断しないもの",
            "",
            "They lie inside the Windows machine, where a dial from outside sees nothing of them.",
            "Windows 側にあり、ネットワーク越しの接続だけでは見えない。",
            "",
            _table(others, linked=False),
            "",
        ]
    parts += ["## What proves them / 判定の根拠", ""]
    parts += [_section(item, rules[item.id]) for item in diagnosed]
    return "\n".join(parts)


def _table(causes: Iterable[Cause], *, linked: bool = True) -> str:
    lines = ["| id | English | 日本語 | Windows |", "|---|---|---|---|"]
    for item in causes:
        name = f"[`{item.id}`](#{item.id})" if linked else f"`{item.id}`"
        lines.append(f"| {name} | {item.title.en} | {item.title.ja} | {_codes(item)} |")
    return "\n".join(lines)


def _codes(item: Cause) -> str:
    codes = [item.codes.usual, *item.codes.by_stage.values(), *item.codes.also]
    return ", ".join(str(code) for code in dict.fromkeys(code for code in codes if code is not None)) or "—"


def _section(item: Cause, rule: CauseRule) -> str:
    lines = [f"### {item.id}", "", f"**{item.title.en}** / **{item.title.ja}**"]
    code = windows_code(item.codes.usual) if item.codes.usual is not None else None
    if code is not None:
        lines[-1] += f" — {code.code} `{code.name}`"
    lines += ["", item.explanation.en, "", item.explanation.ja, ""]
    lines += _rows("Speaks for it or against it / 支持または不支持", rule.evidence, ratios=True)
    lines += _rows("Rules it out / 否定", rule.excluded_by)
    lines += _rows("Warned of on a dial that works / 接続できても警告", rule.warns)
    if rule.separates:
        lines.append("- Told apart from neighbours by / 隣との見分け方")
        for separation in rule.separates:
            title = experiment(separation.experiment).title
            lines.append(f"  - `{separation.neighbour}`: {title.en} / {title.ja}")
    return "\n".join([*lines, ""])


def _rows(title: str, rows: Iterable[EvidenceRow], *, ratios: bool = False) -> list[str]:
    lines = [f"  - {_weight(row) if ratios else ''}{_both(row.because)}" for row in rows]
    return [f"- {title}", *lines] if lines else []


def _weight(row: EvidenceRow) -> str:
    return f"×{row.ratio:g} "


def _both(text: LocalizedText) -> str:
    return f"{_quoted(text.en)} / {_quoted(text.ja)}"


def _quoted(text: str) -> str:
    return re.sub(r"\s+", " ", QUOTE.sub(r"`\1`", text))
