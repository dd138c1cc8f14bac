"""Windows error codes: RAS 6xx to 8xx (raserror.h) and IPsec 13800 to 13932 (winerror.h)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from l2tp_doctor.knowledge.files import load_mapping
from l2tp_doctor.knowledge.localized import LocalizedText


@dataclass(frozen=True, slots=True)
class WindowsCode:
    """A code with the name of its constant, what Windows says, and what that means here.

    Attributes:
        code: the number.
        name: the constant, e.g. ``ERROR_VPN_TIMEOUT``.
        meaning: the system's message in substance.
        hint: how to read it for L2TP/IPsec, or ``None``.
    """

    code: int
    name: str
    meaning: LocalizedText
    hint: LocalizedText | None


@cache
def windows_codes() -> Mapping[int, WindowsCode]:
    """Returns every known code by number."""
    found: dict[int, WindowsCode] = {}
    for family in load_mapping("codes.yaml").values():
        prefix = family["prefix"]
        for code, node in family["codes"].items():
            where = f"codes.yaml: {code}"
            meaning = LocalizedText.parse({"ja": node["ja"], "en": node["en"]}, where)
            hint = LocalizedText.parse(node["hint"], where) if "hint" in node else None
            found[code] = WindowsCode(code, prefix + node["name"], meaning, hint)
    return found


def windows_code(code: int) -> WindowsCode | None:
    """Returns one code, or ``None`` when it is not known."""
    return windows_codes().get(code)
