"""Cuts texts into the pieces that are searched for.

Japanese has no spaces, and people mistype; so Japanese is cut into overlapping pairs of characters and other
words into overlapping triples beside the whole word.  Half of a word's pieces survive one wrong letter, which
is enough for a ranking by how rare the shared pieces are (BM25) to find the article all the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Beyond it a query is a pasted log, of which the beginning says enough; it bounds the time of a search.
MAX_QUERY_GRAMS = 400

# Katakana to hiragana; the long vowel mark goes, since サーバ and サーバー are one word.
_EQUAL = {code: code - 0x60 for code in range(0x30A1, 0x30F7)} | {ord("ー"): None}
_JAPANESE = "々\u3041-\u3096\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(f"(?P<japanese>(?:(?=\\w)[{_JAPANESE}])+)|[^\\W_{_JAPANESE}]+")


def normalized(text: str) -> str:
    """Returns ``text`` with the differences removed that readers do not see.

    Full and half width (NFKC), case, hiragana and katakana are made equal.
    """
    return unicodedata.normalize("NFKC", text).casefold().translate(_EQUAL)


def grams(text: str) -> Iterator[str]:
    """Yields the pieces of ``text`` in their order, each of letters, digits and ``_`` only."""
    for run in _RUN.finditer(normalized(text)):
        if run["japanese"]:
            yield from _pairs(run[0])
        else:
            yield from _of_word(run[0])


def query_grams(text: str) -> tuple[str, ...]:
    """Returns the different pieces of a query, the first ``MAX_QUERY_GRAMS`` of them."""
    return tuple(dict.fromkeys(grams(text)))[:MAX_QUERY_GRAMS]


@lru_cache(maxsize=20_000)
def _of_word(word: str) -> tuple[str, ...]:
    if word.isdigit() or len(word) < 3:
        return (word,)  # 798 is not nearly 789
    padded = f"_{word}_"
    return (word, *(padded[start : start + 3] for start in range(len(padded) - 2)))


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for start in range(len(run) - 1):
        yield run[start : start + 2]
