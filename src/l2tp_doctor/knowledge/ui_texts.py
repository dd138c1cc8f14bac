"""Every other text a user sees, by key, merged from ``texts/*.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from l2tp_doctor.knowledge.files import load_mapping, names
from l2tp_doctor.knowledge.localized import LANGUAGES, LocalizedText


@dataclass(frozen=True, slots=True)
class Texts:
    """The merged catalogue.

    An entry is ``key: {ja: …, en: …}`` with ``str.format`` placeholders.  ``same: true``
    beside them marks a text that is rightly the same in both languages (a product name).
    """

    entries: Mapping[str, LocalizedText]
    same: frozenset[str]

    def text(self, key: str, language: str, **values: object) -> str:
        """Returns the text of ``key`` with its placeholders filled.

        Raises:
            KeyError: no such key, or a placeholder without a value (both are bugs of ours).
        """
        return self.entries[key].get(language).format(**values)

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)


@cache
def texts() -> Texts:
    """Returns the catalogue of all files.

    Raises:
        ValueError: two files define the same key, or an entry has the wrong shape.
    """
    entries: dict[str, LocalizedText] = {}
    same: set[str] = set()
    for name in names("texts"):
        for key, node in load_mapping("texts", f"{name}.yaml").items():
            where = f"texts/{name}.yaml: {key}"
            if key in entries:
                raise ValueError(f"{where}: defined twice")
            entries[key] = _entry(node, where)
            if node.get("same", False):
                same.add(key)
    return Texts(entries, frozenset(same))


def _entry(node: Any, where: str) -> LocalizedText:
    if not isinstance(node, Mapping) or not set(node) <= {*LANGUAGES, "same"}:
        raise ValueError(f"{where}: wants ja, en and perhaps same")
    return LocalizedText.parse({key: value for key, value in node.items() if key != "same"}, where)


def text(key: str, language: str, **values: object) -> str:
    """Short for ``texts().text(key, language, **values)``."""
    return texts().text(key, language, **values)
