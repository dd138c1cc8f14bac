"""Every word a user sees, in one language."""

from __future__ import annotations

from typing import Literal

from l2tp_doctor.knowledge.localized import LocalizedText
from l2tp_doctor.knowledge.ui_texts import texts

Language = Literal["ja", "en"]


class Words:
    """The texts of ``knowledge/texts`` in one language.

    Attributes:
        language: ``ja`` or ``en``.
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __contains__(self, key: str) -> bool:
        return key in texts()

    def __call__(self, key: str, **values: object) -> str:
        """Returns the text of ``key`` with its placeholders filled in.

        Raises:
            KeyError: no such text, or a placeholder without a value (a bug of ours).
        """
        return texts().text(key, self.language, **values)

    def pick(self, text: LocalizedText) -> str:
        """Returns this language's side of a text from elsewhere in the knowledge."""
        return text.get(self.language)

    def joined(self, items: list[str]) -> str:
        """Returns ``items`` as one enumeration."""
        return ("、" if self.language == "ja" else ", ").join(items)

    def sentences(self, items: list[str]) -> str:
        """Returns whole sentences as one paragraph."""
        return ("" if self.language == "ja" else " ").join(items)
