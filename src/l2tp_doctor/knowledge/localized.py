"""A text in every language the program speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")


class LocalizedText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same statement in Japanese and in English."""

    ja: str
    en: str

    def __post_init__(self) -> None:
        if not self.ja.strip() or not self.en.strip():
            raise ValueError("both languages want a non-empty text")

    def get(self, language: str) -> str:
        """Returns the text in ``language``; English for a language that is not ``ja``."""
        return self.ja if language == "ja" else self.en

    @classmethod
    def parse(cls, node: object, where: str) -> LocalizedText:
        """Reads ``{ja: …, en: …}``.

        Raises:
            ValueError: a language is missing, empty, or there is something else beside them.
        """
        if not isinstance(node, Mapping) or set(node) != set(LANGUAGES):
            raise ValueError(f"{where}: wants exactly the keys ja and en")
        values = {language: node[language] for language in LANGUAGES}
        if any(not isinstance(value, str) or not value.strip() for value in values.values()):
            raise ValueError(f"{where}: both languages want a non-empty text")
        return cls(ja=values["ja"].strip(), en=values["en"].strip())
