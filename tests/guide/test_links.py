"""Links to entries become words that can stand alone."""

from __future__ import annotations

import re

import pytest

from l2tp_doctor.guide.links import rewrite
from l2tp_doctor.knowledge import articles
from l2tp_doctor.knowledge.articles import Link, parse
from tests.guide.writing import article


def rewritten(markdown: str) -> str:
    parsed = parse(article(sections={"check": markdown}), "x").articles[0]
    section = parsed.section("check")
    assert section is not None
    item = section.items[0]

    def replacement(link: Link, words: str) -> str:
        return f"<{link.kind} {link.target}: {words}>"

    return rewrite(item.markdown, item.links, replacement)


def test_the_words_stay_and_the_address_goes() -> None:
    assert rewritten("- まず[疎通](check:full-dial)を見る") == "まず<check full-dial: 疎通>を見る"


def test_markup_and_brackets_inside_the_words_stay() -> None:
    assert rewritten("- [`[a]` と **b**](fix:x) 後") == "<fix x: `[a]` と **b**> 後"


def test_several_links_in_their_order() -> None:
    assert rewritten("- [a](check:one), [b](check:two)") == "<check one: a>, <check two: b>"


def test_what_only_looks_like_a_link_stays() -> None:
    source = "`[a](check:one)` と [b](check:two) と \\[c](check:two)"
    assert rewritten(f"- {source}") == "`[a](check:one)` と <check two: b> と \\[c](check:two)"


def test_links_to_the_web_stay() -> None:
    source = "[RFC 3947](https://www.rfc-editor.org/rfc/rfc3947)"
    assert rewritten(f"- {source}") == source


JAPANESE = "\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
STRAY_BLANK = re.compile(
    rf"[{JAPANESE}] \[[*`]*[{JAPANESE}][^\]]*\]\(\w+:|\[[^\]]*[{JAPANESE}][*`]*\]\(\w+:[^)]*\) [{JAPANESE}]"
)


@pytest.mark.parametrize("case_id", articles.case_ids())
def test_no_blank_is_left_between_japanese_words_once_a_link_is_gone(case_id: str) -> None:
    found = [match[0] for match in STRAY_BLANK.finditer(articles.bundled_text(case_id))]
    assert found == []
